import { namespaceOf, serviceAccountOf, type SpiffeId, type TrustDomain, trustDomainOf } from '../identity/spiffe-id.ts'
import { type DecisionRequest, noUser, type UserIdentity } from './decision.ts'
import { isGrpc } from './match/grpc.ts'
import { headerValues } from './match/header.ts'
import { type IpAddress, parseIp } from './match/ip.ts'

/** A request as conditions ask about it. What has to be taken apart is, once, when the first condition asks for it. */
export class Query {
  readonly request: DecisionRequest
  /** Absent: the caller is anonymous. */
  readonly id: SpiffeId | undefined
  /** A TCP connection: every condition on layer 7 is unknown. */
  readonly isConnection: boolean
  // `null`: not asked for yet.
  #namespace: string | undefined | null = null
  #serviceAccount: string | undefined | null = null
  #trustDomain: TrustDomain | undefined | null = null
  #ip: IpAddress | undefined | null = null
  #grpc: boolean | null = null

  constructor(request: DecisionRequest) {
    const { principal } = request
    this.request = request
    this.id = principal.kind === 'peer' ? principal.id : undefined
    this.isConnection = request.method === undefined || request.path === undefined
  }

  get method(): string | undefined {
    return this.request.method
  }

  get path(): string | undefined {
    return this.request.path
  }

  get port(): number {
    return this.request.port
  }

  get host(): string | undefined {
    return this.request.host
  }

  get sni(): string | undefined {
    return this.request.sni
  }

  /** Absent: nobody has said what they are. */
  get headers(): readonly string[] | undefined {
    return this.request.headers
  }

  get user(): UserIdentity {
    return this.request.user ?? noUser
  }

  get nowMs(): number | undefined {
    return this.request.nowMs
  }

  /** The namespace in the caller's ID, whatever trust domain it is of. */
  get namespace(): string | undefined {
    if (this.#namespace === null) this.#namespace = this.id === undefined ? undefined : namespaceOf(this.id)
    return this.#namespace
  }

  /** `namespace/name`, whatever trust domain it is of. */
  get serviceAccount(): string | undefined {
    if (this.#serviceAccount === null)
      this.#serviceAccount = this.id === undefined ? undefined : serviceAccountOf(this.id)
    return this.#serviceAccount
  }

  get trustDomain(): TrustDomain | undefined {
    if (this.#trustDomain === null) this.#trustDomain = this.id === undefined ? undefined : trustDomainOf(this.id)
    return this.#trustDomain
  }

  get ip(): IpAddress | undefined {
    if (this.#ip === null) this.#ip = this.request.address === undefined ? undefined : parseIp(this.request.address)
    return this.#ip
  }

  /** By its method and its one `content-type`; the path is not looked at. */
  get isGrpc(): boolean {
    if (this.#grpc === null) {
      const types = headerValues(this.headers ?? [], 'content-type')
      this.#grpc = types.length === 1 && this.method !== undefined && isGrpc(this.method, types[0])
    }
    return this.#grpc
  }
}
