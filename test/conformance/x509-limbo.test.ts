// The chains of C2SP/x509-limbo. They are made for web servers, and their leaves have no SPIFFE ID: as they are we take none of
// them. What is compared is the rest: the path by RFC 5280, and the rules of a leaf once it is given an ID.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseBundle, type TrustBundle } from '../../src/identity/bundle.ts'
import { oids } from '../../src/identity/extension.ts'
import { validateLeaf } from '../../src/identity/leaf.ts'
import { verifyPath, verifyPeer } from '../../src/identity/verify.ts'
import { type Certificate, fromPem, parseCertificate } from '../../src/identity/x509.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { packageRoot } from '../../src/lib/package-root.ts'

const path = join(process.env['OUTRIDER_VECTORS'] ?? join(packageRoot, '..', 'shared', 'vectors'), 'x509-limbo.json')
/** For chains that say no time: they hold for a thousand years. */
const NOW = Date.UTC(2026, 0, 1)

/** Chains that limbo wants refused for what a mesh does not ask. By the start of their names. */
const notApplicable: Readonly<Record<string, readonly string[]>> = {
  'a server has a SPIFFE ID that is compared as a whole; host names are not looked at': [
    'webpki::cn::',
    'webpki::san::',
    'rfc5280::san::underscore-dns',
    'rfc5280::san::ip-in-dns',
  ],
  'revocation lists are not read: single SVIDs are revoked by a resource': ['crl::'],
  "how deep a chain may be is not the caller's to say: five certificates": ['pathlen::max-chain-depth-'],
  'clocks may differ by 20 s where a certificate begins': [
    'rfc5280::validity::notbefore-fractional',
    'rfc5280::validity::not-yet-valid-',
  ],
  'key identifiers say which issuer is meant where there are several; the signature says whose it is': [
    'rfc5280::aki::leaf-missing-aki',
    'rfc5280::aki::intermediate-missing-aki',
    'rfc5280::aki::cross-signed-root-missing-aki',
    'rfc5280::ski::root-missing-ski',
    'rfc5280::ski::intermediate-missing-ski',
    'webpki::aki::root-with-aki-',
  ],
  'a rule of the CA/Browser forum on the purposes of leaves: those of an SVID are both, or none are said': [
    'webpki::eku::',
  ],
  'where its issuer can be got is not read': ['webpki::malformed-aia'],
}

/** Chains that limbo wants accepted and we do not take, by the code of the refusal. */
const overStrict: Readonly<Record<string, { readonly why: string; readonly chains: readonly string[] }>> = {
  'bundle-not-authority': {
    why: 'an authority says in its key usage that it signs certificates (X.509-SVID, 4.3)',
    chains: ['crl::issuer-no-keyusage-extension'],
  },
  'certificate-malformed': {
    why: 'a serial number has 20 octets with that of its sign; name constraints are critical (RFC 5280, 4.1.2.2 and 4.2.1.10)',
    chains: ['online::fastly.com', 'webpki::nc::permitted-dns-match-noncritical'],
  },
  'chain-too-long': {
    why: 'at most five certificates of a peer are read',
    chains: ['cve::cve-2024-0567'],
  },
  expired: {
    why: 'the end of validity is exact, and not good for all of its last second',
    chains: ['rfc5280::validity::notafter-fractional'],
  },
  'key-id-mismatch': {
    why: 'intermediates that issued themselves count for path length and constraints as others do; the code is that of the first issuer tried',
    chains: ['pathlen::self-issued-certs-pathlen', 'rfc5280::nc::permitted-self-issued'],
  },
  'leaf-is-ca': {
    why: 'a leaf is no CA (X.509-SVID, 4.1)',
    chains: ['pathlen::validation-ignores-pathlen-in-leaf', 'rfc5280::ca-as-leaf'],
  },
  'leaf-key-unsupported': {
    why: 'an SVID has a P-256 or P-384 key',
    chains: [
      'online::amazon.com',
      'online::aws.amazon.com',
      'online::bing.com',
      'online::docs.python.org',
      'online::microsoft.com',
      'online::s3.amazonaws.com',
      'webpki::cryptographydotio-chain',
    ],
  },
  'leaf-key-usage-missing': {
    why: 'a leaf has a key usage (X.509-SVID, 4.3)',
    chains: ['rfc5280::no-keyusage'],
  },
  'name-constraint-unsupported': {
    why: 'nothing is believed below a constraint on names that are not checked here: addresses, directory names, mailboxes',
    chains: [
      'rfc5280::nc::excluded-different-constraint-type',
      'rfc5280::nc::nc-forbids-othername-noop',
      'rfc5280::nc::nc-permits-email-domain',
      'rfc5280::nc::nc-permits-email-exact',
      'rfc5280::nc::nc-permits-email-literal-asterisk-exact-match',
      'rfc5280::nc::nc-permits-email-literal-double-asterisk',
      'rfc5280::nc::nc-permits-email-literal-mid-asterisk',
      'rfc5280::nc::permitted-different-constraint-type',
      'rfc5280::nc::permitted-dn-match',
      'rfc5280::nc::permitted-ipv4-match',
      'rfc5280::nc::permitted-ipv6-match',
    ],
  },
}

interface Chain {
  readonly id: string
  readonly valid: boolean
  /** What the leaf is shown for. */
  readonly purpose: string
  readonly leaf: string
  readonly intermediates: readonly string[]
  readonly roots: readonly string[]
  readonly nowMs: number
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function readChains(): readonly Chain[] {
  const file: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const cases: unknown = isRecord(file) ? file['testcases'] : undefined
  if (!Array.isArray(cases)) throw new TypeError(`${path} is of another form`)
  return cases.filter(isRecord).map((chain) => ({
    id: String(chain['id']),
    valid: chain['expected_result'] === 'SUCCESS',
    purpose: chain['validation_kind'] === 'SERVER' ? oids.serverAuth : oids.clientAuth,
    leaf: String(chain['peer_certificate']),
    intermediates: texts(chain['untrusted_intermediates']),
    roots: texts(chain['trusted_certs']),
    nowMs: typeof chain['validation_time'] === 'string' ? Date.parse(chain['validation_time']) : NOW,
  }))
}

function bundleOf({ roots }: Chain): TrustBundle {
  return parseBundle({ trustDomain: 'limbo.example', authorities: roots.flatMap(fromPem), sequence: 1 })
}

/**
 * The leaf with what every SVID has and none of these: a SPIFFE ID, a key usage that is critical, and the other purpose beside the one
 * that it is shown for.
 */
function asSvid(leaf: Certificate, purpose: string): Certificate {
  const { altNames, keyUsage, extendedKeyUsage } = leaf
  return {
    ...leaf,
    altNames: { critical: false, dnsNames: [], others: 0, ...altNames, uris: ['spiffe://limbo.example/web'] },
    ...(keyUsage && { keyUsage: { ...keyUsage, critical: true } }),
    ...(extendedKeyUsage?.includes(purpose) && { extendedKeyUsage: [oids.serverAuth, oids.clientAuth] }),
  }
}

/** `accepted`, or the code of the refusal. */
function verdict(chain: Chain): string {
  try {
    const bundle = bundleOf(chain)
    const chainDer = [chain.leaf, ...chain.intermediates].flatMap(fromPem)
    validateLeaf(asSvid(parseCertificate(chainDer[0]!), chain.purpose))
    verifyPath(chainDer, bundle.authorities, chain.nowMs)
    return 'accepted'
  } catch (thrown) {
    if (thrown instanceof OutriderError) return thrown.code
    throw thrown
  }
}

/** Undefined when `read` refuses with a code. Anything else that is thrown is a bug. */
function outcome<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof OutriderError) return undefined
    throw thrown
  }
}

t.test('x509-limbo', async (t) => {
  if (!existsSync(path)) {
    console.log('note: third-party vectors x509-limbo.json not found')
    t.pass('not run: the vectors are not there')
    return
  }
  const chains = readChains()
  const starts = Object.values(notApplicable).flat()
  const used = new Set<string>()
  const underStrict: string[] = []
  const refusedValid = new Map<string, string[]>()
  const counts = { accepted: 0, refused: 0, notApplicable: 0 }
  for (const chain of chains) {
    const { id, valid, nowMs } = chain
    const result = verdict(chain)
    if (valid && result === 'accepted') counts.accepted += 1
    else if (valid) refusedValid.set(result, [...(refusedValid.get(result) ?? []), id])
    else if (result !== 'accepted') counts.refused += 1
    else {
      const start = starts.find((start) => id.startsWith(start))
      if (start === undefined) underStrict.push(id)
      else counts.notApplicable += 1
      if (start !== undefined) used.add(start)
    }
    const der = [chain.leaf, ...chain.intermediates].map((pem) =>
      Buffer.from(pem.replaceAll(/-----.*-----/g, ''), 'base64'),
    )
    const bundle = outcome(() => bundleOf(chain))
    const bundles = new Map(bundle === undefined ? [] : [[bundle.trustDomain, bundle]])
    if (verifyPeer(der, bundles, nowMs).kind === 'verified') t.fail(`taken for an SVID: ${id}`)
  }
  t.strictSame(underStrict, [], 'accepted what limbo refuses')
  t.strictSame(
    starts.filter((start) => !used.has(start)),
    [],
    'each reason is needed',
  )
  t.strictSame(
    Object.fromEntries([...refusedValid].map(([code, ids]) => [code, ids.toSorted()])),
    Object.fromEntries(Object.entries(overStrict).map(([code, { chains }]) => [code, chains])),
    'refused what limbo accepts, each with its reason',
  )
  const strict = [...refusedValid.values()].flat().length
  console.log(
    `note: ${chains.length} chains: ${counts.accepted} taken and ${counts.refused} refused as limbo wants; ${underStrict.length} under-strict; ${strict} over-strict, listed with their reasons; ${counts.notApplicable} taken whose fault a mesh does not look at`,
  )
})
