import { createHash } from 'node:crypto'
import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { SecretHandlers } from '../../rpc/handler.ts'
import type { LocalCaller } from '../../rpc/peer.ts'
import { SECRET_TYPE } from '../../rpc/secrets.ts'
import type { ServerDuplex } from '../../rpc/stream.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { DeltaDiscoveryRequest__Output } from '../../wire/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts'
import type { DeltaDiscoveryResponse } from '../../wire/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts'
import type { DiscoveryRequest__Output } from '../../wire/envoy/service/discovery/v3/DiscoveryRequest.ts'
import type { DiscoveryResponse } from '../../wire/envoy/service/discovery/v3/DiscoveryResponse.ts'
import type { WorkloadApiMethod } from './admission.ts'
import { type Followers, roomIn } from './follow.ts'
import { everyName, type NamedSecret, secretOf } from './secrets.ts'

export interface SecretDiscoveryOptions {
  readonly credentials: Watch<Credentials>
  readonly followers: Followers
  /** Throws what the caller is refused with. */
  readonly admit: (method: WorkloadApiMethod, caller: LocalCaller) => void
  readonly log: Logger
}

/** Names in one subscription; there are few secrets to have. */
const MAX_NAMES = 64
/** Of a text that a client sends for the log. */
const MAX_SHOWN = 300

/**
 * Envoy's secret discovery service: the state of the world, deltas, and single fetches. An answer goes out when other names are
 * asked for and when a secret that is subscribed to changes; what was refused (NACK) is not sent again before it has changed.
 */
export function secretHandlers(options: SecretDiscoveryOptions): SecretHandlers {
  const { credentials, followers, admit } = options
  return {
    streamSecrets: (stream, caller) => {
      admit('StreamSecrets', caller)
      const session = new WorldSession(stream, options)
      followers.follow(stream, () => session.changed())
      stream.onMessage((request) => session.receive(request))
      stream.onEnd(() => stream.end())
    },
    deltaSecrets: (stream, caller) => {
      admit('DeltaSecrets', caller)
      const session = new DeltaSession(stream, options)
      followers.follow(stream, () => session.changed())
      stream.onMessage((request) => session.receive(request))
      stream.onEnd(() => stream.end())
    },
    fetchSecrets: (request, caller) => {
      admit('FetchSecrets', caller)
      checkType(request.typeUrl)
      return world(namesOf(request.resourceNames, credentials.current), credentials.current)
    },
  }
}

/** One stream that is always told of everything that it asks for. */
class WorldSession {
  readonly #stream: ServerDuplex<DiscoveryRequest__Output, DiscoveryResponse>
  readonly #options: SecretDiscoveryOptions
  #names: readonly string[] | undefined
  #nonce = 0
  /** Of the last answer. */
  #version = ''
  #unanswered = false

  constructor(stream: ServerDuplex<DiscoveryRequest__Output, DiscoveryResponse>, options: SecretDiscoveryOptions) {
    this.#stream = stream
    this.#options = options
  }

  receive({ typeUrl, resourceNames, responseNonce, errorDetail, node }: DiscoveryRequest__Output): void {
    checkType(typeUrl)
    // An answer to an older message: one to the last is on its way, and says what this one says.
    if (this.#nonce > 0 && responseNonce !== String(this.#nonce)) return
    if (this.#unanswered && errorDetail !== null) refused(node?.id, errorDetail.message, this.#options.log)
    this.#unanswered = false
    const names = namesOf(resourceNames, this.#options.credentials.current)
    const known = this.#names
    this.#names = names
    if (known === undefined || !sameNames(known, names)) this.#send()
  }

  changed(): void {
    if (this.#names !== undefined) this.#send(this.#version)
  }

  /** Says nothing when the client has `version` already. */
  #send(version?: string): void {
    const answer = world(this.#names ?? [], this.#options.credentials.current)
    if (answer.versionInfo === version || !roomIn(this.#stream)) return
    this.#nonce += 1
    this.#version = answer.versionInfo
    this.#unanswered = true
    this.#stream.send({ ...answer, nonce: String(this.#nonce) })
  }
}

/** One stream that is told of what has changed. */
class DeltaSession {
  readonly #stream: ServerDuplex<DeltaDiscoveryRequest__Output, DeltaDiscoveryResponse>
  readonly #options: SecretDiscoveryOptions
  /** Versions that were sent; the empty one for a name that there is no secret of. */
  readonly #sent = new Map<string, string>()
  #nonce = 0
  #unanswered = false
  #begun = false

  constructor(
    stream: ServerDuplex<DeltaDiscoveryRequest__Output, DeltaDiscoveryResponse>,
    options: SecretDiscoveryOptions,
  ) {
    this.#stream = stream
    this.#options = options
  }

  receive(request: DeltaDiscoveryRequest__Output): void {
    checkType(request.typeUrl)
    const { resourceNamesSubscribe, resourceNamesUnsubscribe, errorDetail, responseNonce, node } = request
    if (this.#unanswered && responseNonce === String(this.#nonce)) {
      if (errorDetail !== null) refused(node?.id, errorDetail.message, this.#options.log)
      this.#unanswered = false
    }
    for (const name of resourceNamesUnsubscribe) this.#sent.delete(name)
    const first = !this.#begun
    this.#begun = true
    const names =
      first || resourceNamesSubscribe.length > 0
        ? namesOf(resourceNamesSubscribe, this.#options.credentials.current)
        : []
    const held = new Map(first ? Object.entries(request.initialResourceVersions) : [])
    // Asked for again is sent again: the client may have dropped it.
    for (const name of names) this.#sent.set(name, held.get(name) ?? UNSENT)
    if (this.#sent.size > MAX_NAMES) throw tooMany()
    this.#send(names)
  }

  changed(): void {
    this.#send([...this.#sent.keys()])
  }

  #send(names: readonly string[]): void {
    const { credentials } = this.#options
    const resources: NamedSecret[] = []
    const removedResources: string[] = []
    for (const name of names) {
      const secret = secretOf(name, credentials.current)
      const version = secret?.version ?? ''
      if (this.#sent.get(name) === version) continue
      if (secret === undefined) removedResources.push(name)
      else resources.push(secret)
    }
    if (resources.length + removedResources.length === 0 || !roomIn(this.#stream)) return
    for (const name of removedResources) this.#sent.set(name, '')
    for (const { name, version } of resources) this.#sent.set(name, version)
    this.#nonce += 1
    this.#unanswered = true
    this.#stream.send({
      systemVersionInfo: versionOf(resources),
      resources,
      removedResources,
      typeUrl: SECRET_TYPE,
      nonce: String(this.#nonce),
    })
  }
}

/** No version of anything. */
const UNSENT = '-'

/** Throws `secret-unknown`: an answer without what was asked for would leave the client to wait, or with what it has. */
function world(
  names: readonly string[],
  credentials: Credentials,
): { versionInfo: string; resources: NamedSecret['resource'][]; typeUrl: string } {
  const secrets = names.map((name) => {
    const secret = secretOf(name, credentials)
    if (secret === undefined) {
      throw new OutriderError(
        'secret-unknown',
        `there is no secret ${shown(name)}; there are default, ROOTCA, ALL and ${everyName(credentials).join(', ')}`,
      )
    }
    return secret
  })
  return {
    versionInfo: versionOf(secrets),
    resources: secrets.map(({ resource }) => resource),
    typeUrl: SECRET_TYPE,
  }
}

/** Each name once; without any, all. Throws `too-many-secrets`. */
function namesOf(names: readonly string[], credentials: Credentials): string[] {
  const wanted = [...new Set(names.filter((name) => name !== ''))]
  if (wanted.length > MAX_NAMES) throw tooMany()
  return wanted.length === 0 ? everyName(credentials) : wanted
}

function tooMany(): OutriderError<'too-many-secrets'> {
  return new OutriderError('too-many-secrets', `one client may ask for ${MAX_NAMES} secrets: the limit`)
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name) => other.includes(name))
}

function checkType(typeUrl: string): void {
  if (typeUrl === SECRET_TYPE) return
  throw new OutriderError(
    'secret-type-unknown',
    `there are resources of type ${SECRET_TYPE} only, not ${shown(typeUrl)}`,
  )
}

function versionOf(secrets: readonly NamedSecret[]): string {
  const text = secrets.map(({ name, version }) => `${name} ${version}`).join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

function refused(node: string | undefined, message: string, log: Logger): void {
  log.error(
    { node: shown(node ?? ''), reason: shown(message) },
    'a client of secret discovery refused what it was sent',
  )
}

function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text)
}
