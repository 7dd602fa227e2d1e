import { didYouMean } from '../lib/nearest.ts'
import { describeError, OutriderError } from '../lib/errors.ts'
import { unoptimised } from '../lib/unoptimised.ts'
import { parseArguments } from './arguments.ts'
import { type Command, type CommandContext, exitCode } from './command.ts'
import { exitCodeOf } from './exit.ts'
import { commandHelp, programHelp } from './help.ts'

interface Entry {
  /** As in the command itself: here too, so that the list of commands loads none of them. */
  readonly summary: string
  readonly load: () => Promise<{ readonly command: Command }>
}

/** Every command, in the order of `outrider --help`. */
export const commands: Readonly<Record<string, Entry>> = {
  demo: { summary: 'Run a whole mesh on this machine to look at', load: () => import('./commands/demo.ts') },
  control: { summary: 'Run the control server', load: () => import('./commands/control.ts') },
  sidecar: { summary: 'Run the sidecar proxy of one workload', load: () => import('./commands/sidecar.ts') },
  redirect: {
    summary: 'Capture the connections of a pod or machine for its sidecar',
    load: () => import('./commands/redirect.ts'),
  },
  launch: {
    summary: 'Open the transparent sockets of capture mode tproxy, then become the sidecar',
    load: () => import('./commands/launch.ts'),
  },
  drain: {
    summary: 'Have the peers of a sidecar choose others, while it still serves',
    load: () => import('./commands/drain.ts'),
  },
  install: { summary: 'Put the mesh into a Kubernetes cluster', load: () => import('./commands/install.ts') },
  uninstall: { summary: 'Take the mesh out of a Kubernetes cluster', load: () => import('./commands/uninstall.ts') },
  injector: { summary: 'Run the admission webhooks of Kubernetes', load: () => import('./commands/injector.ts') },
  inject: { summary: 'Add the sidecar to Kubernetes manifests', load: () => import('./commands/inject.ts') },
  uninject: { summary: 'Take the sidecar out of Kubernetes manifests', load: () => import('./commands/uninject.ts') },
  crds: {
    summary: 'Print the CustomResourceDefinitions of all kinds of resources',
    load: () => import('./commands/crds.ts'),
  },
  apply: { summary: 'Create or change resources', load: () => import('./commands/apply.ts') },
  get: { summary: 'Show one resource', load: () => import('./commands/get.ts') },
  list: { summary: 'List resources', load: () => import('./commands/list.ts') },
  delete: { summary: 'Delete resources', load: () => import('./commands/delete.ts') },
  policy: {
    summary: 'Check, test, explain, compare and suggest policies before they are in force',
    load: () => import('./commands/policy.ts'),
  },
  token: { summary: 'Create, list and revoke join tokens', load: () => import('./commands/token.ts') },
  apikey: { summary: 'Create, rotate, revoke and list API keys', load: () => import('./commands/apikey.ts') },
  ca: { summary: 'Show the roots of the mesh and replace them', load: () => import('./commands/ca.ts') },
  bundle: { summary: 'Print a trust bundle in the SPIFFE format', load: () => import('./commands/bundle.ts') },
  identity: {
    summary: 'Show and verify identities, and who has which',
    load: () => import('./commands/identity.ts'),
  },
  check: {
    summary: 'Examine the control server of this machine, or a Kubernetes cluster, and say what to do',
    load: () => import('./commands/check.ts'),
  },
  status: { summary: 'Show the control server and its sidecars', load: () => import('./commands/status.ts') },
  version: { summary: 'Print the version', load: () => import('./commands/version.ts') },
}

/** What the process lends to its command. */
export type Surroundings = Omit<CommandContext, 'args' | 'options'>

/** Runs the command that `argv` (without interpreter and program) names. Never rejects: resolves with the exit code. */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const { stderr, signal } = surroundings
  const [name = ''] = argv
  const label = Object.hasOwn(commands, name) ? `outrider ${name}` : 'outrider'
  try {
    return await dispatch(argv, surroundings)
  } catch (thrown) {
    const code = exitCodeOf(thrown, signal)
    if (code === exitCode.interrupted) return code
    // An error of ours explains itself; anything else is a bug, and its place is what helps.
    if (thrown instanceof OutriderError) stderr.write(`${label}: ${withPlace(thrown)} (${thrown.code})\n`)
    else
      stderr.write(`${label}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : describeError(thrown)}\n`)
    if (code === exitCode.usage) stderr.write(`Run "${label} --help" for its options.\n`)
    return code
  }
}

/** The message, its causes, and the place where the message does not name it. */
function withPlace(error: OutriderError): string {
  const text = describeError(error)
  return error.place === undefined || text.includes(error.place) ? text : `${error.place}: ${text}`
}

async function dispatch(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  const [first = '--help', ...rest] = argv
  if (first === '--version' || first === '-V') return dispatch(['version'], surroundings)
  if (first === 'help' && rest[0] !== undefined) return dispatch([rest[0], '--help'], surroundings)
  if (first === '--help' || first === '-h' || first === 'help') {
    const summaries = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const)
    surroundings.stdout.write(programHelp(summaries))
    return exitCode.ok
  }
  const entry = Object.hasOwn(commands, first) ? commands[first] : undefined
  if (entry === undefined) {
    const names = Object.keys(commands)
    throw new OutriderError(
      'usage-command-unknown',
      `"${first}" is no command${didYouMean(first, names)}; there are ${names.join(', ')}`,
    )
  }
  const { command } = await unoptimised(entry.load)
  const { help, args, options } = parseArguments(rest, command.options)
  if (help) {
    surroundings.stdout.write(commandHelp(command))
    return exitCode.ok
  }
  // Not a spread: standard input is a getter that must stay untouched by commands that do not read it.
  const { env, stdout, stderr, signal, clock, random } = surroundings
  const context: CommandContext = {
    args,
    options,
    env,
    get stdin() {
      return surroundings.stdin
    },
    stdout,
    stderr,
    signal,
    clock,
    random,
  }
  return command.run(context)
}
