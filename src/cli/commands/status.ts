import { isoOf, millisecondsOf } from '../../lib/protobuf-time.ts'
import type { ControlStatus__Output } from '../../wire/outrider/admin/v1/ControlStatus.ts'
import type { FederatedDomain__Output } from '../../wire/outrider/admin/v1/FederatedDomain.ts'
import type { Sidecar__Output } from '../../wire/outrider/admin/v1/Sidecar.ts'
import { socketOption, withAdmin } from '../admin.ts'
import { type Command, defineCommand, exitCode, outputOption } from '../command.ts'
import { formatSpan, formatTable, formatTime, type Json, print, printable, stateWord } from '../output.ts'

export const command: Command = defineCommand({
  name: 'status',
  summary: 'Show the control server and its sidecars',
  usage: '',
  options: { output: outputOption, socket: socketOption },
  async run(context) {
    const { options, stdout, clock } = context
    const [control, { sidecars }] = await withAdmin(context, (admin) =>
      Promise.all([admin.getStatus({}), admin.listSidecars({})]),
    )
    if (options.output !== 'table') {
      const value = { control: controlJson(control), sidecars: sidecars.map(sidecarJson) }
      print(stdout, options.output, value, () => ({ columns: [], rows: [], empty: '' }))
      return exitCode.ok
    }
    const now = clock.now()
    stdout.write(controlText(control, now))
    stdout.write(
      formatTable({
        columns: ['SIDECAR', 'SPIFFE ID', 'STATE', 'REVISION', 'SVID ENDS IN', 'LAST SEEN', 'LISTENERS'],
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
    return exitCode.ok
  },
})

function controlText(control: ControlStatus__Output, nowMs: number): string {
  const up = formatSpan(nowMs - (millisecondsOf(control.startedAt) ?? nowMs))
  return [
    `control server ${control.grpcAddress}, version ${control.programVersion}, up ${up}`,
    `trust domain ${control.trustDomain}, revision ${control.revision}, ${control.connectedSidecars} sidecars connected`,
    `root ${control.rootFingerprint}, until ${formatTime(millisecondsOf(control.rootNotAfter))}`,
    `intermediate until ${formatTime(millisecondsOf(control.intermediateNotAfter))}`,
    ...(control.bundleEndpoint === '' ? [] : [`bundle endpoint ${control.bundleEndpoint}`]),
    '',
    '',
  ].join('\n')
}

function controlJson(control: ControlStatus__Output): Json {
  const { startedAt, rootNotAfter, intermediateNotAfter, federation, ...rest } = control
  return {
    ...rest,
    federation: federation.map(federatedJson),
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
  const { sidecarId, spiffeId, state, appliedRevision, listeners } = sidecar
  const lastSeen = millisecondsOf(sidecar.lastSeen)
  const svidEnds = millisecondsOf(sidecar.svidNotAfter)
  return [
    sidecarId,
    spiffeId,
    stateWord(state),
    appliedRevision === 0 ? '-' : String(appliedRevision),
    svidEnds === undefined ? '-' : formatSpan(svidEnds - nowMs),
    lastSeen === undefined ? '-' : `${formatSpan(nowMs - lastSeen)} ago`,
    listeners.join(' ') || '-',
  ]
}
