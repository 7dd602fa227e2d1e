import { OutriderError } from './errors.ts'
import { loadLibc } from './libc.ts'

/** linux/prctl.h */
const PR_SET_NO_NEW_PRIVS = 38
const PR_CAP_AMBIENT = 47
const PR_CAP_AMBIENT_CLEAR_ALL = 4

export interface NewProgram {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Neither may be root's. */
  readonly uid: number
  readonly gid: number
}

/**
 * Turns this process into another program of another user, for good: it keeps its process ID and the files that are inheritable, and
 * has no privilege any more and no way to one. Does not return. Throws `become-refused` where a privilege could not be given up: then
 * nothing was run.
 */
export async function become({ program, args, env, uid, gid }: NewProgram): Promise<never> {
  const refused = (why: string, cause?: unknown): OutriderError =>
    new OutriderError('become-refused', `cannot become user ${uid} with group ${gid}: ${why}`, {
      source: 'dependency',
      cause,
    })
  const prctl = (await loadLibc(refused)).call('int prctl(int, ulong, ulong, ulong, ulong)')
  const { setgroups, setgid, setuid, getuid, getgid } = process
  if (setgroups === undefined || setgid === undefined || setuid === undefined) {
    throw refused('this system has no users')
  }
  try {
    if (getuid?.() === 0) setgroups([])
    if (getgid?.() !== gid) setgid(gid)
    if (getuid?.() !== uid) setuid(uid)
  } catch (cause) {
    throw refused('the kernel refuses: root, or CAP_SETUID and CAP_SETGID, are needed for that', cause)
  }
  // A file with the set-user-ID bit, or a capability that was lent to this process, would bring some of it back.
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) !== 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) {
    throw refused('privileges cannot be given up')
  }
  if (getuid?.() !== uid || getgid?.() !== gid) throw refused('the user is still another one')
  process.execve?.(program, [program, ...args], { ...env })
  throw refused('the program could not be run')
}
