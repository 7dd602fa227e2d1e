import { isJsonObject, type JsonObject } from '../../../identity/json.ts'
import type { Clock } from '../../../lib/clock.ts'
import { objectAt, textAt } from './json-value.ts'
import { refusedToken, type ServiceAccount, serviceAccountOf, type TokenVerifier, unavailable } from './kubernetes.ts'
import { askApi } from './kubernetes-api.ts'

export interface ReviewOptions {
  /** `host:port` of the API server. */
  readonly api: string
  readonly audience: string
  readonly caFile: string
  readonly tokenFile: string
  readonly clock: Clock
}

/**
 * Verifies tokens by TokenReview (authentication.k8s.io/v1), at the API server that made them: it also knows whether the pod
 * is still there. Our own service account needs the role `system:auth-delegator`.
 */
export function tokenReview({ api, audience, caFile, tokenFile, clock }: ReviewOptions): TokenVerifier {
  const url = new URL(`https://${api}/apis/authentication.k8s.io/v1/tokenreviews`)
  return async (token) => {
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [audience] },
    }
    return accountOf(await askApi({ url, body, caFile, tokenFile }, clock), audience)
  }
}

function accountOf(answer: unknown, audience: string): ServiceAccount {
  const status: unknown = isJsonObject(answer) ? answer['status'] : undefined
  if (!isJsonObject(status)) throw unavailable('the API server answered without a status')
  if (status['authenticated'] !== true) throw refusedToken(`is refused by the API server: ${reasonOf(status)}`)
  // A server that knows nothing of audiences leaves them out, and has then not looked at them.
  const { audiences } = status
  if (!Array.isArray(audiences) || !audiences.includes(audience))
    throw refusedToken(`is not for the audience ${audience}`)
  const user = objectAt(status, 'user')
  const extra = objectAt(user, 'extra')
  const podName = only(extra, 'authentication.kubernetes.io/pod-name')
  const podUid = only(extra, 'authentication.kubernetes.io/pod-uid')
  const nodeName = only(extra, 'authentication.kubernetes.io/node-name')
  return {
    ...serviceAccountOf(user['username']),
    ...(podName === undefined || podUid === undefined ? {} : { pod: { name: podName, uid: podUid } }),
    ...(nodeName === undefined ? {} : { nodeName }),
  }
}

function reasonOf(status: JsonObject): string {
  return JSON.stringify(textAt(status, 'error')?.slice(0, 200) ?? 'not authenticated')
}

/** Values of `extra` are lists. */
function only(extra: JsonObject, key: string): string | undefined {
  const values = extra[key]
  return Array.isArray(values) && values.length === 1 ? textAt({ value: values[0] }, 'value') : undefined
}
