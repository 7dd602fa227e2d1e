// From identity/v1/identity.proto


export interface UnixPeer {
}

export interface UnixPeer__Output {
}
