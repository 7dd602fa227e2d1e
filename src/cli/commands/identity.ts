import { parseDuration } from '../../lib/duration.ts'
import { OutriderError } from '../../lib/errors.ts'
import { millisecondsOf } from '../../lib/protobuf-time.ts'
import { namespaceOption, parseName, socketOption, withAdmin } from '../admin.ts'
import { type Command, type CommandContext, defineCommand, exitCode, outputOption } from '../command.ts'
import { whoServes } from '../identity/serving.ts'
import { showIdentity } from '../identity/show.ts'
import { bundlesOfFile, bundlesOfPage, verifyFile } from '../identity/verify.ts'
import { formatSpan, formatTime, print, printable } from '../output.ts'
import { certificatePage, sidecarOption } from '../sidecar-page.ts'

const usage = 'show\nverify FILE [--bundle FILE]\nwho-serves [NAMESPACE/]SERVICE\nexpiring [--within 1h]'
const options = {
  sidecar: sidecarOption,
  bundle: {
    type: 'string',
    value: 'FILE',
    doc: 'verify: PEM file of the roots to believe; without it those that the sidecar believes',
  },
  within: { type: 'string', value: 'DURATION', default: '1h', doc: 'expiring: what ends within this time' },
  namespace: namespaceOption,
  output: outputOption,
  socket: socketOption,
} as const

export const command: Command = defineCommand({
  name: 'identity',
  summary: 'Show and verify identities, and who has which',
  usage,
  options,
  async run(context) {
    const [verb = '', word, ...more] = context.args
    if (more.length === 0) {
      if (verb === 'show' && word === undefined) return show(context)
      if (verb === 'verify' && word !== undefined) return verify(word, context)
      if (verb === 'who-serves' && word !== undefined) return serving(word, context)
      if (verb === 'expiring' && word === undefined) return expiring(context)
    }
    throw new OutriderError('usage-arguments', 'show, verify FILE, who-serves SERVICE, or expiring')
  },
})

type Context = CommandContext<typeof options>

async function show(context: Context): Promise<number> {
  const { options, stdout, clock } = context
  const page = await certificatePage(options.sidecar, context)
  if (options.output === 'table') showIdentity(page, clock.now(), stdout)
  else print(stdout, options.output, { ...page }, () => ({ columns: [], rows: [], empty: '' }))
  return exitCode.ok
}

async function verify(file: string, context: Context): Promise<number> {
  const { options, stdout, clock } = context
  const bundles =
    options.bundle === undefined
      ? bundlesOfPage(await certificatePage(options.sidecar, context))
      : bundlesOfFile(options.bundle, file)
  const peer = verifyFile(file, bundles, clock.now())
  const verified = peer.kind === 'verified'
  const result = verified
    ? {
        verified,
        spiffeId: peer.id,
        serial: peer.serial,
        notAfter: new Date(peer.notAfterMs).toISOString(),
        root: peer.authorityFingerprint,
      }
    : { verified, code: peer.code, message: peer.message }
  if (options.output !== 'table') print(stdout, options.output, result, () => ({ columns: [], rows: [], empty: '' }))
  else if (peer.kind === 'verified') {
    const until = `until ${formatTime(peer.notAfterMs)}, in ${formatSpan(peer.notAfterMs - clock.now())}`
    stdout.write(`${peer.id}\n${until}, under the root ${peer.authorityFingerprint}\n`)
  } else stdout.write(printable(`refused (${peer.code}): ${peer.message}`) + '\n')
  return verified ? exitCode.ok : exitCode.refused
}

async function serving(text: string, context: Context): Promise<number> {
  const { options, stdout, clock } = context
  const ref = { kind: 'Service', ...parseName(text, options.namespace) }
  const [service, { resources }, { sidecars }] = await withAdmin(context, (admin) =>
    Promise.all([admin.get({ ref }), admin.list({ kind: 'Workload' }), admin.listSidecars({})]),
  )
  const found = whoServes(service, resources, sidecars)
  const rows = found.map(({ svidNotAfterMs, ...rest }) => ({
    ...rest,
    ...(svidNotAfterMs === undefined ? {} : { svidNotAfter: new Date(svidNotAfterMs).toISOString() }),
  }))
  print(stdout, options.output, rows, () => ({
    columns: ['WORKLOAD', 'SPIFFE ID', 'SIDECAR', 'STATE', 'SVID ENDS IN', 'LISTENERS'],
    rows: found.map(({ workload, spiffeId, sidecar = '-', state, svidNotAfterMs, listeners }) => [
      workload,
      spiffeId,
      sidecar,
      state,
      svidNotAfterMs === undefined ? '-' : formatSpan(svidNotAfterMs - clock.now()),
      listeners.join(' ') || '-',
    ]),
    empty: 'nobody',
  }))
  return exitCode.ok
}

async function expiring(context: Context): Promise<number> {
  const { options, stdout, clock } = context
  const withinMs = parseDuration(options.within)
  if (withinMs === undefined) {
    throw new OutriderError('usage-duration', `--within: "${options.within}" is no duration such as 1h`)
  }
  const [{ sidecars }, { authorities }] = await withAdmin(context, (admin) =>
    Promise.all([admin.listSidecars({}), admin.getAuthorities({})]),
  )
  const now = clock.now()
  const ends = [
    ...authorities.flatMap(({ fingerprint, notAfter, signersNotAfter }) => [
      { what: 'root', name: fingerprint.slice(0, 16), endMs: millisecondsOf(notAfter) },
      { what: 'signer', name: fingerprint.slice(0, 16), endMs: millisecondsOf(signersNotAfter) },
    ]),
    ...sidecars.map(({ spiffeId, sidecarId, svidNotAfter }) => ({
      what: 'SVID',
      name: `${spiffeId} ${sidecarId}`,
      endMs: millisecondsOf(svidNotAfter),
    })),
  ].flatMap(({ what, name, endMs }) => (endMs === undefined || endMs > now + withinMs ? [] : [{ what, name, endMs }]))
  const sorted = ends.toSorted((a, b) => a.endMs - b.endMs)
  const rows = sorted.map(({ endMs, ...rest }) => ({ ...rest, notAfter: new Date(endMs).toISOString() }))
  print(stdout, options.output, rows, () => ({
    columns: ['ENDS IN', 'WHAT', 'NAME'],
    rows: sorted.map(({ what, name, endMs }) => [endMs > now ? formatSpan(endMs - now) : 'EXPIRED', what, name]),
    empty: `nothing ends within ${options.within}`,
  }))
  return exitCode.ok
}
