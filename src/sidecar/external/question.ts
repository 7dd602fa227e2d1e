import { ruleName } from '../../policy/decision.ts'
import type { TLSSocket } from 'node:tls'
import { toPem } from '../../identity/x509.ts'
import type { Headers } from '../../http/headers.ts'
import { presentedChain } from '../../lib/presented-chain.ts'
import { timestampOf } from '../../lib/protobuf-time.ts'
import type { CheckRequest } from '../../wire/envoy/service/auth/v3/CheckRequest.ts'
import type { Address } from '../../wire/envoy/config/core/v3/Address.ts'
import type { InboundConnection } from '../inbound/connection.ts'
import type { Received } from '../inbound/receive.ts'

/** A request in the form in which it would go on. */
export interface Subject {
  readonly received: Received
  readonly headers: Headers
  /** Path and query. */
  readonly target: string
}

/** PEM, percent-encoded, of the certificates that peers have shown: one text for all requests of a connection. */
const certificates = new WeakMap<object, string>()

/**
 * What an external authorization server is told (envoy.service.auth.v3.AttributeContext). It sees the request as the application
 * would: normalised, and without what clients may not set. `shown`: names of the headers that it gets; absent: all.
 */
export function questionOf(
  { received, headers, target }: Subject,
  connection: InboundConnection,
  shown: ReadonlySet<string> | undefined,
): CheckRequest {
  const { foundation, runtime, socket, remote } = connection
  const { request, head, path } = received
  const { localAddress = '', localPort = 0 } = socket
  const tls = isTls(socket) ? socket : undefined
  const { sni, address } = connection
  const http =
    path === undefined
      ? null
      : {
          id: request.requestId,
          method: head.method,
          headers: headerMap(received, headers, target, shown),
          path: target,
          host: received.authority,
          scheme: schemeOf(connection),
          size: Math.max(-1, head.bodyLength),
          protocol: request.protocol,
        }
  return {
    attributes: {
      source: {
        address: socketAddress(address, Number(remote.slice(address.length + 1))),
        principal: foundation?.peer.id ?? '',
        certificate: tls === undefined || foundation === undefined ? '' : certificateOf(tls),
      },
      destination: {
        address: socketAddress(localAddress, localPort),
        principal: runtime.credentials.current.svid.id,
      },
      request: { time: timestampOf(runtime.clock.now()), http },
      contextExtensions: {
        'outrider.port': String(received.port),
        ...(request.rule === undefined ? {} : { 'outrider.rule': ruleName(request.rule) }),
      },
      tlsSession: sni === undefined ? null : { sni },
    },
  }
}

/** Envoy's form: pseudo-headers among the others, values of one name joined by commas. */
function headerMap(
  { head, authority }: Received,
  headers: Headers,
  target: string,
  shown: ReadonlySet<string> | undefined,
): Record<string, string> {
  const map = new Map([
    [':method', head.method],
    [':path', target],
    [':authority', authority],
  ])
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!
    if (shown !== undefined && !shown.has(name)) continue
    const before = map.get(name)
    // Cookies have a separator of their own (RFC 9113, 8.2.3).
    const separator = name === 'cookie' ? '; ' : ','
    map.set(name, before === undefined ? headers[index + 1]! : before + separator + headers[index + 1]!)
  }
  return Object.fromEntries(map)
}

function schemeOf({ foundation }: InboundConnection): 'https' | 'http' {
  return foundation === undefined ? 'http' : 'https'
}

function socketAddress(address: string, portValue: number): Address {
  return { socketAddress: { address, portValue } }
}

function isTls(socket: InboundConnection['socket']): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true
}

function certificateOf(socket: TLSSocket): string {
  const known = certificates.get(socket)
  if (known !== undefined) return known
  const [leaf] = presentedChain(socket)
  const made = leaf === undefined ? '' : encodeURIComponent(toPem([leaf]))
  certificates.set(socket, made)
  return made
}
