import { createHash } from 'node:crypto'
import type { Watch } from '../../lib/watch.ts'
import { toPem } from '../../identity/x509.ts'
import type { Credentials } from '../../mtls/credentials.ts'
import type { CompiledPolicy } from '../../policy/compile.ts'
import { type AdminAnswer, type AdminPages, json, text } from '../../telemetry/admin-server.ts'
import { type ProcessState, processPages } from '../../telemetry/process-pages.ts'
import type { KeySetState, KeySetStates } from '../authentication/key-sets.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { presentedText } from '../tls-failures.ts'
import type { ServedTlsFailure, Traffic } from '../traffic.ts'

export interface AdminSources extends Omit<ProcessState, 'notLive' | 'elsewhere'> {
  readonly snapshot: Snapshot
  readonly keySets: Watch<KeySetStates>
  readonly traffic: Pick<Traffic, 'connections' | 'tlsFailures' | 'metrics' | 'notLive'>
  readonly announceDrain: () => void
  /** Undefined until the first SVID. */
  readonly credentials: () => Watch<Credentials> | undefined
}

/** What the admin endpoint shows. */
export function adminPages(sources: AdminSources): AdminPages {
  const { snapshot, traffic } = sources
  return {
    ...processPages({
      ...sources,
      notLive: () => traffic.notLive(),
      elsewhere: () => {
        snapshot.metrics.policyAge.set((snapshot.ageMs ?? 0) / 1000)
        return traffic.metrics()
      },
    }),
    'POST /drain': () => {
      sources.announceDrain()
      return text('draining\n')
    },
    'GET /policy': () =>
      json({
        revision: snapshot.revision,
        ...originOf(snapshot),
        appliedAt: snapshot.appliedAtMs === undefined ? null : new Date(snapshot.appliedAtMs).toISOString(),
        closed: snapshot.policy.current.closed ?? null,
        weakened: weakenedBy(snapshot.policy.current),
        resources: [...snapshot.held.values()].map((held) =>
          held.ok ? held.resource : { name: held.name, revision: held.revision, violations: held.violations },
        ),
      }),
    'GET /connections': async () =>
      json(
        (await traffic.connections()).map(({ openedAtMs, expiresAtMs, requests, authorities, ...who }) => ({
          ...who,
          openedAt: new Date(openedAtMs).toISOString(),
          expiresAt: Number.isFinite(expiresAtMs) ? new Date(expiresAtMs).toISOString() : null,
          requests,
          authorities,
        })),
      ),
    'GET /tls-failures': async () => json((await traffic.tlsFailures()).map(shownFailure)),
    'GET /key-sets': () => json([...sources.keySets.current].map(shownKeySet)),
    'GET /certs': () => certificates(sources.credentials()?.current),
  }
}

/** State of the keys that issuers publish at an address. The keys are public. */
function shownKeySet([uri, { keys, asking, fetchedAtMs, failure }]: readonly [string, KeySetState]): object {
  return {
    uri,
    usable: keys !== undefined,
    fetchedAt: fetchedAtMs === undefined ? null : new Date(fetchedAtMs).toISOString(),
    asking,
    failure: failure ?? null,
    keys: (keys?.keys ?? []).map(({ keyId, algorithms }) => ({ keyId: keyId ?? null, algorithms })),
    ignored: keys?.ignored ?? [],
  }
}

/** Resources that let in what nobody has allowed. */
function weakenedBy({ external }: CompiledPolicy): readonly string[] {
  const open = external.filter(({ onFailure }) => onFailure === 'allow')
  return open.map(({ label }) => `ExternalAuthorization ${label}: onFailure: allow`)
}

/** Where the policy is from, how old it is, and until when all of it is in force where that has an end. */
function originOf({ source, inStep, syncedAtMs, ageMs, untilMs, expired }: Snapshot): object {
  return {
    source,
    connected: inStep,
    syncedAt: syncedAtMs === undefined ? null : new Date(syncedAtMs).toISOString(),
    ageSeconds: ageMs === undefined ? null : Math.round(ageMs / 1000),
    until: untilMs === undefined ? null : new Date(untilMs).toISOString(),
    expired,
  }
}

function shownFailure({ atMs, presented, ...rest }: ServedTlsFailure): object {
  return { at: new Date(atMs).toISOString(), ...rest, presented: presentedText(presented) }
}

function certificates(credentials: Credentials | undefined): AdminAnswer {
  if (credentials === undefined) return text('there is no SVID yet\n', 503)
  const { svid, bundles } = credentials
  return json({
    svid: {
      id: svid.id,
      serial: svid.serial,
      notBefore: new Date(svid.notBeforeMs).toISOString(),
      notAfter: new Date(svid.notAfterMs).toISOString(),
      authority: svid.authorityFingerprint,
      chain: svid.chainDer.map((der) => createHash('sha256').update(der).digest('hex')),
      pem: svid.chainPem,
    },
    bundles: [...bundles.values()].map(({ trustDomain, sequence, authorities, tainted, jwtAuthorities }) => ({
      trustDomain,
      sequence,
      authorities: authorities.map(({ fingerprint, notAfterMs, der }) => ({
        fingerprint,
        notAfter: new Date(notAfterMs).toISOString(),
        tainted: tainted.has(fingerprint),
        pem: toPem([der]),
      })),
      jwtAuthorities: [...jwtAuthorities.keys()],
    })),
  })
}
