import { parseDuration } from '../../lib/duration.ts'
import { OutriderError } from '../../lib/errors.ts'
import { millisecondsOf } from '../../lib/protobuf-time.ts'
import { namespaceOption, parseName, socketOption, withAdmin } from '../admin.ts'
import { type Command, defineCommand, exitCode, outputOption } from '../command.ts'
import { formatSpan, formatTime, print, stateWord } from '../output.ts'

export const command: Command = defineCommand({
  name: 'token',
  summary: 'Create, list and revoke join tokens',
  usage: 'create --workload NS/NAME [--ttl 10m]\nlist\nrevoke ID',
  options: {
    workload: { type: 'string', value: 'NS/NAME', doc: 'create: the Workload whose sidecar gets the token' },
    ttl: { type: 'string', value: 'DURATION', default: '10m', doc: 'create: how long it may wait, up to 24h' },
    namespace: namespaceOption,
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const { args, options, stdout, stderr, clock } = context
    const [verb, ...words] = args
    if (verb === 'create' && words.length === 0 && options.workload !== undefined) {
      const { namespace, name } = parseName(options.workload, options.namespace)
      const ttl = durationOf(options.ttl)
      const created = await withAdmin(context, (admin) => admin.createToken({ namespace, workload: name, ttl }))
      const { id, token, spiffeId } = created
      const expiresMs = millisecondsOf(created.expiresAt) ?? 0
      if (options.output === 'table') {
        // The token alone on the standard output, so that $(outrider token create ...) is the token.
        stdout.write(`${token}\n`)
        stderr.write(`for ${spiffeId}, to be used once within ${formatSpan(expiresMs - clock.now())} (ID ${id})\n`)
      } else {
        const expiresAt = new Date(expiresMs).toISOString()
        print(stdout, options.output, { id, token, spiffeId, expiresAt }, () => ({ columns: [], rows: [], empty: '' }))
      }
      return exitCode.ok
    }
    if (verb === 'list' && words.length === 0) {
      const { tokens } = await withAdmin(context, (admin) => admin.listTokens({}))
      const rows = tokens.map(({ id, spiffeId, state, expiresAt }) => ({
        id,
        spiffeId,
        state: stateWord(state),
        expiresAt: formatTime(millisecondsOf(expiresAt)),
      }))
      print(stdout, options.output, rows, () => ({
        columns: ['ID', 'SPIFFE ID', 'STATE', 'EXPIRES'],
        rows: rows.map(({ id, spiffeId, state, expiresAt }) => [id, spiffeId, state, expiresAt]),
        empty: 'no join tokens',
      }))
      return exitCode.ok
    }
    const [id, ...rest] = words
    if (verb === 'revoke' && id !== undefined && rest.length === 0) {
      await withAdmin(context, (admin) => admin.revokeToken({ id }))
      stdout.write(`join token ${id} revoked\n`)
      return exitCode.ok
    }
    throw new OutriderError('usage-arguments', 'create --workload NS/NAME, list, or revoke ID')
  },
})

function durationOf(text: string): { seconds: number; nanos: number } {
  const ms = parseDuration(text)
  if (ms === undefined) throw new OutriderError('usage-duration', `--ttl: "${text}" is no duration such as 10m`)
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 }
}
