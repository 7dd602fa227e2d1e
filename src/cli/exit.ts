import { OutriderError } from '../lib/errors.ts'
import { type ExitCode, exitCode } from './command.ts'

/** Error codes that mean more to the shell than "it failed". Codes that begin with `usage-`, `config-` or `kubeconfig-` are usage. */
const exitByError: Readonly<Record<string, ExitCode>> = {
  'rpc-unavailable': exitCode.unreachable,
  'rpc-deadline-exceeded': exitCode.unreachable,
  'control-unreachable': exitCode.unreachable,
  'control-stopping': exitCode.unreachable,
  'sidecar-unreachable': exitCode.unreachable,
  'resource-not-found': exitCode.notFound,
  'token-not-found': exitCode.notFound,
  'api-key-secret-unknown': exitCode.notFound,
  'api-key-exists': exitCode.conflict,
  'trust-domain-not-found': exitCode.notFound,
  'rpc-not-found': exitCode.notFound,
  'ca-unknown': exitCode.notFound,
  'resource-in-use': exitCode.conflict,
  'canary-running': exitCode.conflict,
  'canary-nobody': exitCode.conflict,
  'ca-in-use': exitCode.conflict,
  'ca-state': exitCode.conflict,
  'rpc-already-exists': exitCode.conflict,
  'rpc-failed-precondition': exitCode.conflict,
  'rpc-aborted': exitCode.conflict,
  'rpc-invalid-argument': exitCode.refused,
  'resources-refused': exitCode.refused,
  'manifest-refused': exitCode.refused,
  'kubernetes-unreachable': exitCode.unreachable,
  'kubernetes-conflict': exitCode.conflict,
  'install-conflict': exitCode.conflict,
  'uninstall-in-use': exitCode.conflict,
}

/** The exit code for whatever a command threw. */
export function exitCodeOf(thrown: unknown, signal: AbortSignal): ExitCode {
  // A command that is interrupted rejects with the reason of the signal, or with what its last call made of that.
  if (signal.aborted) return exitCode.interrupted
  if (!(thrown instanceof OutriderError)) return exitCode.failure
  if (/^(?:usage|config|kubeconfig)-|^capture-plan$/.test(thrown.code)) return exitCode.usage
  return exitByError[thrown.code] ?? exitCode.failure
}
