import { type KeyObject, sign } from 'node:crypto'
import { type PublicKey, type SignatureAlgorithm, verifySignature } from './key.ts'

/** Separates these signatures from all others that the key makes. */
const LABEL = Buffer.from('outrider x509 attestation v1\0')

/** How a key of this kind signs a proof; `der` names nothing here. */
const algorithms: Readonly<Record<PublicKey['kind'], SignatureAlgorithm>> = {
  p256: { name: 'ecdsa-sha256', der: '', hash: 'sha256', family: 'ec' },
  p384: { name: 'ecdsa-sha384', der: '', hash: 'sha384', family: 'ec' },
  rsa: { name: 'rsa-pkcs1-sha256', der: '', hash: 'sha256', family: 'rsa' },
}

/** Shows that who asks for a certificate with this CSR also has `privateKey`: P-256, P-384 or RSA. */
export function signProof(privateKey: KeyObject, csr: Uint8Array): Buffer {
  const curve = privateKey.asymmetricKeyDetails?.namedCurve
  return sign(curve === 'secp384r1' ? 'sha384' : 'sha256', Buffer.concat([LABEL, csr]), privateKey)
}

export function verifyProof(key: PublicKey, csr: Uint8Array, signature: Uint8Array): boolean {
  return verifySignature(algorithms[key.kind], key, Buffer.concat([LABEL, csr]), signature)
}
