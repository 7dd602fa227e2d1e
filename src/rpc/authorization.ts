import type { SecureContext } from 'node:tls'
import grpc from '@grpc/grpc-js'
import { OutriderError } from '../lib/errors.ts'
import { linkedCertificates } from '../lib/presented-chain.ts'
import type { CheckRequest } from '../wire/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse__Output } from '../wire/envoy/service/auth/v3/CheckResponse.ts'
import { channelOptions } from './channel.ts'
import { fromServiceError } from './errors.ts'
import { protocols } from './load.ts'
import { withIssuers } from './peer.ts'

/** With what a connection to a server is made, and who it has to be. */
export interface AuthorizationSecurity {
  readonly context: () => SecureContext
  /** Why a server with this chain (DER, leaf first) is not the one that is meant; `undefined` when it is. */
  readonly refusal: (chain: readonly Buffer[]) => Error | undefined
}

/** A client of an external authorization server (envoy.service.auth.v3.Authorization). */
export interface AuthorizationClient {
  /** Answers once, in `done` and never before it has returned; what it returns takes the question back. */
  check(request: CheckRequest, timeoutMs: number, done: AuthorizationDone): () => void
  /** The next question connects anew: credentials have changed. Questions under way go on. */
  reconnect(): void
  close(): void
}

export type AuthorizationDone = (error: OutriderError | undefined, response: CheckResponse__Output | undefined) => void

/** An answer is a status, some headers and the body of a refusal. */
const MAX_ANSWER_BYTES = 256 * 1024

const CHANNEL_OPTIONS = channelOptions(MAX_ANSWER_BYTES)

/**
 * `target` is `host:port` or `unix:/path`. Nothing is opened before the first question. Without `security` nothing is encrypted
 * and nobody is verified: for this machine only.
 */
export function connectAuthorization(target: string, security: AuthorizationSecurity | undefined): AuthorizationClient {
  const { Authorization } = protocols().authorization
  let client: InstanceType<typeof Authorization> | undefined
  let closed = false
  const current = (): InstanceType<typeof Authorization> => {
    if (closed) throw new OutriderError('client-closed', `the client of ${target} is closed`, { source: 'internal' })
    client ??= new Authorization(target, credentialsOf(security), {
      ...CHANNEL_OPTIONS,
      // What is verified is the SPIFFE ID; without a name Node would warn that SNI must not hold an address.
      ...(security === undefined ? {} : { 'grpc.ssl_target_name_override': 'authorization.outrider' }),
    })
    return client
  }
  return {
    check: (request, timeoutMs, done) => {
      try {
        // The deadline is a date by the interface of grpc-js, and tells the server how long we wait; who waits has a clock of its own.
        const call = current().check(request, { deadline: new Date(Date.now() + timeoutMs) }, (error, response) =>
          done(error === null ? undefined : fromServiceError(error, target), response),
        )
        return () => call.cancel()
      } catch (thrown) {
        queueMicrotask(() => done(fromServiceError(thrown, target), undefined))
        return () => {}
      }
    },
    reconnect: () => {
      // What is under way keeps the old channel until it is answered.
      client?.close()
      client = undefined
    },
    close: () => {
      closed = true
      client?.close()
    },
  }
}

function credentialsOf(security: AuthorizationSecurity | undefined): grpc.ChannelCredentials {
  if (security === undefined) return grpc.credentials.createInsecure()
  return grpc.ChannelCredentials.createFromSecureContext(security.context(), {
    checkServerIdentity: (_host, certificate) => security.refusal(linkedCertificates(withIssuers(certificate))),
  })
}
