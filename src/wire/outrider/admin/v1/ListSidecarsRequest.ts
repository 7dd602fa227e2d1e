// From admin/v1/admin.proto


export interface ListSidecarsRequest {
}

export interface ListSidecarsRequest__Output {
}
