import type { AddressBlock } from '../lib/ip.ts'
import type { CapturePlan, Family } from './plan.ts'

/** One thing that a packet has to be. All are about TCP. */
export type Match =
  | { readonly kind: 'in-interface'; readonly name: string }
  | { readonly kind: 'out-interface'; readonly name: string }
  | { readonly kind: 'to'; readonly block: AddressBlock }
  | { readonly kind: 'not-to'; readonly block: AddressBlock }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'uid'; readonly uid: number }
  | { readonly kind: 'gid'; readonly gid: number }
  /** Of a connection that the other side opened, or the answer to one that we opened. */
  | { readonly kind: 'answer' }
  | { readonly kind: 'not-for-us' }
  | { readonly kind: 'mark'; readonly mark: number }

export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'redirect'; readonly port: number }
  | { readonly kind: 'tproxy'; readonly port: number }
  | { readonly kind: 'mark'; readonly mark: number }

export interface Rule {
  readonly matches: readonly Match[]
  readonly verdict: Verdict
}

/** What is asked about packets that arrive, and about those that processes here send; the first rule that matches decides. */
export interface Rules {
  readonly inbound: readonly Rule[]
  readonly outbound: readonly Rule[]
}

/** Where marked packets of the application are routed to: loopback, where a transparent socket can take them. */
export const captureRoute = { mark: 15_400, table: 15_400, preference: 15_400 } as const
/** What the sidecar sends to its own pod: for its own inbound side. Not routed anew. */
export const SELF_MARK = 15_401

const pass: Verdict = { kind: 'pass' }
const loopback: Match = { kind: 'out-interface', name: 'lo' }
const loopbackBlock: Readonly<Record<Family, AddressBlock>> = {
  ipv4: { family: 4, text: '127.0.0.0/8' },
  ipv6: { family: 6, text: '::1/128' },
}

/** The rules of one address family. */
export function rulesOf(plan: CapturePlan, family: Family): Rules {
  return plan.mode === 'redirect' ? redirectRules(plan, family) : tproxyRules(plan, family)
}

function redirectRules(plan: CapturePlan, family: Family): Rules {
  const inward: Verdict = { kind: 'redirect', port: plan.inboundPort }
  return {
    inbound: [...notInbound(plan), ...captured(plan, inward)],
    outbound: [
      ...toOwnPod(plan, family, inward),
      ...notOutbound(plan, family),
      { matches: [], verdict: { kind: 'redirect', port: plan.outboundPort } },
    ],
  }
}

/**
 * Packets of a process here cannot be given to a transparent socket where they are sent: they are marked, routed to loopback by
 * that, and given to it where they arrive there.
 */
function tproxyRules(plan: CapturePlan, family: Family): Rules {
  // Unlike with redirect, every packet is asked about, and not only the first one of a connection.
  const answers: Rule = { matches: [{ kind: 'answer' }], verdict: pass }
  return {
    inbound: [
      answers,
      fromHere(captureRoute.mark, plan.outboundPort),
      fromHere(SELF_MARK, plan.inboundPort),
      ...notInbound(plan),
      ...captured(plan, { kind: 'tproxy', port: plan.inboundPort }),
    ],
    outbound: [
      answers,
      ...toOwnPod(plan, family, { kind: 'mark', mark: SELF_MARK }),
      ...notOutbound(plan, family),
      { matches: [], verdict: { kind: 'mark', mark: captureRoute.mark } },
    ],
  }
}

/** What a process here has sent, where it arrives on loopback. */
function fromHere(mark: number, port: number): Rule {
  return {
    matches: [
      { kind: 'in-interface', name: 'lo' },
      { kind: 'mark', mark },
    ],
    verdict: { kind: 'tproxy', port },
  }
}

function notInbound({ excludeInterfaces, excludeInboundPorts }: CapturePlan): readonly Rule[] {
  return [
    ...['lo', ...excludeInterfaces].map((name): Rule => ({ matches: [{ kind: 'in-interface', name }], verdict: pass })),
    // What a machine forwards is not for its own applications.
    { matches: [{ kind: 'not-for-us' }], verdict: pass },
    ...excludeInboundPorts.map((port): Rule => ({ matches: [{ kind: 'port', port }], verdict: pass })),
  ]
}

/** The verdict for every captured port of the application, behind whatever else has to match. */
function captured({ inboundPorts }: CapturePlan, verdict: Verdict, before: readonly Match[] = []): readonly Rule[] {
  if (inboundPorts === undefined) return [{ matches: before, verdict }]
  return inboundPorts.map((port) => ({ matches: [...before, { kind: 'port', port }], verdict }))
}

/**
 * A sidecar that calls a service which its own pod serves connects to itself, over loopback. What it sends to its application goes
 * to 127.0.0.1 and is not meant.
 */
function toOwnPod(plan: CapturePlan, family: Family, verdict: Verdict): readonly Rule[] {
  const own: readonly Match[] = [loopback, { kind: 'uid', uid: plan.uid }]
  return [
    ...plan.excludeInboundPorts.map((port): Rule => ({ matches: [...own, { kind: 'port', port }], verdict: pass })),
    ...captured(plan, verdict, [{ kind: 'not-to', block: loopbackBlock[family] }, ...own]),
  ]
}

function notOutbound(plan: CapturePlan, family: Family): readonly Rule[] {
  const { uid, gid, excludeInterfaces, excludeOutboundPorts, excludeOutboundRanges } = plan
  const ranges = excludeOutboundRanges.filter((block) => (block.family === 4 ? 'ipv4' : 'ipv6') === family)
  return [
    // The loop guard.
    { matches: [{ kind: 'uid', uid }], verdict: pass },
    { matches: [{ kind: 'gid', gid }], verdict: pass },
    { matches: [loopback], verdict: pass },
    ...excludeInterfaces.map((name): Rule => ({ matches: [{ kind: 'out-interface', name }], verdict: pass })),
    ...ranges.map((block): Rule => ({ matches: [{ kind: 'to', block }], verdict: pass })),
    ...excludeOutboundPorts.map((port): Rule => ({ matches: [{ kind: 'port', port }], verdict: pass })),
  ]
}
