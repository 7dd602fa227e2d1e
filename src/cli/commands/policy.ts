import { OutriderError } from '../../lib/errors.ts'
import { didYouMean } from '../../lib/nearest.ts'
import { socketOption } from '../admin.ts'
import { type Command, defineCommand, exitCode, outputOption } from '../command.ts'
import type { PolicyContext } from '../policy/context.ts'
import { DocumentsRefused } from '../policy/read.ts'
import { filesOption } from '../resource-files.ts'

/** Each is one file: what one does not need is not loaded. */
const tools: Readonly<Record<string, () => Promise<(context: PolicyContext) => Promise<number>>>> = {
  diff: async () => (await import('../policy/diff.ts')).diff,
  explain: async () => (await import('../policy/explain.ts')).explain,
  lint: async () => (await import('../policy/lint.ts')).lint,
  replay: async () => (await import('../policy/replay.ts')).replay,
  suggest: async () => (await import('../policy/suggest.ts')).suggest,
  test: async () => (await import('../policy/test.ts')).test,
}

export const command: Command = defineCommand({
  name: 'policy',
  summary: 'Check, test, explain, compare and suggest policies before they are in force',
  usage: `lint -f FILE... | --live
test [-f FILE...] TESTS...
explain -f FILE... --workload NAME [REQUEST OPTION...]
explain -f FILE... --log FILE --request-id ID
diff --from FILE... | --live  --to FILE... --log FILE...
replay -f FILE... | --live  --log FILE...
suggest -f FILE... | --live  --log FILE...`,
  options: {
    file: filesOption,
    live: { type: 'boolean', doc: 'the resources of the control server, in place of files' },
    from: { type: 'string', multiple: true, value: 'FILE', doc: 'diff: the set before, files or folders' },
    to: { type: 'string', multiple: true, value: 'FILE', doc: 'diff: the set after, files or folders' },
    log: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      doc: 'diff, explain, replay, suggest: access log of sidecars, written with accessLog: all',
    },
    strict: { type: 'boolean', doc: 'lint: warnings too make the exit code 1' },
    junit: { type: 'string', value: 'FILE', doc: 'test: write the results as JUnit XML' },
    coverage: { type: 'boolean', doc: 'test: say of every rule how many cases it decided' },
    'require-coverage': { type: 'boolean', doc: 'test: fail when a rule decided no case' },
    workload: { type: 'string', value: 'NAME', doc: 'explain: who is called: NAME or NAMESPACE/NAME' },
    'request-id': { type: 'string', value: 'ID', doc: 'explain: the request of the log to explain' },
    principal: { type: 'string', value: 'ID', doc: 'explain: SPIFFE ID of the caller; without it anonymous' },
    tcp: { type: 'boolean', doc: 'explain: a TCP connection' },
    method: { type: 'string', value: 'METHOD', doc: 'explain: GET when not given' },
    path: { type: 'string', value: 'PATH', doc: 'explain: / when not given' },
    host: { type: 'string', value: 'HOST', doc: 'explain: host that is asked for, without port' },
    port: { type: 'string', value: 'PORT', doc: 'explain: port of the application; 8080 when not given' },
    header: { type: 'string', multiple: true, value: 'NAME:VALUE', doc: 'explain: a header' },
    address: { type: 'string', value: 'IP', doc: 'explain: address that the connection comes from' },
    sni: { type: 'string', value: 'NAME', doc: 'explain: server name that the client asked for in TLS' },
    token: { type: 'string', multiple: true, value: 'JSON', doc: 'explain: the claims of a token that was proven' },
    'api-key': { type: 'string', value: 'OWNER[=SCOPES]', doc: 'explain: an API key; scopes with commas' },
    at: { type: 'string', value: 'TIME', doc: 'explain, lint: the time, as 2027-01-31T18:00:00Z; now when not given' },
    'fail-on-denied': { type: 'boolean', doc: 'diff, replay: exit code 1 when a request that was allowed is denied' },
    'min-support': {
      type: 'string',
      value: 'NUMBER',
      default: '3',
      doc: 'suggest: so many different IDs in one place of a path become {*}',
    },
    output: outputOption,
    socket: socketOption,
  },
  async run(context) {
    const [name = ''] = context.args
    const names = Object.keys(tools)
    const load = Object.hasOwn(tools, name) ? tools[name] : undefined
    if (load === undefined)
      throw new OutriderError(
        'usage-arguments',
        `${name === '' ? 'name a tool' : `"${name}" is no tool`}${didYouMean(name, names)}: ${names.join(', ')}`,
      )
    const tool = await load()
    try {
      return await tool(context)
    } catch (thrown) {
      if (thrown instanceof DocumentsRefused) return exitCode.refused
      throw thrown
    }
  },
})
