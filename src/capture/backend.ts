import type { CapturePlan } from './plan.ts'

/** One of the two ways to make rules. Whatever fails throws a `capture-...` error, and has changed nothing. */
export interface Backend {
  readonly name: 'iptables' | 'nft'
  /** Whether rules of ours are there, made this way. */
  present(): Promise<boolean>
  /** The rules, as its program reads them. */
  text(plan: CapturePlan): string
  /** Has the program, and as far as it can the kernel, look at the rules without making them. */
  check(plan: CapturePlan): Promise<void>
  /** Whether just these rules are there. */
  inForce(plan: CapturePlan): Promise<boolean>
  /** Makes them, in place of rules of ours that are there; gives what takes that back. */
  apply(plan: CapturePlan): Promise<() => Promise<void>>
  /** Takes all of ours away; whether there were any. */
  remove(): Promise<boolean>
}
