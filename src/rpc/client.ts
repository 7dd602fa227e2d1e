import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import grpc from '@grpc/grpc-js'
import { type Address, formatAddress } from '../lib/address.ts'
import type { TrustBundleSet } from '../identity/bundle.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { Svid } from '../identity/svid.ts'
import { verifyPeer } from '../identity/verify.ts'
import type { Clock } from '../lib/clock.ts'
import { OutriderError } from '../lib/errors.ts'
import { linkedCertificates } from '../lib/presented-chain.ts'
import type { Watch } from '../lib/watch.ts'
import type { ApplyRequest } from '../wire/outrider/admin/v1/ApplyRequest.ts'
import type { ApplyResponse__Output } from '../wire/outrider/admin/v1/ApplyResponse.ts'
import type { CreateApiKeyRequest } from '../wire/outrider/admin/v1/CreateApiKeyRequest.ts'
import type { CreatedApiKey__Output } from '../wire/outrider/admin/v1/CreatedApiKey.ts'
import type { AuthorityList__Output } from '../wire/outrider/admin/v1/AuthorityList.ts'
import type { AuthorityStepRequest } from '../wire/outrider/admin/v1/AuthorityStepRequest.ts'
import type { ControlStatus__Output } from '../wire/outrider/admin/v1/ControlStatus.ts'
import type { CanaryEvent__Output } from '../wire/outrider/admin/v1/CanaryEvent.ts'
import type { CanaryRequest } from '../wire/outrider/admin/v1/CanaryRequest.ts'
import type { CreatedToken__Output } from '../wire/outrider/admin/v1/CreatedToken.ts'
import type { CreateTokenRequest } from '../wire/outrider/admin/v1/CreateTokenRequest.ts'
import type { DeleteRequest } from '../wire/outrider/admin/v1/DeleteRequest.ts'
import type { DeleteResponse__Output } from '../wire/outrider/admin/v1/DeleteResponse.ts'
import type { GetAuthoritiesRequest } from '../wire/outrider/admin/v1/GetAuthoritiesRequest.ts'
import type { GetRequest } from '../wire/outrider/admin/v1/GetRequest.ts'
import type { BundleDocument__Output } from '../wire/outrider/admin/v1/BundleDocument.ts'
import type { GetBundleRequest } from '../wire/outrider/admin/v1/GetBundleRequest.ts'
import type { GetStatusRequest } from '../wire/outrider/admin/v1/GetStatusRequest.ts'
import type { ListApiKeysRequest } from '../wire/outrider/admin/v1/ListApiKeysRequest.ts'
import type { ListApiKeysResponse__Output } from '../wire/outrider/admin/v1/ListApiKeysResponse.ts'
import type { ListRequest } from '../wire/outrider/admin/v1/ListRequest.ts'
import type { ListResponse__Output } from '../wire/outrider/admin/v1/ListResponse.ts'
import type { ListSidecarsRequest } from '../wire/outrider/admin/v1/ListSidecarsRequest.ts'
import type { ListSidecarsResponse__Output } from '../wire/outrider/admin/v1/ListSidecarsResponse.ts'
import type { ListTokensRequest } from '../wire/outrider/admin/v1/ListTokensRequest.ts'
import type { ListTokensResponse__Output } from '../wire/outrider/admin/v1/ListTokensResponse.ts'
import type { PrepareAuthorityRequest } from '../wire/outrider/admin/v1/PrepareAuthorityRequest.ts'
import type { ResourceEvent__Output } from '../wire/outrider/admin/v1/ResourceEvent.ts'
import type { RevokeApiKeyRequest } from '../wire/outrider/admin/v1/RevokeApiKeyRequest.ts'
import type { RevokeApiKeyResponse__Output } from '../wire/outrider/admin/v1/RevokeApiKeyResponse.ts'
import type { RevokeTokenRequest } from '../wire/outrider/admin/v1/RevokeTokenRequest.ts'
import type { RevokeTokenResponse__Output } from '../wire/outrider/admin/v1/RevokeTokenResponse.ts'
import type { RotateApiKeyRequest } from '../wire/outrider/admin/v1/RotateApiKeyRequest.ts'
import type { StoredResource__Output } from '../wire/outrider/admin/v1/StoredResource.ts'
import type { WatchRequest } from '../wire/outrider/admin/v1/WatchRequest.ts'
import type { AttestRequest } from '../wire/outrider/identity/v1/AttestRequest.ts'
import type { IdentityServiceClient } from '../wire/outrider/identity/v1/IdentityService.ts'
import type { IssueJwtSvidRequest } from '../wire/outrider/identity/v1/IssueJwtSvidRequest.ts'
import type { IssuedJwtSvid__Output } from '../wire/outrider/identity/v1/IssuedJwtSvid.ts'
import type { IssuedSvid__Output } from '../wire/outrider/identity/v1/IssuedSvid.ts'
import type { RenewRequest } from '../wire/outrider/identity/v1/RenewRequest.ts'
import type { TrustBundleSet__Output } from '../wire/outrider/identity/v1/TrustBundleSet.ts'
import type { PolicyUpdate__Output } from '../wire/outrider/policy/v1/PolicyUpdate.ts'
import type { SubscribeRequest } from '../wire/outrider/policy/v1/SubscribeRequest.ts'
import type { JWTBundlesResponse__Output } from '../wire/JWTBundlesResponse.ts'
import type { JWTSVIDRequest } from '../wire/JWTSVIDRequest.ts'
import type { JWTSVIDResponse__Output } from '../wire/JWTSVIDResponse.ts'
import type { X509SVIDResponse__Output } from '../wire/X509SVIDResponse.ts'
import { channelOptions } from './channel.ts'
import { fromServiceError } from './errors.ts'
import { WORKLOAD_HEADER } from './handler.ts'
import { protocols } from './load.ts'
import { privateKeyPem, rootsPem, serverRefusal, withIssuers } from './peer.ts'

/** The client's end of a stream from the server. `onEnd` is called once; with an error unless the status was OK. */
export interface ClientStream<In> {
  onMessage(listener: (message: In) => void): void
  onEnd(listener: (error: OutriderError | undefined) => void): void
  cancel(): void
}

export interface ClientDuplex<Out, In> extends ClientStream<In> {
  send(message: Out): void
  /** Sends no more; the server ends the call. */
  finish(): void
}

/** What a sidecar asks the control server for. Failed calls reject with the error that rpc/errors.ts makes. */
export interface ControlClient {
  /** Works without an SVID. */
  attest(request: AttestRequest): Promise<IssuedSvid__Output>
  renew(request: RenewRequest): Promise<IssuedSvid__Output>
  issueJwtSvid(request: IssueJwtSvidRequest): Promise<IssuedJwtSvid__Output>
  watchTrustBundles(): ClientStream<TrustBundleSet__Output>
  subscribe(): ClientDuplex<SubscribeRequest, PolicyUpdate__Output>
  /** Opens no new call; streams that are open go on until they are cancelled. */
  close(): void
}

export interface ControlClientOptions {
  readonly address: Address
  /** Whom the server is verified against. A new value counts from the next connection on. */
  readonly bundles: Watch<TrustBundleSet>
  /** What the client shows; `undefined` before the first attestation. A new value makes the next call connect anew. */
  readonly svid: Watch<Svid | undefined>
  /** The only identity a control server may have here, `spiffe://<trust domain>/outrider/control`. */
  readonly serverId: SpiffeId
  readonly clock: Clock
}

/** For each unary call, in milliseconds. */
const CALL_DEADLINE_MS = 10_000
/** Larger than what the server reads: one update may carry all that a workload needs. */
const MAX_UPDATE_BYTES = 64 * 1024 * 1024

const CHANNEL_OPTIONS = channelOptions(MAX_UPDATE_BYTES)

/**
 * A client of the control server over TLS 1.3. It believes the server only when verify.ts accepts its chain against the
 * bundle of its own trust domain and its SPIFFE ID is `serverId`. A change of SVID or bundles makes a new channel; calls
 * that are open stay on theirs.
 */
export function connectControl(options: ControlClientOptions): ControlClient {
  const { address, bundles, svid, serverId, clock } = options
  const target = formatAddress(address)
  const { IdentityService } = protocols().identity
  const { PolicyService } = protocols().policy
  let channel: grpc.Channel | undefined
  let closed = false
  const current = (): grpc.ClientOptions => {
    if (closed) throw new OutriderError('client-closed', `the client of ${target} is closed`, { source: 'internal' })
    channel ??= new grpc.Channel(target, secured(bundles.current, svid.current, serverId, clock), {
      ...CHANNEL_OPTIONS,
      // What is verified is the SPIFFE ID; without a name Node would warn that SNI must not hold an address.
      'grpc.ssl_target_name_override': 'control.outrider',
    })
    return { channelOverride: channel }
  }
  const identity = (): IdentityServiceClient => new IdentityService(target, UNUSED, current())
  const drop = (): void => {
    channel?.close()
    channel = undefined
  }
  const unsubscribe = [bundles.subscribe(drop), svid.subscribe(drop)]
  return {
    attest: (request) => unary(target, (...rest) => identity().attest(request, ...rest)),
    renew: (request) => unary(target, (...rest) => identity().renew(request, ...rest)),
    issueJwtSvid: (request) => unary(target, (...rest) => identity().issueJwtSvid(request, ...rest)),
    watchTrustBundles: () => reading(identity().watchTrustBundles({}), target),
    subscribe: () => duplex(new PolicyService(target, UNUSED, current()).subscribe(), target),
    close: () => {
      closed = true
      for (const stop of unsubscribe) stop()
      drop()
    },
  }
}

/** What the command line asks for, on the Unix socket of the control server. */
export interface AdminClient extends Promised<AdminMethods> {
  watch(request: WatchRequest): ClientStream<ResourceEvent__Output>
  applyCanary(): ClientDuplex<CanaryRequest, CanaryEvent__Output>
  close(): void
}

interface AdminMethods {
  apply(request: ApplyRequest): ApplyResponse__Output
  get(request: GetRequest): StoredResource__Output
  list(request: ListRequest): ListResponse__Output
  delete(request: DeleteRequest): DeleteResponse__Output
  createToken(request: CreateTokenRequest): CreatedToken__Output
  listTokens(request: ListTokensRequest): ListTokensResponse__Output
  revokeToken(request: RevokeTokenRequest): RevokeTokenResponse__Output
  createApiKey(request: CreateApiKeyRequest): CreatedApiKey__Output
  rotateApiKey(request: RotateApiKeyRequest): CreatedApiKey__Output
  revokeApiKey(request: RevokeApiKeyRequest): RevokeApiKeyResponse__Output
  listApiKeys(request: ListApiKeysRequest): ListApiKeysResponse__Output
  listSidecars(request: ListSidecarsRequest): ListSidecarsResponse__Output
  getStatus(request: GetStatusRequest): ControlStatus__Output
  getBundle(request: GetBundleRequest): BundleDocument__Output
  getAuthorities(request: GetAuthoritiesRequest): AuthorityList__Output
  prepareAuthority(request: PrepareAuthorityRequest): AuthorityList__Output
  activateAuthority(request: AuthorityStepRequest): AuthorityList__Output
  taintAuthority(request: AuthorityStepRequest): AuthorityList__Output
  revokeAuthority(request: AuthorityStepRequest): AuthorityList__Output
}

type Promised<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends (request: infer In) => infer Out
    ? (request: In) => Promise<Out>
    : never
}

/** A client of the admin service. Nothing is opened before the first call. */
export function connectAdmin(socketPath: string): AdminClient {
  const target = `unix:${resolve(socketPath)}`
  const client = new (protocols().admin.AdminService)(target, UNUSED, CHANNEL_OPTIONS)
  return {
    apply: (request) => unary(socketPath, (...rest) => client.apply(request, ...rest)),
    get: (request) => unary(socketPath, (...rest) => client.get(request, ...rest)),
    list: (request) => unary(socketPath, (...rest) => client.list(request, ...rest)),
    delete: (request) => unary(socketPath, (...rest) => client.delete(request, ...rest)),
    createToken: (request) => unary(socketPath, (...rest) => client.createToken(request, ...rest)),
    listTokens: (request) => unary(socketPath, (...rest) => client.listTokens(request, ...rest)),
    revokeToken: (request) => unary(socketPath, (...rest) => client.revokeToken(request, ...rest)),
    createApiKey: (request) => unary(socketPath, (...rest) => client.createApiKey(request, ...rest)),
    rotateApiKey: (request) => unary(socketPath, (...rest) => client.rotateApiKey(request, ...rest)),
    revokeApiKey: (request) => unary(socketPath, (...rest) => client.revokeApiKey(request, ...rest)),
    listApiKeys: (request) => unary(socketPath, (...rest) => client.listApiKeys(request, ...rest)),
    listSidecars: (request) => unary(socketPath, (...rest) => client.listSidecars(request, ...rest)),
    getStatus: (request) => unary(socketPath, (...rest) => client.getStatus(request, ...rest)),
    getBundle: (request) => unary(socketPath, (...rest) => client.getBundle(request, ...rest)),
    getAuthorities: (request) => unary(socketPath, (...rest) => client.getAuthorities(request, ...rest)),
    prepareAuthority: (request) => unary(socketPath, (...rest) => client.prepareAuthority(request, ...rest)),
    activateAuthority: (request) => unary(socketPath, (...rest) => client.activateAuthority(request, ...rest)),
    taintAuthority: (request) => unary(socketPath, (...rest) => client.taintAuthority(request, ...rest)),
    revokeAuthority: (request) => unary(socketPath, (...rest) => client.revokeAuthority(request, ...rest)),
    watch: (request) => reading(client.watch(request), socketPath),
    applyCanary: () => duplex(client.applyCanary(), socketPath),
    close: () => client.close(),
  }
}

/** On a Unix socket, and beside `channelOverride`, which brings its own. */
const UNUSED = grpc.credentials.createInsecure()

function secured(
  bundles: TrustBundleSet,
  svid: Svid | undefined,
  serverId: SpiffeId,
  clock: Clock,
): grpc.ChannelCredentials {
  const context = createSecureContext({
    minVersion: 'TLSv1.3',
    ca: rootsPem(bundles),
    ...(svid === undefined ? {} : { cert: svid.chainPem, key: privateKeyPem(svid.privateKey) }),
  })
  return grpc.ChannelCredentials.createFromSecureContext(context, {
    checkServerIdentity: (_host, certificate) => {
      const peer = verifyPeer(linkedCertificates(withIssuers(certificate)), bundles, clock.now())
      return serverRefusal(peer, serverId)
    },
  })
}

/** A client of a SPIFFE Workload API. Failed calls end with the error that rpc/errors.ts makes. */
export interface WorkloadClient {
  fetchX509Svid(): ClientStream<X509SVIDResponse__Output>
  fetchJwtBundles(): ClientStream<JWTBundlesResponse__Output>
  fetchJwtSvid(request: JWTSVIDRequest): Promise<JWTSVIDResponse__Output>
  close(): void
}

/**
 * A client of the Workload API behind `target`, a gRPC name such as `unix:/run/agent.sock` or `127.0.0.1:8000`. Nothing is opened
 * before the first call.
 */
export function connectWorkloadApi(target: string): WorkloadClient {
  const client = new (protocols().workload.SpiffeWorkloadAPI)(target, UNUSED, CHANNEL_OPTIONS)
  return {
    fetchX509Svid: () => reading(client.FetchX509SVID({}, workloadHeader()), target),
    fetchJwtBundles: () => reading(client.FetchJWTBundles({}, workloadHeader()), target),
    fetchJwtSvid: (request) => unary(target, (...rest) => client.FetchJWTSVID(request, ...rest), workloadHeader()),
    close: () => client.close(),
  }
}

function workloadHeader(): grpc.Metadata {
  const metadata = new grpc.Metadata()
  metadata.set(WORKLOAD_HEADER, 'true')
  return metadata
}

function unary<Out>(
  target: string,
  start: (metadata: grpc.Metadata, options: grpc.CallOptions, done: grpc.requestCallback<Out>) => unknown,
  metadata: grpc.Metadata = new grpc.Metadata(),
): Promise<Out> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: unknown): void => reject(fromServiceError(thrown, target))
    try {
      // The deadline is a date by the interface of grpc-js: wall-clock time of this machine, not of our clock.
      start(metadata, { deadline: new Date(Date.now() + CALL_DEADLINE_MS) }, (error, response) => {
        if (error !== null) fail(error)
        else if (response === undefined) fail(new Error('the answer is empty'))
        else resolve(response)
      })
    } catch (thrown) {
      fail(thrown)
    }
  })
}

function reading<In>(call: grpc.ClientReadableStream<In>, target: string): ClientStream<In> {
  return {
    onMessage: (listener) => void call.on('data', listener),
    onEnd: (listener) => {
      let told = false
      const tell = (error?: OutriderError): void => {
        if (told) return
        told = true
        listener(error)
      }
      call.on('error', (error) => tell(fromServiceError(error, target)))
      call.on('status', (status: grpc.StatusObject) => {
        if (status.code === grpc.status.OK) tell()
      })
    },
    cancel: () => call.cancel(),
  }
}

function duplex<Out, In>(call: grpc.ClientDuplexStream<Out, In>, target: string): ClientDuplex<Out, In> {
  return {
    ...reading(call, target),
    send: (message) => void call.write(message),
    finish: () => call.end(),
  }
}
