import t from 'tap'
import { handshakeFailure, isCertificateAlert } from '../../../src/mtls/handshake-failure.ts'

const cases: readonly (readonly [code: string, server: string, client: string])[] = [
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'handshake-timed-out', 'handshake-timed-out'],
  ['ECONNRESET', 'client-gone', 'server-gone'],
  ['EPIPE', 'client-gone', 'server-gone'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'version-unsupported', 'version-unsupported'],
  ['ERR_SSL_NO_PROTOCOLS_AVAILABLE', 'version-unsupported', 'version-unsupported'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'version-unsupported', 'version-unsupported'],
  ['ERR_SSL_HTTP_REQUEST', 'not-tls', 'not-tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'not-tls', 'not-tls'],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'not-tls', 'not-tls'],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'no-application-protocol', 'no-application-protocol'],
  ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'no-application-protocol', 'no-application-protocol'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'peer-refused-us', 'peer-refused-us'],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'peer-refused-us', 'peer-refused-us'],
  ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'peer-refused-us', 'peer-refused-us'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'peer-refused-us', 'peer-refused-us'],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'peer-refused-us', 'peer-refused-us'],
  ['ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'handshake-malformed', 'handshake-malformed'],
  ['ERR_SOMETHING_ELSE', 'handshake-failed', 'handshake-failed'],
]

t.test('reasons are few, whatever OpenSSL says', async (t) => {
  for (const [code, server, client] of cases) {
    const error = Object.assign(new Error('long'), { code, reason: 'short' })
    t.equal(handshakeFailure(error, 'server').code, server, code)
    t.equal(handshakeFailure(error, 'client').code, client, code)
    t.match(handshakeFailure(error, 'client').message, /^[a-z].* \(short\)$/i)
    t.equal(isCertificateAlert(error), server === 'peer-refused-us', code)
  }
  t.equal(handshakeFailure(new Error('odd'), 'server').message, 'the handshake failed (odd)')
})
