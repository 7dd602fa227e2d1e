/** Why there was no TLS connection to look at a certificate of. */
export type HandshakeFailureCode =
  | 'handshake-timed-out'
  | 'client-gone'
  | 'server-gone'
  | 'version-unsupported'
  | 'not-tls'
  | 'no-application-protocol'
  | 'peer-refused-us'
  | 'handshake-malformed'
  | 'handshake-failed'

export interface HandshakeFailure {
  readonly code: HandshakeFailureCode
  /** For a person, with the words of OpenSSL. */
  readonly message: string
}

const texts: Readonly<Record<HandshakeFailureCode, string>> = {
  'handshake-timed-out': 'the handshake took too long',
  'client-gone': 'the client closed the connection during the handshake',
  'server-gone': 'the server closed the connection during the handshake',
  'version-unsupported': 'the two sides have no TLS version in common: TLS 1.3 is required',
  'not-tls': 'the peer does not speak TLS',
  'no-application-protocol': 'the two sides have no application protocol in common (ALPN): the mesh speaks h2',
  'peer-refused-us': 'the peer does not accept our certificate, and says so with a TLS alert',
  'handshake-malformed': 'the peer broke the TLS protocol',
  'handshake-failed': 'the handshake failed',
}

/** Alerts about the certificate that we have shown (RFC 8446 section 6.2), as Node names them. */
const certificateAlert =
  /ALERT_(?:(?:BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_(?:REVOKED|EXPIRED|UNKNOWN|REQUIRED)|UNKNOWN_CA|ACCESS_DENIED)$/

/** OpenSSL's words are many and change: what becomes a label is one of a few. */
export function handshakeFailure(error: TlsError, role: 'server' | 'client'): HandshakeFailure {
  const code = codeOf(error.code ?? '', role)
  return { code, message: `${texts[code]} (${error.reason ?? error.message})` }
}

/** Whether the peer says by this alert that it does not accept our certificate; in TLS 1.3 a client hears it after its handshake. */
export function isCertificateAlert({ code }: TlsError): boolean {
  return code !== undefined && certificateAlert.test(code)
}

/** Node adds OpenSSL's reason. */
export type TlsError = Error & { readonly code?: string; readonly reason?: string }

function codeOf(code: string, role: 'server' | 'client'): HandshakeFailureCode {
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'handshake-timed-out'
  if (code === 'ECONNRESET' || code === 'EPIPE') return role === 'server' ? 'client-gone' : 'server-gone'
  if (certificateAlert.test(code)) return 'peer-refused-us'
  if (/(?:UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|ALERT_PROTOCOL_VERSION)$/.test(code)) return 'version-unsupported'
  if (/(?:HTTP_REQUEST|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/.test(code)) return 'not-tls'
  if (code.endsWith('NO_APPLICATION_PROTOCOL')) return 'no-application-protocol'
  return code.startsWith('ERR_SSL_') ? 'handshake-malformed' : 'handshake-failed'
}
