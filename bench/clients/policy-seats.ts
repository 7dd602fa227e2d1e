// Places for sidecars that are only played: each with an SVID of its own, connected again after a loss as a sidecar does.
import { generateKeyPairSync } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { TrustBundleSet } from '../../src/identity/bundle.ts'
import { buildCsr } from '../../src/identity/csr.ts'
import { controlIdOf, parseTrustDomain } from '../../src/identity/spiffe-id.ts'
import { loadSvid, type Svid } from '../../src/identity/svid.ts'
import { type Address, parseAddress } from '../../src/lib/address.ts'
import { Backoff } from '../../src/lib/backoff.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { WatchCell } from '../../src/lib/watch.ts'
import { learnTrustBundle } from '../../src/rpc/bootstrap.ts'
import { bundlesOf } from '../../src/rpc/bundles.ts'
import { type AdminClient, connectControl } from '../../src/rpc/client.ts'
import { privateKeyPem, rootsPem } from '../../src/rpc/peer.ts'
import { parseJoinToken } from '../../src/rpc/token.ts'
import { RECONNECT } from '../../src/sidecar/snapshot/subscribe.ts'
import { TRUST_DOMAIN } from '../certificates.ts'
import { PolicyPeer } from './policy-peer.ts'

/** Certificates that are asked for at once. */
const ATTESTING = 16
const FIRST_PORT = 20_000
const serverId = controlIdOf(parseTrustDomain(TRUST_DOMAIN))

export interface SeatEvents {
  /** The revision of the update. */
  readonly onUpdate: (revision: number) => void
  /** The seat connects again by itself. */
  readonly onLost: (reason: string) => void
}

export class PolicySeat {
  readonly sidecarId: string
  /** Of the control server, or of a relay before it. */
  address: Address
  readonly #port: number
  readonly #context: SecureContext
  readonly #backoff = new Backoff(RECONNECT, Math.random)
  #peer: PolicyPeer | undefined
  #open = false

  constructor(index: number, address: Address, context: SecureContext) {
    this.sidecarId = `sidecar-${index}`
    this.#port = FIRST_PORT + index
    this.address = address
    this.#context = context
  }

  connect(events: SeatEvents): void {
    this.#open = true
    this.#peer = new PolicyPeer({
      address: this.address,
      context: this.#context,
      serverId,
      sidecarId: this.sidecarId,
      port: this.#port,
      onUpdate: ({ revision }) => {
        this.#backoff.reset()
        events.onUpdate(revision)
      },
      onLost: (reason) => {
        events.onLost(reason)
        this.connectLater(events)
      },
    })
  }

  /** After the delay of a sidecar that has lost its stream. */
  connectLater(events: SeatEvents): void {
    this.#open = true
    setTimeout(() => {
      if (this.#open) this.connect(events)
    }, this.#backoff.next())
  }

  static closeAll(seats: readonly PolicySeat[]): void {
    for (const seat of seats) {
      seat.#open = false
      seat.#peer?.close()
    }
  }
}

/** A seat for each of `workloads`, which may name one several times. Attests on one connection: what that costs is not the question. */
export async function attestSeats(
  control: string,
  admin: AdminClient,
  workloads: readonly string[],
): Promise<PolicySeat[]> {
  const address = parseAddress(control)!
  const tokens: string[] = []
  for (const workload of workloads) tokens.push((await admin.createToken({ workload })).token)
  const { rootFingerprint } = parseJoinToken(tokens[0]!)
  const bundle = await learnTrustBundle({ address, rootFingerprint, serverId, clock: systemClock })
  const bundles = new WatchCell<TrustBundleSet>(new Map([[bundle.trustDomain, bundle]]))
  const none = new WatchCell<Svid | undefined>(undefined)
  const client = connectControl({ address, bundles, svid: none, serverId, clock: systemClock })
  const ca = rootsPem(bundles.current)
  const seats: PolicySeat[] = []
  const waiting = tokens.entries()
  await Promise.all(
    Array.from({ length: ATTESTING }, async () => {
      for (const [index, token] of waiting) {
        const { spiffeId, secret } = parseJoinToken(token)
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        const issued = await client.attest({ joinToken: secret, csr: buildCsr(privateKey, spiffeId) })
        const svid = loadSvid(issued.chain, privateKey, bundlesOf(issued.bundles), systemClock.now())
        const key = privateKeyPem(privateKey)
        seats.push(new PolicySeat(index, address, createSecureContext({ ca, cert: svid.chainPem, key })))
      }
    }),
  )
  client.close()
  return seats
}
