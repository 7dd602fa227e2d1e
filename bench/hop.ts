import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { ask, type Exchange, type Protocol } from './exchange.ts'
import type { Identity, Running } from './subjects/subject.ts'

/** What a client of the hop itself shows. X25519 only, which all of them have: newer libraries would choose a dearer group. */
export function clientContext(identity: Identity | undefined): SecureContext {
  const certificate =
    identity === undefined ? {} : { cert: readFileSync(identity.certificate), key: readFileSync(identity.key) }
  return createSecureContext({ ...certificate, minVersion: 'TLSv1.3', ecdhCurve: 'X25519' })
}

/** Opens a connection to an inbound proxy as an outbound one does; resolves when the client's half of the handshake is done. */
export async function openHop(port: number, secureContext: SecureContext, signal: AbortSignal): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    secureContext,
    servername: 'app',
    ALPNProtocols: ['h2', 'http/1.1'],
    // Who the server is does not matter to a load generator; the proxies verify one another.
    rejectUnauthorized: false,
  })
  try {
    await once(socket, 'secureConnect', { signal })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

export function protocolOf(socket: TLSSocket): Protocol {
  return socket.alpnProtocol === 'h2' ? 'h2' : 'http1'
}

/**
 * Throws unless the inbound proxy answers over TLS 1.3 to a client with a certificate, and gives nothing that is the
 * application's to a client without one. Returns the protocol of the hop.
 */
export async function checkHop(
  { inPort, identity }: Running,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<Protocol> {
  const askOver = async (client: Identity | undefined): Promise<{ answer: string; protocol: Protocol }> => {
    const socket = await openHop(inPort, clientContext(client), signal)
    // A connection that is refused may be so at any time.
    socket.on('error', () => {})
    try {
      if (socket.getProtocol() !== 'TLSv1.3') throw new Error(`the hop speaks ${socket.getProtocol()}`)
      const protocol = protocolOf(socket)
      return { answer: await ask(socket, protocol, exchange, signal), protocol }
    } finally {
      socket.destroy()
    }
  }
  const { answer, protocol } = await askOver(identity)
  if (answer !== exchange.answer) throw new Error(`the hop with a certificate answers: ${answer.slice(0, 100)}`)
  const stranger = await askOver(undefined).catch((error: unknown) => {
    signal.throwIfAborted()
    return { answer: String(error) }
  })
  if (stranger.answer.startsWith('200')) throw new Error('the hop answers a client that has no certificate')
  return protocol
}
