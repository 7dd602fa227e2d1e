import type { ControlConfig } from '../../../config/control.ts'
import { type Certificate, fromPem, parseCertificate } from '../../../identity/x509.ts'
import { formatAddress } from '../../../lib/address.ts'
import type { Clock } from '../../../lib/clock.ts'
import { describeError, OutriderError } from '../../../lib/errors.ts'
import { readSmallFile } from '../../../lib/small-file.ts'
import type { Store } from '../../store/store.ts'
import type { Attestors } from './attestor.ts'
import { joinTokenAttestor } from './join-token.ts'
import { kubernetesAttestor, type TokenVerifier } from './kubernetes.ts'
import { KeySource, offlineReview } from './kubernetes-jwks.ts'
import { tokenReview } from './kubernetes-review.ts'
import { unixAttestor } from './unix.ts'
import { x509Attestor } from './x509.ts'

/** Each waits with a connection of its own to the API server. */
const MAX_REVIEWS = 256
/** All wait for the same keys. */
const MAX_OFFLINE_REVIEWS = 4096
const MAX_FILE_BYTES = 1024 * 1024

/** The attestors that the options switch on; join tokens always, because an operator makes each. Errors: `attestor-files`. */
export function openAttestors(config: ControlConfig, store: Store, clock: Clock): Attestors {
  const { kubernetes, x509Roots, attestSocket } = config
  return {
    'join-token': joinTokenAttestor(store),
    ...(kubernetes === 'off'
      ? {}
      : {
          kubernetes: kubernetesAttestor(
            tokenVerifier(config, clock),
            kubernetes === 'jwks' ? MAX_OFFLINE_REVIEWS : MAX_REVIEWS,
          ),
        }),
    ...(x509Roots === undefined ? {} : { x509: x509Attestor(readRoots(x509Roots)) }),
    ...(attestSocket === undefined ? {} : { unix: unixAttestor() }),
  }
}

function tokenVerifier(config: ControlConfig, clock: Clock): TokenVerifier {
  const { kubernetesAudience: audience, kubernetesIssuer: issuer, kubernetesJwks: place } = config
  const { kubernetesCaFile: caFile, kubernetesTokenFile: tokenFile } = config
  const api = formatAddress(config.kubernetesApi)
  if (config.kubernetes === 'token-review') return tokenReview({ api, audience, caFile, tokenFile, clock })
  // loadControlConfig has seen to both.
  if (issuer === undefined || place === undefined) throw new TypeError('no issuer or keys')
  // Our own token is for the API server: no other place is shown it.
  const atApi = place.startsWith(`https://${api}/`)
  const keys = new KeySource({ place, clock, ...(atApi ? { caFile, tokenFile } : {}) })
  return offlineReview({ issuer, audience, keys })
}

function readRoots(path: string): readonly Certificate[] {
  try {
    const roots = fromPem(readSmallFile(path, MAX_FILE_BYTES).text).map((der) => parseCertificate(der))
    if (roots.length === 0) throw new Error('there is no certificate in it')
    if (roots.some(({ basicConstraints }) => basicConstraints?.ca !== true)) throw new Error('one is no CA certificate')
    return roots
  } catch (cause) {
    throw new OutriderError('attestor-files', `the roots in ${path} cannot be used: ${describeError(cause)}`, {
      place: 'x509Roots',
      cause,
    })
  }
}
