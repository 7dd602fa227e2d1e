import { verifyPeer } from '../../identity/verify.ts'
import { OutriderError } from '../../lib/errors.ts'
import type { Watch } from '../../lib/watch.ts'
import { clientContext, type Credentials } from '../../mtls/credentials.ts'
import type { Distrust } from '../../mtls/distrust.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import type { CompiledExternal } from '../../policy/external.ts'
import type { AuthorizationSecurity } from '../../rpc/authorization.ts'
import { ExternalServer, type ExternalServerParts } from './server.ts'

export interface ExternalServersParts extends Omit<ExternalServerParts, 'connect'> {
  readonly policy: Watch<CompiledPolicy>
  readonly credentials: Watch<Credentials>
  readonly distrust: Distrust
}

/** The external authorization servers of the policy in force, each connected once for all requests of a thread. */
export class ExternalServers {
  readonly #parts: ExternalServersParts
  readonly #servers = new Map<string, ExternalServer>()
  readonly #weak = new Set<string>()
  readonly #unsubscribe: readonly (() => void)[]

  constructor(parts: ExternalServersParts) {
    this.#parts = parts
    const { policy, credentials, distrust } = parts
    this.#unsubscribe = [
      policy.subscribe((current) => this.#follow(current)),
      // A connection that exists was verified with what was believed then.
      credentials.subscribe(() => this.#reconnect()),
      distrust.subscribe(() => this.#reconnect()),
    ]
    this.#follow(policy.current)
  }

  of(server: CompiledExternal): ExternalServer {
    const key = keyOf(server)
    const known = this.#servers.get(key)
    if (known !== undefined) return known
    const made = new ExternalServer(server, { ...this.#parts, connect: (asked) => this.#connect(asked) })
    this.#servers.set(key, made)
    return made
  }

  close(): void {
    for (const stop of this.#unsubscribe) stop()
    for (const server of this.#servers.values()) server.close()
    this.#servers.clear()
  }

  #follow({ external }: CompiledPolicy): void {
    const wanted = new Set(external.map(keyOf))
    for (const [key, server] of this.#servers) {
      if (wanted.has(key)) continue
      this.#servers.delete(key)
      server.close()
    }
    for (const { label, onFailure } of external) {
      if (onFailure === 'deny') this.#weak.delete(label)
      else if (!this.#weak.has(label)) {
        this.#weak.add(label)
        this.#parts.log.warn({ server: label }, 'onFailure: allow weakens the mesh: who breaks this server is let in')
      }
    }
  }

  #reconnect(): void {
    for (const server of this.#servers.values()) server.reconnect()
  }

  async #connect(server: CompiledExternal): ReturnType<ExternalServerParts['connect']> {
    // grpc-js costs memory in each thread that has it: only those that ask somebody.
    const { connectAuthorization } = await import('../../rpc/authorization.ts')
    return connectAuthorization(server.address, this.#securityFor(server))
  }

  #securityFor({ spiffeId }: CompiledExternal): AuthorizationSecurity | undefined {
    if (spiffeId === undefined) return undefined
    const { credentials, distrust, clock } = this.#parts
    return {
      context: () => clientContext(credentials.current),
      refusal: (chain) => {
        const peer = verifyPeer(chain, credentials.current.bundles, clock.now())
        const refused = peer.kind === 'refused' ? peer : distrust.of(peer)
        if (refused !== undefined) return new OutriderError('external-not-trusted', refused.message)
        if (peer.kind === 'verified' && peer.id === spiffeId) return undefined
        return new OutriderError('external-not-trusted', `it is another one than ${spiffeId}`)
      },
    }
  }
}

/** All that a connection depends on; what is asked there may change. */
function keyOf({ label, address, spiffeId, timeoutMs, onFailure }: CompiledExternal): string {
  return JSON.stringify([label, address, spiffeId ?? null, timeoutMs, onFailure])
}
