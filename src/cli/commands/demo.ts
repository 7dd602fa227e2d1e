import { join } from 'node:path'
import { type Command, type CommandContext, defineCommand, exitCode } from '../command.ts'
import { type DemoMesh, startMesh } from '../demo/mesh.ts'
import { ordersPolicy, REPORTS_PER_MINUTE } from '../demo/resources.ts'
import { allowed, controlDown, denied, intruder, limited, policyChange, rotation } from '../demo/scenes.ts'
import { untilAborted } from '../until-aborted.ts'

const HOUR_MS = 3_600_000
/** Renewed after some six seconds, so that a scenario sees it. */
const SHORT_SVID_TTL_MS = 12_000

/** What `--once --json` prints. */
interface Report {
  readonly allowed: number
  readonly denied: number
  readonly limited: number
  readonly retryAfter: number
  readonly intruder: 'refused' | 'answered'
  readonly policyChangeMs: number
  readonly rotation: { readonly requests: number; readonly failed: number }
  readonly controlDown: { readonly requests: number; readonly failed: number }
}

export const command: Command = defineCommand({
  name: 'demo',
  summary: 'Run a whole mesh on this machine to look at',
  usage: '[--once] [--json]',
  options: {
    once: {
      type: 'boolean',
      doc: 'run the whole scenario, say what held, and end; exit code 0 only if all of it held',
    },
    json: { type: 'boolean', doc: 'with --once: print one JSON object' },
  },
  async run(context) {
    const { once = false, json = false } = context.options
    const say = (line: string): void => {
      if (!json) context.stdout.write(`${line}\n`)
    }
    say('Starting a control server, two services with a sidecar each ...')
    const mesh = await startMesh(once ? SHORT_SVID_TTL_MS : HOUR_MS, context.env, context.signal)
    try {
      if (!once) return await stay(mesh, say, context)
      const report = await scenario(mesh, say)
      if (json) context.stdout.write(`${JSON.stringify(report)}\n`)
      return holds(report) ? exitCode.ok : exitCode.failure
    } finally {
      await mesh.close()
    }
  },
})

async function first(
  mesh: DemoMesh,
  say: (line: string) => void,
): Promise<Omit<Report, 'policyChangeMs' | 'rotation' | 'controlDown'>> {
  const good = await allowed(mesh)
  say(`allowed   web -> orders  GET /orders/42   ${good.status}  ${good.body.trim()}`)
  const bad = await denied(mesh)
  say(`denied    web -> orders  GET /admin/keys  ${bad.status}  ${bad.body.trim()}`)
  const much = await limited(mesh)
  const retryAfter = Number(much.headers['retry-after'])
  say(
    `limited   web -> orders  GET /reports     ${much.status}  more than ${REPORTS_PER_MINUTE} a minute; retry-after: ${retryAfter} s`,
  )
  const stranger = await intruder(mesh)
  say(`intruder  no certificate, TLS to orders  ${stranger}: not one byte was answered`)
  return { allowed: good.status, denied: bad.status, limited: much.status, retryAfter, intruder: stranger }
}

async function scenario(mesh: DemoMesh, say: (line: string) => void): Promise<Report> {
  const basics = await first(mesh, say)
  const policyChangeMs = await policyChange(mesh)
  say(`policy    from apply to enforcement in every sidecar: ${policyChangeMs} ms`)
  const rotated = await rotation(mesh)
  say(`rotation  certificates renewed under load: ${rotated.requests} requests, ${rotated.failed} failed`)
  const down = await controlDown(mesh)
  say(`control   killed under load and restarted: ${down.requests} requests, ${down.failed} failed`)
  return { ...basics, policyChangeMs, rotation: rotated, controlDown: down }
}

function holds(report: Report): boolean {
  return (
    report.allowed === 200 &&
    report.denied === 403 &&
    report.limited === 429 &&
    report.retryAfter >= 1 &&
    report.intruder === 'refused' &&
    report.policyChangeMs < 1000 &&
    report.rotation.requests > 0 &&
    report.rotation.failed === 0 &&
    report.controlDown.requests > 0 &&
    report.controlDown.failed === 0
  )
}

async function stay(
  mesh: DemoMesh,
  say: (line: string) => void,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<number> {
  await first(mesh, say)
  const socket = `export OUTRIDER_ADMIN_SOCKET=${mesh.adminSocket}`
  const policy = ordersPolicy('["/orders/*", "/reports", "/admin/*"]').replace(/\n$/, '')
  say(`
The mesh is up. In another terminal, in this folder:

  ${socket}
  bin/outrider status                      # which sidecar runs which revision
  bin/outrider list                        # the resources, also in ${join(mesh.folder, 'mesh.yaml')}
  curl -i -H 'Host: orders' http://${mesh.webOutbound}/admin/keys      # denied

Change the policy, and ask again:

  bin/outrider apply -f - <<'YAML'
${policy.replaceAll(/^/gm, '  ')}
  YAML

What the sidecars know:

  curl http://${mesh.sidecarAdmins[1]}/metrics      # also /ready /policy /connections /certs
  openssl s_client -connect ${mesh.ordersInbound} </dev/null       # the intruder's view

Ctrl-C ends everything and leaves nothing behind.`)
  await untilAborted(signal)
  say('\nStopping ...')
  return exitCode.ok
}
