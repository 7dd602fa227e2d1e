import type { Secret } from '../wire/envoy/extensions/transport_sockets/tls/v3/Secret.ts'
import { protocols } from './load.ts'

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3'

/** The one type of resource that the secret discovery service has. */
export const SECRET_TYPE: string = `${TLS}.Secret`

/** A google.protobuf.Any, which grpc-js would take for JSON unless it has these names. */
export interface Packed {
  readonly type_url: string
  readonly value: Buffer
}

export function packSecret(secret: Secret): Packed {
  return { type_url: SECRET_TYPE, value: protocols().secrets.Secret.serialize(secret) }
}

/** Throws what protobufjs throws for bytes that are no secret. */
export function unpackSecret(
  value: Buffer,
): ReturnType<ReturnType<typeof protocols>['secrets']['Secret']['deserialize']> {
  return protocols().secrets.Secret.deserialize(value)
}

/** Roots by trust domain, as PEM. */
export function packTrustDomains(roots: ReadonlyMap<string, string>): Packed {
  const trustDomains = [...roots].map(([name, pem]) => ({ name, trustBundle: { inlineBytes: Buffer.from(pem) } }))
  return {
    type_url: `${TLS}.SPIFFECertValidatorConfig`,
    value: protocols().secrets.SPIFFECertValidatorConfig.serialize({ trustDomains }),
  }
}
