// From envoy/config/core/v3/address.proto


export interface SocketAddress {
  'address'?: (string);
  'portValue'?: (number);
  'portSpecifier'?: "portValue";
}

export interface SocketAddress__Output {
  'address': (string);
  'portValue'?: (number);
  'portSpecifier'?: "portValue";
}
