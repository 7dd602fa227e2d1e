import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts process times for user space in ticks of 10 ms (USER_HZ) on x86-64 and arm64 alike. */
const MICROSECONDS_PER_TICK = 10_000

/** Positions in /proc/PID/stat after the command name, see proc_pid_stat(5). */
const UTIME = 11
const STIME = 12
const CUTIME = 13
const CSTIME = 14

/** The processes themselves and all their living descendants. */
function withDescendants(pids: readonly number[]): number[] {
  return pids.flatMap((pid) => {
    const children = readdirSync(`/proc/${pid}/task`)
      .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
      .filter((text) => text !== '')
      .map(Number)
    return [pid, ...withDescendants(children)]
  })
}

/**
 * User and system time in microseconds that the processes, their descendants, and those of them that have ended have
 * used so far. Resolution 10 ms a process.
 */
export function cpuMicroseconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of withDescendants(pids)) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command name stands in parentheses and may itself hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    for (const position of [UTIME, STIME, CUTIME, CSTIME]) ticks += Number(fields[position])
  }
  return ticks * MICROSECONDS_PER_TICK
}

/**
 * Highest resident set so far in MB (10^6 bytes), summed over the processes and their living descendants. Pages that a
 * master shares with its worker count twice.
 */
export function peakRssMb(pids: readonly number[]): number {
  return (kibIn(pids, 'VmHWM') * 1024) / 1e6
}

/** Resident set now in KiB, summed as for `peakRssMb`. */
export function rssKib(pids: readonly number[]): number {
  return kibIn(pids, 'VmRSS')
}

/** Proportional set now in KiB: of pages that processes share, each has its part. Summed as for `peakRssMb`. */
export function pssKib(pids: readonly number[]): number {
  return kibIn(pids, 'Pss', 'smaps_rollup')
}

/** A line of a file of /proc/PID that is in kB. */
function kibIn(
  pids: readonly number[],
  field: 'VmHWM' | 'VmRSS' | 'Pss',
  file: 'status' | 'smaps_rollup' = 'status',
): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm')
  let kib = 0
  for (const pid of withDescendants(pids))
    kib += Number(line.exec(readFileSync(`/proc/${pid}/${file}`, 'latin1'))?.[1] ?? 0)
  return kib
}
