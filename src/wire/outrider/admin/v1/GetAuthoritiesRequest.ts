// From admin/v1/admin.proto


export interface GetAuthoritiesRequest {
}

export interface GetAuthoritiesRequest__Output {
}
