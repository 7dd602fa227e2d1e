// From envoy/extensions/transport_sockets/tls/v3/tls.proto

import type { DataSource as _envoy_config_core_v3_DataSource, DataSource__Output as _envoy_config_core_v3_DataSource__Output } from '../../../../../envoy/config/core/v3/DataSource.ts';

export interface _envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain {
  'name'?: (string);
  'trustBundle'?: (_envoy_config_core_v3_DataSource | null);
}

export interface _envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain__Output {
  'name': (string);
  'trustBundle': (_envoy_config_core_v3_DataSource__Output | null);
}

export interface SPIFFECertValidatorConfig {
  'trustDomains'?: (_envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain)[];
}

export interface SPIFFECertValidatorConfig__Output {
  'trustDomains': (_envoy_extensions_transport_sockets_tls_v3_SPIFFECertValidatorConfig_TrustDomain__Output)[];
}
