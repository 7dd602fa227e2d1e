import { parseDuration } from '../../lib/duration.ts'
import { OutriderError } from '../../lib/errors.ts'
import { pause } from '../../lib/pause.ts'
import { isoOf, millisecondsOf } from '../../lib/protobuf-time.ts'
import type { ControlStatus__Output } from '../../wire/outrider/admin/v1/ControlStatus.ts'
import type { FederatedDomain__Output } from '../../wire/outrider/admin/v1/FederatedDomain.ts'
import type { Sidecar__Output } from '../../wire/outrider/admin/v1/Sidecar.ts'
import { socketOption, withAdmin } from '../admin.ts'
import { clusterJson, clusterText } from '../cluster-status.ts'
import { type Command, type CommandContext, defineCommand, exitCode, outputOption } from '../command.ts'
import { type Format, formatSpan, formatTable, formatTime, type Json, print, printable, stateWord } from '../output.ts'

export const command: Command = defineCommand({
  name: 'status',
  summary: 'Show the control server and its sidecars',
  usage: '[--wait DURATION]',
  options: {
    wait: {
      type: 'string',
      value: 'DURATION',
      doc: 'wait until every connected sidecar runs what it should, at most so long; the exit code is 6 when one does not',
    },
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const { options, clock } = context
    const waitMs = options.wait === undefined ? 0 : parseDuration(options.wait)
    if (waitMs === undefined) {
      throw new OutriderError('usage-option-value', `--wait takes a duration such as 60s, not "${options.wait}"`)
    }
    return withAdmin(context, async (admin) => {
      const end = clock.monotonic() + waitMs
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop -- one look after the other
        const [control, { sidecars }] = await Promise.all([admin.getStatus({}), admin.listSidecars({})])
        const inSync = sidecars.every(({ state }) => IN_SYNC.has(state))
        if (options.wait !== undefined && !inSync && clock.monotonic() < end) {
          // oxlint-disable-next-line no-await-in-loop -- as above
          await pause(LOOK_EVERY_MS, clock, context.signal)
          continue
        }
        show(context, control, sidecars)
        return options.wait === undefined || inSync ? exitCode.ok : exitCode.conflict
      }
    })
  },
})

/** Who does not run what it should for another reason than that it is away is not waited for. */
const IN_SYNC: ReadonlySet<Sidecar__Output['state']> = new Set(['STATE_SYNCED', 'STATE_DISCONNECTED', 'STATE_DRAINING'])
const LOOK_EVERY_MS = 500
const TOTALS = ['synced', 'pending', 'lagging', 'nacked', 'draining', 'disconnected'] as const

function show(
  {
    options,
    stdout,
    clock,
  }: Pick<CommandContext, 'stdout' | 'clock'> & { readonly options: { readonly output: Format } },
  control: ControlStatus__Output,
  sidecars: readonly Sidecar__Output[],
): void {
  if (options.output !== 'table') {
    const value = { control: controlJson(control), totals: totalsOf(sidecars), sidecars: sidecars.map(sidecarJson) }
    print(stdout, options.output, value, () => ({ columns: [], rows: [], empty: '' }))
    return
  }
  const now = clock.now()
  stdout.write(controlText(control, now))
  const totals = Object.entries(totalsOf(sidecars)).filter(([state, count]) => count > 0 || state === 'synced')
  stdout.write(`${totals.map(([state, count]) => `${state} ${count}`).join(', ')}\n`)
  stdout.write(
    formatTable({
      columns: [
        'SIDECAR',
        'SPIFFE ID',
        'STATE',
        'REVISION',
        'WAITS',
        'VERSION',
        'SVID ENDS IN',
        'LAST SEEN',
        'LISTENERS',
      ],
      rows: sidecars.map((sidecar) => sidecarRow(sidecar, now)),
      empty: 'no sidecars',
    }),
  )
  if (control.federation.length > 0) {
    stdout.write('\n')
    stdout.write(
      formatTable({
        columns: ['FOREIGN TRUST DOMAIN', 'SEQUENCE', 'ROOTS', 'FETCHED', 'NEXT POLL IN', 'FROM'],
        rows: control.federation.map((domain) => federatedRow(domain, now)),
        empty: '',
      }),
    )
    for (const { trustDomain, failureCode, failure } of control.federation) {
      if (failureCode !== '') stdout.write(`${printable(`${trustDomain}: ${failure} (${failureCode})`)}\n`)
    }
  }
  for (const { sidecarId, violations } of sidecars) {
    for (const violation of violations) stdout.write(`${printable(`${sidecarId} refused ${violation}`)}\n`)
  }
}

/** How many sidecars are in which state. */
function totalsOf(sidecars: readonly Sidecar__Output[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    TOTALS.map((word) => [word, sidecars.filter(({ state }) => stateWord(state) === word).length]),
  )
}

function controlText(control: ControlStatus__Output, nowMs: number): string {
  const up = formatSpan(nowMs - (millisecondsOf(control.startedAt) ?? nowMs))
  return [
    `control server ${control.grpcAddress}, version ${control.programVersion}, up ${up}`,
    `trust domain ${control.trustDomain}, revision ${control.revision}, ${control.connectedSidecars} sidecars connected`,
    `root ${control.rootFingerprint}, until ${formatTime(millisecondsOf(control.rootNotAfter))}`,
    `intermediate until ${formatTime(millisecondsOf(control.intermediateNotAfter))}`,
    ...(control.bundleEndpoint === '' ? [] : [`bundle endpoint ${control.bundleEndpoint}`]),
    ...(control.kubernetes === null ? [] : clusterText(control.kubernetes, nowMs)),
    '',
    '',
  ].join('\n')
}

function controlJson(control: ControlStatus__Output): Json {
  const { startedAt, rootNotAfter, intermediateNotAfter, federation, kubernetes, ...rest } = control
  return {
    ...rest,
    federation: federation.map(federatedJson),
    ...(kubernetes && { kubernetes: clusterJson(kubernetes) }),
    startedAt: isoOf(startedAt),
    rootNotAfter: isoOf(rootNotAfter),
    intermediateNotAfter: isoOf(intermediateNotAfter),
  }
}

function federatedJson({ fetchedAt, nextPollAt, ...rest }: FederatedDomain__Output): Json {
  return { ...rest, fetchedAt: isoOf(fetchedAt), nextPollAt: isoOf(nextPollAt) }
}

function federatedRow(domain: FederatedDomain__Output, nowMs: number): readonly string[] {
  const { trustDomain, believed, sequence, x509Authorities, url } = domain
  const fetched = millisecondsOf(domain.fetchedAt)
  const next = millisecondsOf(domain.nextPollAt)
  return [
    trustDomain,
    believed ? String(sequence) : '-',
    believed ? String(x509Authorities) : 'no bundle',
    fetched === undefined ? 'never' : `${formatSpan(nowMs - fetched)} ago`,
    next === undefined ? '-' : formatSpan(next - nowMs),
    url || 'the resource',
  ]
}

function sidecarJson({ connectedAt, lastSeen, svidNotBefore, svidNotAfter, state, ...rest }: Sidecar__Output): Json {
  return {
    ...rest,
    state: stateWord(state),
    connectedAt: isoOf(connectedAt),
    lastSeen: isoOf(lastSeen),
    svidNotBefore: isoOf(svidNotBefore),
    svidNotAfter: isoOf(svidNotAfter),
  }
}

function sidecarRow(sidecar: Sidecar__Output, nowMs: number): readonly string[] {
  const { sidecarId, spiffeId, state, appliedRevision, listeners, pendingMs, programVersion, canary } = sidecar
  const lastSeen = millisecondsOf(sidecar.lastSeen)
  const svidEnds = millisecondsOf(sidecar.svidNotAfter)
  return [
    sidecarId,
    spiffeId,
    stateWord(state),
    appliedRevision === 0 ? '-' : `${appliedRevision}${canary ? ' (canary)' : ''}`,
    pendingMs === 0 ? '-' : formatSpan(pendingMs),
    programVersion || '-',
    svidEnds === undefined ? '-' : formatSpan(svidEnds - nowMs),
    lastSeen === undefined ? '-' : `${formatSpan(nowMs - lastSeen)} ago`,
    listeners.join(' ') || '-',
  ]
}
