// From admin/v1/admin.proto


export interface CanaryAbort {
}

export interface CanaryAbort__Output {
}
