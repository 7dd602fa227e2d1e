// From policy/v1/policy.proto

import type { ValueMatch as _outrider_policy_v1_ValueMatch, ValueMatch__Output as _outrider_policy_v1_ValueMatch__Output } from '../../../outrider/policy/v1/ValueMatch.ts';

export interface SourceMatch {
  'spiffeIds'?: (string)[];
  'namespaces'?: (string)[];
  'trustDomains'?: (string)[];
  'notSpiffeIds'?: (string)[];
  'notNamespaces'?: (string)[];
  'notTrustDomains'?: (string)[];
  'serviceAccounts'?: (string)[];
  'notServiceAccounts'?: (string)[];
  'ipBlocks'?: (string)[];
  'notIpBlocks'?: (string)[];
  'requestPrincipals'?: (string)[];
  'notRequestPrincipals'?: (string)[];
  'claims'?: (_outrider_policy_v1_ValueMatch)[];
  'apiKeyOwners'?: (string)[];
  'notApiKeyOwners'?: (string)[];
  'apiKeyScopes'?: (string)[];
}

export interface SourceMatch__Output {
  'spiffeIds': (string)[];
  'namespaces': (string)[];
  'trustDomains': (string)[];
  'notSpiffeIds': (string)[];
  'notNamespaces': (string)[];
  'notTrustDomains': (string)[];
  'serviceAccounts': (string)[];
  'notServiceAccounts': (string)[];
  'ipBlocks': (string)[];
  'notIpBlocks': (string)[];
  'requestPrincipals': (string)[];
  'notRequestPrincipals': (string)[];
  'claims': (_outrider_policy_v1_ValueMatch__Output)[];
  'apiKeyOwners': (string)[];
  'notApiKeyOwners': (string)[];
  'apiKeyScopes': (string)[];
}
