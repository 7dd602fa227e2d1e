// From identity/v1/identity.proto

import type { X509Proof as _outrider_identity_v1_X509Proof, X509Proof__Output as _outrider_identity_v1_X509Proof__Output } from '../../../outrider/identity/v1/X509Proof.ts';
import type { UnixPeer as _outrider_identity_v1_UnixPeer, UnixPeer__Output as _outrider_identity_v1_UnixPeer__Output } from '../../../outrider/identity/v1/UnixPeer.ts';

export interface AttestRequest {
  'joinToken'?: (string);
  'kubernetesToken'?: (string);
  'x509Proof'?: (_outrider_identity_v1_X509Proof | null);
  'unixPeer'?: (_outrider_identity_v1_UnixPeer | null);
  'csr'?: (Buffer | Uint8Array | string);
  'evidence'?: "joinToken"|"kubernetesToken"|"x509Proof"|"unixPeer";
}

export interface AttestRequest__Output {
  'joinToken'?: (string);
  'kubernetesToken'?: (string);
  'x509Proof'?: (_outrider_identity_v1_X509Proof__Output | null);
  'unixPeer'?: (_outrider_identity_v1_UnixPeer__Output | null);
  'csr': (Buffer);
  'evidence'?: "joinToken"|"kubernetesToken"|"x509Proof"|"unixPeer";
}
