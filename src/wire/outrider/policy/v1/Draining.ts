// From policy/v1/policy.proto


export interface Draining {
}

export interface Draining__Output {
}
