import { parseDuration } from '../../lib/duration.ts'
import { describeError, OutriderError } from '../../lib/errors.ts'
import { readSmallFile } from '../../lib/small-file.ts'
import { pause } from '../../lib/pause.ts'
import type { AdminClient } from '../../rpc/client.ts'
import { isoOf, millisecondsOf } from '../../lib/protobuf-time.ts'
import type { Authority__Output } from '../../wire/outrider/admin/v1/Authority.ts'
import type { AuthorityList__Output } from '../../wire/outrider/admin/v1/AuthorityList.ts'
import { socketOption, withAdmin } from '../admin.ts'
import { type Command, type CommandContext, defineCommand, exitCode, type Output, outputOption } from '../command.ts'
import { formatSpan, formatTable, type Json, print, printable, stateWord } from '../output.ts'

const verbs = ['status', 'prepare', 'activate', 'taint', 'revoke'] as const
type Verb = (typeof verbs)[number]

const MAX_FILE_BYTES = 64 * 1024
/** How long an unready mesh is left alone between two looks. */
const LOOK_AGAIN_MS = 500
/** How long the answer to a step waits for the sidecars to hear of it. */
const SETTLES_WITHIN_MS = 2000

export const command: Command = defineCommand({
  name: 'ca',
  summary: 'Show the roots of the mesh and replace them',
  usage:
    'status\nprepare [--certificates FILE --key FILE]\nactivate [ID] [--wait 1m]\ntaint [ID]\nrevoke [ID] [--wait 1m]',
  options: {
    certificates: {
      type: 'string',
      value: 'FILE',
      doc: 'prepare: PEM of a CA of your own: what signs first, its root last; without it a root is made',
    },
    key: { type: 'string', value: 'FILE', doc: 'prepare: PEM of the private key of the first certificate' },
    wait: {
      type: 'string',
      value: 'DURATION',
      default: '0s',
      doc: 'activate, revoke: how long to wait until no sidecar stands in the way',
    },
    force: { type: 'boolean', doc: 'activate, revoke: cut off the sidecars that stand in the way' },
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const { args, options, stdout, clock } = context
    const [verb = 'status', id = '', ...more] = args
    if (!isVerb(verb) || more.length > 0 || (id !== '' && (verb === 'status' || verb === 'prepare'))) {
      throw new OutriderError('usage-arguments', 'status, prepare, activate [ID], taint [ID] or revoke [ID]')
    }
    const list = await withAdmin(context, async (admin) => {
      const taken = await take(verb, id, admin, context)
      return verb === 'status' ? taken : settled(taken, admin, context)
    })
    if (options.output !== 'table') {
      print(stdout, options.output, listJson(list), () => ({ columns: [], rows: [], empty: '' }))
      return exitCode.ok
    }
    write(list, clock.now(), stdout)
    if (verb !== 'status') stdout.write(`\n${nextStep[verb]}\n`)
    return exitCode.ok
  },
})

type CaContext = CommandContext & {
  readonly options: {
    readonly certificates: string | undefined
    readonly key: string | undefined
    readonly wait: string
    readonly force: boolean | undefined
  }
}

function isVerb(text: string): text is Verb {
  return verbs.some((verb) => verb === text)
}

async function take(
  verb: Verb,
  id: string,
  admin: AdminClient,
  { options, clock, signal }: Pick<CaContext, 'options' | 'clock' | 'signal'>,
): Promise<AuthorityList__Output> {
  const force = options.force ?? false
  const waitMs = parseDuration(options.wait)
  if (waitMs === undefined) {
    throw new OutriderError('usage-duration', `--wait: "${options.wait}" is no duration such as 1m`)
  }
  const patiently = async (step: () => Promise<AuthorityList__Output>): Promise<AuthorityList__Output> => {
    const untilMs = clock.monotonic() + waitMs
    for (;;) {
      try {
        return await step()
      } catch (thrown) {
        const isUnready = thrown instanceof OutriderError && thrown.code === 'ca-in-use'
        if (!isUnready || clock.monotonic() >= untilMs) throw thrown
        signal.throwIfAborted()
        await pause(LOOK_AGAIN_MS, clock, signal)
      }
    }
  }
  const steps: Readonly<Record<Verb, () => Promise<AuthorityList__Output>>> = {
    status: () => admin.getAuthorities({}),
    prepare: () => admin.prepareAuthority(material(options)),
    activate: () => patiently(() => admin.activateAuthority({ id, force })),
    taint: () => admin.taintAuthority({ id }),
    revoke: () => patiently(() => admin.revokeAuthority({ id, force })),
  }
  return steps[verb]()
}

/** The state a moment later: after a step the new bundle is on its way to the sidecars. */
async function settled(
  taken: AuthorityList__Output,
  admin: AdminClient,
  { clock, signal }: Pick<CaContext, 'clock' | 'signal'>,
): Promise<AuthorityList__Output> {
  let list = taken
  for (const untilMs = clock.monotonic() + SETTLES_WITHIN_MS; list.behindCount > 0 && clock.monotonic() < untilMs; ) {
    await pause(SETTLES_WITHIN_MS / 20, clock, signal)
    signal.throwIfAborted()
    list = await admin.getAuthorities({})
  }
  return list
}

function material({ certificates, key }: CaContext['options']): { certificates: string; key: string } {
  if (certificates === undefined && key === undefined) return { certificates: '', key: '' }
  if (certificates === undefined || key === undefined) {
    throw new OutriderError('usage-arguments', 'prepare takes --certificates and --key together, or neither')
  }
  return { certificates: readText(certificates), key: readText(key) }
}

function readText(path: string): string {
  try {
    return readSmallFile(path, MAX_FILE_BYTES).text
  } catch (cause) {
    throw new OutriderError('usage-file', `${path} cannot be read: ${describeError(cause)}`, { place: path })
  }
}

const nextStep: Readonly<Record<Exclude<Verb, 'status'>, string>> = {
  prepare: 'next, when all sidecars believe it: outrider ca activate --wait 1m',
  activate: 'next, to give up the old root: outrider ca taint',
  taint: 'join tokens made before this pin the old root: make new ones. Next: outrider ca revoke --wait 5m',
  revoke: 'done: nobody believes that root any more, and its keys are gone',
}

function write(list: AuthorityList__Output, nowMs: number, stdout: Output): void {
  const { trustDomain, sequence, authorities, connectedSidecars, behind, behindCount } = list
  stdout.write(
    `trust domain ${trustDomain}, bundle ${sequence}, believed by ${connectedSidecars - behindCount} of ${connectedSidecars} connected sidecars\n\n`,
  )
  stdout.write(
    formatTable({
      columns: ['ID', 'STATE', 'FOR', 'ROOT ENDS IN', 'SIGNER ENDS IN', 'SIDECARS', 'CONNECTIONS', 'ALSO'],
      rows: authorities.map((authority) => row(authority, nowMs)),
      empty: 'no authorities',
    }),
  )
  for (const { fingerprint, state, dependents, sidecars } of authorities) {
    if (state !== 'STATE_RETIRED' && state !== 'STATE_TAINTED') continue
    for (const name of dependents) stdout.write(printable(`${shortId(fingerprint)} is needed by ${name}`) + '\n')
    if (sidecars > dependents.length) stdout.write(`and by ${sidecars - dependents.length} more\n`)
  }
  for (const name of behind) stdout.write(`${printable(`${name} does not believe bundle ${sequence} yet`)}\n`)
  if (behindCount > behind.length) stdout.write(`and ${behindCount - behind.length} more\n`)
}

function row(authority: Authority__Output, nowMs: number): readonly string[] {
  const { fingerprint, state, since, notAfter, signersNotAfter, sidecars, connections } = authority
  const until = (time: typeof notAfter): string => formatSpan((millisecondsOf(time) ?? nowMs) - nowMs)
  return [
    shortId(fingerprint),
    stateWord(state),
    formatSpan(nowMs - (millisecondsOf(since) ?? nowMs)),
    until(notAfter),
    until(signersNotAfter),
    String(sidecars),
    String(connections),
    [
      ...(authority.control ? ['this control server'] : []),
      ...(authority.keyElsewhere ? ['root key elsewhere'] : []),
    ].join(', '),
  ]
}

function listJson({ authorities, ...list }: AuthorityList__Output): Json {
  return {
    ...list,
    authorities: authorities.map(({ state, since, notAfter, signersNotAfter, ...rest }) => ({
      ...rest,
      id: shortId(rest.fingerprint),
      state: stateWord(state),
      since: isoOf(since),
      notAfter: isoOf(notAfter),
      signersNotAfter: isoOf(signersNotAfter),
    })),
  }
}

function shortId(fingerprint: string): string {
  return fingerprint.slice(0, 16)
}
