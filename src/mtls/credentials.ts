import type { KeyObject } from 'node:crypto'
import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { TrustBundleSet } from '../identity/bundle.ts'
import type { Svid } from '../identity/svid.ts'
import { toPem } from '../identity/x509.ts'
import type { Watch } from '../lib/watch.ts'

/** Who we are and whom we believe, as ONE immutable value: a handshake never sees a new SVID with old bundles. */
export interface Credentials {
  readonly svid: Svid
  readonly bundles: TrustBundleSet
}

/** All suites of TLS 1.3 that are worth having, the cheapest strong one first (RFC 8446 section 9.1 makes it mandatory). */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

/** What OpenSSL is given. It gets the union of all roots; verify.ts then holds a peer to the bundle of its own trust domain. */
export function secureContextOptions({ svid, bundles }: Credentials): SecureContextOptions {
  const roots = [...bundles.values()].flatMap((bundle) => bundle.authorities.map((authority) => authority.der))
  return {
    cert: svid.chainPem,
    key: keyPem(svid.privateKey),
    ca: toPem(roots),
    minVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    // No session is ever resumed: Node skips the identity check of a resumed session, and an expired certificate passes.
    secureOptions: constants.SSL_OP_NO_TICKET,
    sessionIdContext: 'outrider',
  }
}

/** Calls `tell` for each later value that brings another SVID, and not for one that brings bundles only. Returns the way out. */
export function onNewSvid(credentials: Watch<Credentials>, tell: () => void): () => void {
  let { svid } = credentials.current
  return credentials.subscribe((value) => {
    if (value.svid === svid) return
    svid = value.svid
    tell()
  })
}

const contexts = new WeakMap<Credentials, SecureContext>()

/** The context for connections that we open, made once per value. */
export function clientContext(credentials: Credentials): SecureContext {
  const known = contexts.get(credentials)
  if (known !== undefined) return known
  const made = createSecureContext(secureContextOptions(credentials))
  contexts.set(credentials, made)
  return made
}

/** OpenSSL takes keys as PEM only; the text stays in memory. */
function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
