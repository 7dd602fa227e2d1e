import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { OutriderError } from '../../lib/errors.ts'
import { millisecondsOf } from '../../lib/protobuf-time.ts'
import type { AuthorityList__Output } from '../../wire/outrider/admin/v1/AuthorityList.ts'
import type { FederatedDomain__Output } from '../../wire/outrider/admin/v1/FederatedDomain.ts'
import type { Sidecar__Output } from '../../wire/outrider/admin/v1/Sidecar.ts'
import { checkCluster } from '../../installation/check/check.ts'
import { type Finding, named } from '../../installation/check/finding.ts'
import { readManifests } from '../../installation/manifests.ts'
import { adminSocket, socketOption, withAdmin } from '../admin.ts'
import { clusterOptions, withCluster } from '../cluster.ts'
import { type Command, type CommandContext, defineCommand, exitCode, outputOption } from '../command.ts'
import { formatSpan, print } from '../output.ts'
import { programVersion } from './version.ts'

const DAY_MS = 86_400_000
const WARN_CA_MS = 60 * DAY_MS
/** Verification tolerates no more than this. */
const MAX_SKEW_MS = 20_000
const WARN_SKEW_MS = 5_000

export const command: Command = defineCommand({
  name: 'check',
  summary: 'Examine the control server of this machine, or a Kubernetes cluster, and say what to do',
  usage: '[--socket PATH]\n--cluster [--kubeconfig FILE] [--context NAME]',
  options: {
    output: outputOption,
    socket: socketOption,
    cluster: {
      type: 'boolean',
      doc: 'examine the installation in a cluster, its namespaces, pods, services and resources; --kubeconfig and --context say so, too',
    },
    ...clusterOptions,
  },
  async run(context) {
    const { options, stdout } = context
    const { cluster, kubeconfig, context: name, socket } = options
    const inCluster = cluster === true || kubeconfig !== undefined || name !== undefined
    if (inCluster && socket !== undefined)
      throw new OutriderError(
        'usage-option-value',
        '--socket is of a control server, --cluster of a cluster: one of them',
      )
    const findings = inCluster ? await findingsOfCluster(context) : await findingsOfControl(context)
    print(
      stdout,
      options.output,
      findings.map((finding) => ({ ...finding })),
      () => ({
        columns: ['CHECK', 'RESULT', 'DETAIL'],
        rows: findings.map(({ check, result, detail }) => [check, result, detail]),
        empty: '',
      }),
    )
    return findings.some(({ result }) => result === 'failed') ? exitCode.failure : exitCode.ok
  },
})

type Values = {
  readonly [name in 'socket' | 'kubeconfig' | 'context']: string | undefined
}
type Asked = Omit<CommandContext, 'options'> & { readonly options: Values }

function findingsOfCluster(context: Asked): Promise<readonly Finding[]> {
  const { clock, signal } = context
  const manifests = readManifests()
  return withCluster(context, (client) => checkCluster({ client, clock, signal, manifests, version: programVersion() }))
}

/** What the control server of this machine knows. */
async function findingsOfControl(context: Asked): Promise<readonly Finding[]> {
  const socket = adminSocket(context)
  const [authorities, { sidecars }, { federation }] = await withAdmin(context, (admin) =>
    Promise.all([admin.getAuthorities({}), admin.listSidecars({}), admin.getStatus({})]),
  )
  const now = context.clock.now()
  const connected = sidecars.filter(({ state }) => state !== 'STATE_DISCONNECTED')
  return [
    permissions('admin socket', socket, 0o077),
    permissions('folder of the admin socket', dirname(socket), 0o022),
    ...ages(authorities, now),
    agreement(authorities),
    ...federation.map((domain) => foreign(domain, now)),
    clocks(connected),
    lifetimes(connected, now),
    updates(connected),
  ]
}

function permissions(check: string, path: string, barred: number): Finding {
  const { mode, uid } = lstatSync(path)
  const octal = (mode & 0o777).toString(8)
  const detail = `${path} has mode ${octal}, owner ${uid}`
  return { check, result: (mode & barred) === 0 ? 'ok' : 'failed', detail }
}

function ages({ authorities }: AuthorityList__Output, nowMs: number): readonly Finding[] {
  return authorities.flatMap(({ fingerprint, state, notAfter, signersNotAfter, keyElsewhere }) => {
    const id = fingerprint.slice(0, 16)
    const next =
      keyElsewhere || state !== 'STATE_ACTIVE' ? 'replace it: outrider ca prepare' : 'it is renewed by itself'
    return [
      age(`root ${id}`, millisecondsOf(notAfter) ?? 0, nowMs, 'replace it: outrider ca prepare'),
      age(`signer of ${id}`, millisecondsOf(signersNotAfter) ?? 0, nowMs, next),
    ]
  })
}

function age(check: string, endMs: number, nowMs: number, next: string): Finding {
  const leftMs = endMs - nowMs
  if (leftMs <= 0) return { check, result: 'failed', detail: `has expired ${formatSpan(-leftMs)} ago; ${next}` }
  const detail = `ends in ${formatSpan(leftMs)}`
  return leftMs < WARN_CA_MS
    ? { check, result: 'warning', detail: `${detail}; ${next}` }
    : { check, result: 'ok', detail }
}

function agreement({ sequence, connectedSidecars, behind, behindCount }: AuthorityList__Output): Finding {
  const check = 'trust bundles'
  if (behindCount === 0)
    return { check, result: 'ok', detail: `held by ${count(connectedSidecars)}: bundle ${sequence}` }
  return { check, result: 'warning', detail: `${named(behind, behindCount)} do not believe bundle ${sequence} yet` }
}

function foreign(
  { trustDomain, believed, fetchedAt, failureCode, url }: FederatedDomain__Output,
  nowMs: number,
): Finding {
  const check = `trust domain ${trustDomain}`
  const fetchedMs = millisecondsOf(fetchedAt)
  const age = fetchedMs === undefined ? 'never fetched' : `fetched ${formatSpan(nowMs - fetchedMs)} ago`
  const detail = url === '' ? 'its bundle stands in the resource' : `${age} from ${url}`
  if (!believed) return { check, result: 'failed', detail: `has no bundle: ${failureCode || detail}` }
  return failureCode === ''
    ? { check, result: 'ok', detail }
    : { check, result: 'warning', detail: `${detail}; last poll: ${failureCode}: outrider status` }
}

function clocks(sidecars: readonly Sidecar__Output[]): Finding {
  const check = 'clocks'
  const off = sidecars
    .filter(({ clockAheadMs }) => Math.abs(clockAheadMs) > WARN_SKEW_MS)
    .toSorted((a, b) => Math.abs(b.clockAheadMs) - Math.abs(a.clockAheadMs))
  const [worst] = off
  if (worst === undefined)
    return { check, result: 'ok', detail: `all within ${WARN_SKEW_MS / 1000} s of the control server` }
  const names = off.map(({ sidecarId, clockAheadMs }) => {
    const s = Math.round(Math.abs(clockAheadMs) / 1000)
    return `${sidecarId} is ${s} s ${clockAheadMs > 0 ? 'ahead' : 'behind'}`
  })
  const tooFar = Math.abs(worst.clockAheadMs) > MAX_SKEW_MS
  return { check, result: tooFar ? 'failed' : 'warning', detail: named(names, names.length) }
}

/** Renewal begins at half of the lifetime: who has less than a fifth left has failed to renew for long. */
function lifetimes(sidecars: readonly Sidecar__Output[], nowMs: number): Finding {
  const check = 'SVIDs'
  const late = sidecars.filter(({ svidNotAfter, svidNotBefore }) => {
    const [start, end] = [millisecondsOf(svidNotBefore) ?? 0, millisecondsOf(svidNotAfter) ?? 0]
    return end - nowMs < (end - start) / 5
  })
  if (late.length === 0) return { check, result: 'ok', detail: `${count(sidecars.length)} renewed in time` }
  const names = late.map(({ sidecarId, svidNotAfter }) => {
    const leftMs = (millisecondsOf(svidNotAfter) ?? 0) - nowMs
    return leftMs > 0 ? `${sidecarId} has ${formatSpan(leftMs)} left` : `${sidecarId} has expired`
  })
  return { check, result: 'failed', detail: named(names, names.length) }
}

function updates(sidecars: readonly Sidecar__Output[]): Finding {
  const check = 'policy'
  const refused = sidecars.filter(({ state }) => state === 'STATE_NACKED').map(({ sidecarId }) => sidecarId)
  if (refused.length === 0) return { check, result: 'ok', detail: `${count(sidecars.length)} refused nothing` }
  return { check, result: 'failed', detail: `${named(refused, refused.length)} refused an update: outrider status` }
}

function count(sidecars: number): string {
  return sidecars === 1 ? 'the one sidecar' : `all ${sidecars} sidecars`
}
