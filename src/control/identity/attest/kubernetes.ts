import { OutriderError } from '../../../lib/errors.ts'
import { selectorText } from '../../../policy/match/selector.ts'
import { type Attestor, refusedEvidence } from './attestor.ts'

/** Of whom a service-account token is, by whoever has verified it. */
export interface ServiceAccount {
  readonly namespace: string
  readonly name: string
  /** The pod that the token was made for, and ends with. */
  readonly pod?: { readonly name: string; readonly uid: string }
  readonly nodeName?: string
}

/** Verifies a token: signature, issuer, audience and time. Throws `attestation-refused` or `attestation-unavailable`. */
export type TokenVerifier = (token: string, nowMs: number) => Promise<ServiceAccount>

/** Larger than any that Kubernetes makes. */
export const MAX_TOKEN_LENGTH: number = 16 * 1024

/**
 * Projected service-account tokens of Kubernetes. A token is a secret that its bearer may show again, so that it is only good
 * for the audience of this mesh: one that leaks from here opens nothing else, and one for the API server opens nothing here.
 * `maxUnderWay` verifications may wait together for whoever helps with them.
 */
export function kubernetesAttestor(verify: TokenVerifier, maxUnderWay: number): Attestor<'kubernetes'> {
  let underWay = 0
  return {
    async attest({ token }, { nowMs }) {
      if (token === '' || token.length > MAX_TOKEN_LENGTH)
        throw refusedToken(`is empty or longer than ${MAX_TOKEN_LENGTH} characters`)
      if (underWay >= maxUnderWay)
        throw unavailable(`${maxUnderWay} service-account tokens are being verified: the limit`)
      underWay += 1
      try {
        const { namespace, name, pod, nodeName } = await verify(token, nowMs)
        return {
          source: `k8s:${namespace}/${name}${pod === undefined ? '' : `/${pod.uid}`}`,
          selectors: new Set([
            selectorText('k8s:ns', namespace),
            selectorText('k8s:sa', name),
            ...(pod === undefined
              ? []
              : [selectorText('k8s:pod-name', pod.name), selectorText('k8s:pod-uid', pod.uid)]),
            ...(nodeName === undefined ? [] : [selectorText('k8s:node-name', nodeName)]),
          ]),
        }
      } finally {
        underWay -= 1
      }
    },
  }
}

const USER = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/

/** Namespace and name in `system:serviceaccount:NAMESPACE:NAME`, which is what Kubernetes calls a service account as a user. */
export function serviceAccountOf(user: unknown): { readonly namespace: string; readonly name: string } {
  const [, namespace, name] = (typeof user === 'string' && USER.exec(user)) || []
  if (namespace === undefined || name === undefined) throw refusedToken('is not that of a service account')
  return { namespace, name }
}

export function refusedToken(why: string): OutriderError<'attestation-refused'> {
  return refusedEvidence('service-account token', why)
}

export function unavailable(message: string, cause?: unknown): OutriderError<'attestation-unavailable'> {
  return new OutriderError('attestation-unavailable', message, { source: 'dependency', retryable: true, cause })
}
