// From identity/v1/identity.proto


export interface IssueJwtSvidRequest {
  'audience'?: (string)[];
}

export interface IssueJwtSvidRequest__Output {
  'audience': (string)[];
}
