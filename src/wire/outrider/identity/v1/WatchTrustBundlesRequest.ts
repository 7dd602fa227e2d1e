// From identity/v1/identity.proto


export interface WatchTrustBundlesRequest {
}

export interface WatchTrustBundlesRequest__Output {
}
