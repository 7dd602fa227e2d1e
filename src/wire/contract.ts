// From proto/
export const contract: object = {
  "nested": {
    "outrider": {
      "nested": {
        "admin": {
          "nested": {
            "v1": {
              "nested": {
                "AdminService": {
                  "methods": {
                    "Apply": {
                      "requestType": "ApplyRequest",
                      "responseType": "ApplyResponse"
                    },
                    "ApplyCanary": {
                      "requestType": "CanaryRequest",
                      "requestStream": true,
                      "responseType": "CanaryEvent",
                      "responseStream": true
                    },
                    "Get": {
                      "requestType": "GetRequest",
                      "responseType": "StoredResource"
                    },
                    "List": {
                      "requestType": "ListRequest",
                      "responseType": "ListResponse"
                    },
                    "Delete": {
                      "requestType": "DeleteRequest",
                      "responseType": "DeleteResponse"
                    },
                    "Watch": {
                      "requestType": "WatchRequest",
                      "responseType": "ResourceEvent",
                      "responseStream": true
                    },
                    "CreateToken": {
                      "requestType": "CreateTokenRequest",
                      "responseType": "CreatedToken"
                    },
                    "ListTokens": {
                      "requestType": "ListTokensRequest",
                      "responseType": "ListTokensResponse"
                    },
                    "RevokeToken": {
                      "requestType": "RevokeTokenRequest",
                      "responseType": "RevokeTokenResponse"
                    },
                    "CreateApiKey": {
                      "requestType": "CreateApiKeyRequest",
                      "responseType": "CreatedApiKey"
                    },
                    "RotateApiKey": {
                      "requestType": "RotateApiKeyRequest",
                      "responseType": "CreatedApiKey"
                    },
                    "RevokeApiKey": {
                      "requestType": "RevokeApiKeyRequest",
                      "responseType": "RevokeApiKeyResponse"
                    },
                    "ListApiKeys": {
                      "requestType": "ListApiKeysRequest",
                      "responseType": "ListApiKeysResponse"
                    },
                    "ListSidecars": {
                      "requestType": "ListSidecarsRequest",
                      "responseType": "ListSidecarsResponse"
                    },
                    "GetStatus": {
                      "requestType": "GetStatusRequest",
                      "responseType": "ControlStatus"
                    },
                    "GetBundle": {
                      "requestType": "GetBundleRequest",
                      "responseType": "BundleDocument"
                    },
                    "GetAuthorities": {
                      "requestType": "GetAuthoritiesRequest",
                      "responseType": "AuthorityList"
                    },
                    "PrepareAuthority": {
                      "requestType": "PrepareAuthorityRequest",
                      "responseType": "AuthorityList"
                    },
                    "ActivateAuthority": {
                      "requestType": "AuthorityStepRequest",
                      "responseType": "AuthorityList"
                    },
                    "TaintAuthority": {
                      "requestType": "AuthorityStepRequest",
                      "responseType": "AuthorityList"
                    },
                    "RevokeAuthority": {
                      "requestType": "AuthorityStepRequest",
                      "responseType": "AuthorityList"
                    }
                  }
                },
                "ResourceRef": {
                  "fields": {
                    "kind": {
                      "type": "string",
                      "id": 1
                    },
                    "namespace": {
                      "type": "string",
                      "id": 2
                    },
                    "name": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "ApplyRequest": {
                  "fields": {
                    "documents": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "dryRun": {
                      "type": "bool",
                      "id": 2
                    }
                  }
                },
                "CanaryRequest": {
                  "oneofs": {
                    "message": {
                      "oneof": [
                        "start",
                        "abort"
                      ]
                    }
                  },
                  "fields": {
                    "start": {
                      "type": "CanaryStart",
                      "id": 1
                    },
                    "abort": {
                      "type": "CanaryAbort",
                      "id": 2
                    }
                  }
                },
                "CanaryStart": {
                  "oneofs": {
                    "_maxDenials": {
                      "oneof": [
                        "maxDenials"
                      ]
                    }
                  },
                  "fields": {
                    "documents": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "percent": {
                      "type": "uint32",
                      "id": 2
                    },
                    "watch": {
                      "type": "google.protobuf.Duration",
                      "id": 3
                    },
                    "maxDenials": {
                      "type": "uint64",
                      "id": 4,
                      "options": {
                        "proto3_optional": true
                      }
                    },
                    "allowQuiet": {
                      "type": "bool",
                      "id": 5
                    }
                  }
                },
                "CanaryAbort": {
                  "fields": {}
                },
                "CanaryEvent": {
                  "fields": {
                    "step": {
                      "type": "Step",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    },
                    "canaries": {
                      "rule": "repeated",
                      "type": "CanarySidecar",
                      "id": 3
                    },
                    "withoutCanary": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "health": {
                      "rule": "repeated",
                      "type": "CanaryHealth",
                      "id": 5
                    },
                    "reasons": {
                      "rule": "repeated",
                      "type": "CanaryReason",
                      "id": 6
                    },
                    "outcomes": {
                      "rule": "repeated",
                      "type": "ApplyOutcome",
                      "id": 7
                    },
                    "unsettled": {
                      "type": "uint32",
                      "id": 8
                    }
                  },
                  "nested": {
                    "Step": {
                      "values": {
                        "STEP_UNSPECIFIED": 0,
                        "STEP_STARTED": 1,
                        "STEP_PUSHED": 2,
                        "STEP_WATCHING": 3,
                        "STEP_HEALTH": 4,
                        "STEP_PROMOTED": 5,
                        "STEP_ROLLING_BACK": 6,
                        "STEP_ROLLED_BACK": 7
                      }
                    }
                  }
                },
                "CanarySidecar": {
                  "fields": {
                    "spiffeId": {
                      "type": "string",
                      "id": 1
                    },
                    "sidecarId": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "CanaryHealth": {
                  "fields": {
                    "spiffeId": {
                      "type": "string",
                      "id": 1
                    },
                    "canaries": {
                      "type": "TrafficHealth",
                      "id": 2
                    },
                    "before": {
                      "type": "TrafficHealth",
                      "id": 3
                    },
                    "rest": {
                      "type": "TrafficHealth",
                      "id": 4
                    }
                  }
                },
                "TrafficHealth": {
                  "fields": {
                    "requests": {
                      "type": "uint64",
                      "id": 1
                    },
                    "denied": {
                      "type": "uint64",
                      "id": 2
                    },
                    "appErrors": {
                      "type": "uint64",
                      "id": 3
                    },
                    "ownErrors": {
                      "type": "uint64",
                      "id": 4
                    }
                  }
                },
                "CanaryReason": {
                  "fields": {
                    "code": {
                      "type": "string",
                      "id": 1
                    },
                    "message": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "ApplyResponse": {
                  "fields": {
                    "revision": {
                      "type": "uint64",
                      "id": 1
                    },
                    "outcomes": {
                      "rule": "repeated",
                      "type": "ApplyOutcome",
                      "id": 2
                    }
                  }
                },
                "ApplyOutcome": {
                  "fields": {
                    "ref": {
                      "type": "ResourceRef",
                      "id": 1
                    },
                    "change": {
                      "type": "Change",
                      "id": 2
                    }
                  },
                  "nested": {
                    "Change": {
                      "values": {
                        "CHANGE_UNSPECIFIED": 0,
                        "CHANGE_CREATED": 1,
                        "CHANGE_CONFIGURED": 2,
                        "CHANGE_UNCHANGED": 3
                      }
                    }
                  }
                },
                "ApplyRefusal": {
                  "fields": {
                    "violations": {
                      "rule": "repeated",
                      "type": "DocumentViolation",
                      "id": 1
                    }
                  }
                },
                "DocumentViolation": {
                  "fields": {
                    "document": {
                      "type": "uint32",
                      "id": 1
                    },
                    "field": {
                      "type": "string",
                      "id": 2
                    },
                    "code": {
                      "type": "string",
                      "id": 3
                    },
                    "message": {
                      "type": "string",
                      "id": 4
                    }
                  }
                },
                "StoredResource": {
                  "fields": {
                    "ref": {
                      "type": "ResourceRef",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    },
                    "changedAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 3
                    },
                    "document": {
                      "type": "string",
                      "id": 4
                    }
                  }
                },
                "GetRequest": {
                  "fields": {
                    "ref": {
                      "type": "ResourceRef",
                      "id": 1
                    }
                  }
                },
                "ListRequest": {
                  "fields": {
                    "kind": {
                      "type": "string",
                      "id": 1
                    },
                    "namespace": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "ListResponse": {
                  "fields": {
                    "revision": {
                      "type": "uint64",
                      "id": 1
                    },
                    "resources": {
                      "rule": "repeated",
                      "type": "StoredResource",
                      "id": 2
                    }
                  }
                },
                "DeleteRequest": {
                  "fields": {
                    "ref": {
                      "type": "ResourceRef",
                      "id": 1
                    }
                  }
                },
                "DeleteResponse": {
                  "fields": {
                    "revision": {
                      "type": "uint64",
                      "id": 1
                    }
                  }
                },
                "WatchRequest": {
                  "fields": {
                    "kind": {
                      "type": "string",
                      "id": 1
                    },
                    "namespace": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "ResourceEvent": {
                  "fields": {
                    "type": {
                      "type": "Type",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    },
                    "resource": {
                      "type": "StoredResource",
                      "id": 3
                    }
                  },
                  "nested": {
                    "Type": {
                      "values": {
                        "TYPE_UNSPECIFIED": 0,
                        "TYPE_PRESENT": 1,
                        "TYPE_BOOKMARK": 2,
                        "TYPE_CHANGED": 3,
                        "TYPE_DELETED": 4
                      }
                    }
                  }
                },
                "CreateTokenRequest": {
                  "fields": {
                    "namespace": {
                      "type": "string",
                      "id": 1
                    },
                    "workload": {
                      "type": "string",
                      "id": 2
                    },
                    "ttl": {
                      "type": "google.protobuf.Duration",
                      "id": 3
                    }
                  }
                },
                "CreatedToken": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "token": {
                      "type": "string",
                      "id": 2
                    },
                    "spiffeId": {
                      "type": "string",
                      "id": 3
                    },
                    "expiresAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    }
                  }
                },
                "ListTokensRequest": {
                  "fields": {}
                },
                "ListTokensResponse": {
                  "fields": {
                    "tokens": {
                      "rule": "repeated",
                      "type": "Token",
                      "id": 1
                    }
                  }
                },
                "Token": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "spiffeId": {
                      "type": "string",
                      "id": 2
                    },
                    "state": {
                      "type": "State",
                      "id": 3
                    },
                    "expiresAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    }
                  },
                  "nested": {
                    "State": {
                      "values": {
                        "STATE_UNSPECIFIED": 0,
                        "STATE_UNUSED": 1,
                        "STATE_USED": 2,
                        "STATE_EXPIRED": 3,
                        "STATE_REVOKED": 4
                      }
                    }
                  }
                },
                "RevokeTokenRequest": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "RevokeTokenResponse": {
                  "fields": {}
                },
                "CreateApiKeyRequest": {
                  "fields": {
                    "namespace": {
                      "type": "string",
                      "id": 1
                    },
                    "name": {
                      "type": "string",
                      "id": 2
                    },
                    "owner": {
                      "type": "string",
                      "id": 3
                    },
                    "scopes": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 5
                    },
                    "lifetime": {
                      "type": "google.protobuf.Duration",
                      "id": 6
                    }
                  }
                },
                "RotateApiKeyRequest": {
                  "fields": {
                    "namespace": {
                      "type": "string",
                      "id": 1
                    },
                    "name": {
                      "type": "string",
                      "id": 2
                    },
                    "overlap": {
                      "type": "google.protobuf.Duration",
                      "id": 3
                    },
                    "lifetime": {
                      "type": "google.protobuf.Duration",
                      "id": 4
                    }
                  }
                },
                "CreatedApiKey": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "key": {
                      "type": "string",
                      "id": 2
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 3
                    },
                    "notAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    },
                    "previousNotAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 5
                    }
                  }
                },
                "RevokeApiKeyRequest": {
                  "fields": {
                    "namespace": {
                      "type": "string",
                      "id": 1
                    },
                    "name": {
                      "type": "string",
                      "id": 2
                    },
                    "id": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "RevokeApiKeyResponse": {
                  "fields": {
                    "ids": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    }
                  }
                },
                "ListApiKeysRequest": {
                  "fields": {
                    "namespace": {
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "ListApiKeysResponse": {
                  "fields": {
                    "keys": {
                      "rule": "repeated",
                      "type": "ListedApiKey",
                      "id": 1
                    }
                  }
                },
                "ListedApiKey": {
                  "fields": {
                    "namespace": {
                      "type": "string",
                      "id": 1
                    },
                    "name": {
                      "type": "string",
                      "id": 2
                    },
                    "owner": {
                      "type": "string",
                      "id": 3
                    },
                    "scopes": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 5
                    },
                    "secrets": {
                      "rule": "repeated",
                      "type": "ListedSecret",
                      "id": 6
                    }
                  }
                },
                "ListedSecret": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "state": {
                      "type": "State",
                      "id": 2
                    },
                    "createdAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 3
                    },
                    "notAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    },
                    "lastUsed": {
                      "type": "google.protobuf.Timestamp",
                      "id": 5
                    }
                  },
                  "nested": {
                    "State": {
                      "values": {
                        "STATE_UNSPECIFIED": 0,
                        "STATE_GOOD": 1,
                        "STATE_EXPIRED": 2
                      }
                    }
                  }
                },
                "ListSidecarsRequest": {
                  "fields": {}
                },
                "ListSidecarsResponse": {
                  "fields": {
                    "sidecars": {
                      "rule": "repeated",
                      "type": "Sidecar",
                      "id": 1
                    }
                  }
                },
                "Sidecar": {
                  "fields": {
                    "sidecarId": {
                      "type": "string",
                      "id": 1
                    },
                    "spiffeId": {
                      "type": "string",
                      "id": 2
                    },
                    "state": {
                      "type": "State",
                      "id": 3
                    },
                    "appliedRevision": {
                      "type": "uint64",
                      "id": 4
                    },
                    "sentRevision": {
                      "type": "uint64",
                      "id": 5
                    },
                    "connectedAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 6
                    },
                    "lastSeen": {
                      "type": "google.protobuf.Timestamp",
                      "id": 7
                    },
                    "svidNotAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 8
                    },
                    "programVersion": {
                      "type": "string",
                      "id": 9
                    },
                    "listeners": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 10
                    },
                    "violations": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 11
                    },
                    "clockAheadMs": {
                      "type": "sint64",
                      "id": 12
                    },
                    "svidNotBefore": {
                      "type": "google.protobuf.Timestamp",
                      "id": 13
                    },
                    "pendingMs": {
                      "type": "uint64",
                      "id": 14
                    },
                    "canary": {
                      "type": "bool",
                      "id": 15
                    }
                  },
                  "nested": {
                    "State": {
                      "values": {
                        "STATE_UNSPECIFIED": 0,
                        "STATE_SYNCED": 1,
                        "STATE_PENDING": 2,
                        "STATE_NACKED": 3,
                        "STATE_DRAINING": 4,
                        "STATE_DISCONNECTED": 5,
                        "STATE_LAGGING": 6
                      }
                    }
                  }
                },
                "GetStatusRequest": {
                  "fields": {}
                },
                "ControlStatus": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    },
                    "programVersion": {
                      "type": "string",
                      "id": 3
                    },
                    "startedAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    },
                    "rootFingerprint": {
                      "type": "string",
                      "id": 5
                    },
                    "rootNotAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 6
                    },
                    "intermediateNotAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 7
                    },
                    "connectedSidecars": {
                      "type": "uint32",
                      "id": 8
                    },
                    "grpcAddress": {
                      "type": "string",
                      "id": 9
                    },
                    "bundleEndpoint": {
                      "type": "string",
                      "id": 10
                    },
                    "federation": {
                      "rule": "repeated",
                      "type": "FederatedDomain",
                      "id": 11
                    },
                    "kubernetes": {
                      "type": "ClusterState",
                      "id": 12
                    }
                  }
                },
                "ClusterState": {
                  "fields": {
                    "synced": {
                      "type": "bool",
                      "id": 1
                    },
                    "serverName": {
                      "type": "string",
                      "id": 2
                    },
                    "knownRevision": {
                      "type": "uint64",
                      "id": 3
                    },
                    "objects": {
                      "type": "uint32",
                      "id": 4
                    },
                    "failures": {
                      "rule": "repeated",
                      "type": "ClusterFailure",
                      "id": 5
                    },
                    "heldBack": {
                      "rule": "repeated",
                      "type": "HeldBack",
                      "id": 6
                    },
                    "heldBackTotal": {
                      "type": "uint32",
                      "id": 7
                    }
                  }
                },
                "ClusterFailure": {
                  "fields": {
                    "type": {
                      "type": "string",
                      "id": 1
                    },
                    "namespace": {
                      "type": "string",
                      "id": 2
                    },
                    "since": {
                      "type": "google.protobuf.Timestamp",
                      "id": 3
                    },
                    "code": {
                      "type": "string",
                      "id": 4
                    },
                    "message": {
                      "type": "string",
                      "id": 5
                    }
                  }
                },
                "HeldBack": {
                  "fields": {
                    "ref": {
                      "type": "ResourceRef",
                      "id": 1
                    },
                    "code": {
                      "type": "string",
                      "id": 2
                    },
                    "message": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "FederatedDomain": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    },
                    "url": {
                      "type": "string",
                      "id": 2
                    },
                    "profile": {
                      "type": "string",
                      "id": 3
                    },
                    "believed": {
                      "type": "bool",
                      "id": 4
                    },
                    "sequence": {
                      "type": "uint64",
                      "id": 5
                    },
                    "x509Authorities": {
                      "type": "uint32",
                      "id": 6
                    },
                    "jwtAuthorities": {
                      "type": "uint32",
                      "id": 7
                    },
                    "fetchedAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 8
                    },
                    "nextPollAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 9
                    },
                    "failureCode": {
                      "type": "string",
                      "id": 10
                    },
                    "failure": {
                      "type": "string",
                      "id": 11
                    }
                  }
                },
                "GetBundleRequest": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "BundleDocument": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    },
                    "document": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "GetAuthoritiesRequest": {
                  "fields": {}
                },
                "PrepareAuthorityRequest": {
                  "fields": {
                    "certificates": {
                      "type": "string",
                      "id": 1
                    },
                    "key": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "AuthorityStepRequest": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "force": {
                      "type": "bool",
                      "id": 2
                    }
                  }
                },
                "AuthorityList": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    },
                    "sequence": {
                      "type": "uint64",
                      "id": 2
                    },
                    "authorities": {
                      "rule": "repeated",
                      "type": "Authority",
                      "id": 3
                    },
                    "connectedSidecars": {
                      "type": "uint32",
                      "id": 4
                    },
                    "behind": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 5
                    },
                    "behindCount": {
                      "type": "uint32",
                      "id": 6
                    }
                  }
                },
                "Authority": {
                  "fields": {
                    "fingerprint": {
                      "type": "string",
                      "id": 1
                    },
                    "state": {
                      "type": "State",
                      "id": 2
                    },
                    "since": {
                      "type": "google.protobuf.Timestamp",
                      "id": 3
                    },
                    "notAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    },
                    "signersNotAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 5
                    },
                    "keyElsewhere": {
                      "type": "bool",
                      "id": 6
                    },
                    "sidecars": {
                      "type": "uint32",
                      "id": 7
                    },
                    "connections": {
                      "type": "uint32",
                      "id": 8
                    },
                    "dependents": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 9
                    },
                    "control": {
                      "type": "bool",
                      "id": 10
                    }
                  },
                  "nested": {
                    "State": {
                      "values": {
                        "STATE_UNSPECIFIED": 0,
                        "STATE_PREPARED": 1,
                        "STATE_ACTIVE": 2,
                        "STATE_RETIRED": 3,
                        "STATE_TAINTED": 4
                      }
                    }
                  }
                }
              }
            }
          }
        },
        "identity": {
          "nested": {
            "v1": {
              "nested": {
                "IdentityService": {
                  "methods": {
                    "Attest": {
                      "requestType": "AttestRequest",
                      "responseType": "IssuedSvid"
                    },
                    "Renew": {
                      "requestType": "RenewRequest",
                      "responseType": "IssuedSvid"
                    },
                    "IssueJwtSvid": {
                      "requestType": "IssueJwtSvidRequest",
                      "responseType": "IssuedJwtSvid"
                    },
                    "WatchTrustBundles": {
                      "requestType": "WatchTrustBundlesRequest",
                      "responseType": "TrustBundleSet",
                      "responseStream": true
                    }
                  }
                },
                "AttestRequest": {
                  "oneofs": {
                    "evidence": {
                      "oneof": [
                        "joinToken",
                        "kubernetesToken",
                        "x509Proof",
                        "unixPeer"
                      ]
                    }
                  },
                  "fields": {
                    "joinToken": {
                      "type": "string",
                      "id": 1
                    },
                    "kubernetesToken": {
                      "type": "string",
                      "id": 2
                    },
                    "x509Proof": {
                      "type": "X509Proof",
                      "id": 3
                    },
                    "unixPeer": {
                      "type": "UnixPeer",
                      "id": 4
                    },
                    "csr": {
                      "type": "bytes",
                      "id": 10
                    }
                  }
                },
                "X509Proof": {
                  "fields": {
                    "chain": {
                      "rule": "repeated",
                      "type": "bytes",
                      "id": 1
                    },
                    "signature": {
                      "type": "bytes",
                      "id": 2
                    }
                  }
                },
                "UnixPeer": {
                  "fields": {}
                },
                "RenewRequest": {
                  "fields": {
                    "csr": {
                      "type": "bytes",
                      "id": 1
                    }
                  }
                },
                "IssuedSvid": {
                  "fields": {
                    "spiffeId": {
                      "type": "string",
                      "id": 1
                    },
                    "chain": {
                      "rule": "repeated",
                      "type": "bytes",
                      "id": 2
                    },
                    "notBefore": {
                      "type": "google.protobuf.Timestamp",
                      "id": 3
                    },
                    "notAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    },
                    "bundles": {
                      "type": "TrustBundleSet",
                      "id": 5
                    },
                    "serverTime": {
                      "type": "google.protobuf.Timestamp",
                      "id": 6
                    }
                  }
                },
                "IssueJwtSvidRequest": {
                  "fields": {
                    "audience": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "IssuedJwtSvid": {
                  "fields": {
                    "spiffeId": {
                      "type": "string",
                      "id": 1
                    },
                    "token": {
                      "type": "string",
                      "id": 2
                    },
                    "expiresAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 3
                    }
                  }
                },
                "WatchTrustBundlesRequest": {
                  "fields": {}
                },
                "TrustBundleSet": {
                  "fields": {
                    "bundles": {
                      "rule": "repeated",
                      "type": "TrustBundle",
                      "id": 1
                    }
                  }
                },
                "TrustBundle": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    },
                    "x509Authorities": {
                      "rule": "repeated",
                      "type": "bytes",
                      "id": 2
                    },
                    "sequence": {
                      "type": "uint64",
                      "id": 3
                    },
                    "taintedAuthorities": {
                      "rule": "repeated",
                      "type": "bytes",
                      "id": 4
                    },
                    "jwtAuthorities": {
                      "rule": "repeated",
                      "type": "JwtAuthority",
                      "id": 5
                    }
                  }
                },
                "JwtAuthority": {
                  "fields": {
                    "keyId": {
                      "type": "string",
                      "id": 1
                    },
                    "publicKey": {
                      "type": "bytes",
                      "id": 2
                    }
                  }
                }
              }
            }
          }
        },
        "policy": {
          "nested": {
            "v1": {
              "nested": {
                "PolicyService": {
                  "methods": {
                    "Subscribe": {
                      "requestType": "SubscribeRequest",
                      "requestStream": true,
                      "responseType": "PolicyUpdate",
                      "responseStream": true
                    }
                  }
                },
                "SubscribeRequest": {
                  "oneofs": {
                    "message": {
                      "oneof": [
                        "hello",
                        "ack",
                        "nack",
                        "listening",
                        "draining",
                        "trustReport",
                        "healthReport",
                        "apiKeyUse"
                      ]
                    }
                  },
                  "fields": {
                    "hello": {
                      "type": "Hello",
                      "id": 1
                    },
                    "ack": {
                      "type": "Ack",
                      "id": 2
                    },
                    "nack": {
                      "type": "Nack",
                      "id": 3
                    },
                    "listening": {
                      "type": "Listening",
                      "id": 4
                    },
                    "draining": {
                      "type": "Draining",
                      "id": 5
                    },
                    "trustReport": {
                      "type": "TrustReport",
                      "id": 6
                    },
                    "healthReport": {
                      "type": "HealthReport",
                      "id": 7
                    },
                    "apiKeyUse": {
                      "type": "ApiKeyUse",
                      "id": 10
                    }
                  }
                },
                "ApiKeyUse": {
                  "fields": {
                    "secrets": {
                      "rule": "repeated",
                      "type": "UsedSecret",
                      "id": 1
                    }
                  }
                },
                "UsedSecret": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "lastUsed": {
                      "type": "google.protobuf.Timestamp",
                      "id": 2
                    }
                  }
                },
                "TrustReport": {
                  "fields": {
                    "bundles": {
                      "rule": "repeated",
                      "type": "BundleInForce",
                      "id": 1
                    },
                    "svidAuthority": {
                      "type": "bytes",
                      "id": 2
                    },
                    "uses": {
                      "rule": "repeated",
                      "type": "AuthorityUse",
                      "id": 3
                    },
                    "at": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    }
                  }
                },
                "HealthReport": {
                  "fields": {
                    "revision": {
                      "type": "uint64",
                      "id": 1
                    },
                    "requests": {
                      "type": "uint64",
                      "id": 2
                    },
                    "denied": {
                      "type": "uint64",
                      "id": 3
                    },
                    "appErrors": {
                      "type": "uint64",
                      "id": 4
                    },
                    "ownErrors": {
                      "type": "uint64",
                      "id": 5
                    }
                  }
                },
                "BundleInForce": {
                  "fields": {
                    "trustDomain": {
                      "type": "string",
                      "id": 1
                    },
                    "sequence": {
                      "type": "uint64",
                      "id": 2
                    }
                  }
                },
                "AuthorityUse": {
                  "fields": {
                    "authority": {
                      "type": "bytes",
                      "id": 1
                    },
                    "connections": {
                      "type": "uint32",
                      "id": 2
                    }
                  }
                },
                "Hello": {
                  "fields": {
                    "sidecarId": {
                      "type": "string",
                      "id": 1
                    },
                    "programVersion": {
                      "type": "string",
                      "id": 2
                    },
                    "held": {
                      "rule": "repeated",
                      "type": "ResourceVersion",
                      "id": 3
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 4
                    }
                  }
                },
                "ResourceVersion": {
                  "fields": {
                    "name": {
                      "type": "ResourceName",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    }
                  }
                },
                "Ack": {
                  "fields": {
                    "nonce": {
                      "type": "string",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    }
                  }
                },
                "Nack": {
                  "fields": {
                    "nonce": {
                      "type": "string",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    },
                    "violations": {
                      "rule": "repeated",
                      "type": "Violation",
                      "id": 3
                    }
                  }
                },
                "Violation": {
                  "fields": {
                    "resource": {
                      "type": "ResourceName",
                      "id": 1
                    },
                    "field": {
                      "type": "string",
                      "id": 2
                    },
                    "code": {
                      "type": "string",
                      "id": 3
                    },
                    "message": {
                      "type": "string",
                      "id": 4
                    }
                  }
                },
                "Listening": {
                  "fields": {
                    "listeners": {
                      "rule": "repeated",
                      "type": "InboundListener",
                      "id": 1
                    }
                  }
                },
                "InboundListener": {
                  "fields": {
                    "appPort": {
                      "type": "uint32",
                      "id": 1
                    },
                    "address": {
                      "type": "string",
                      "id": 2
                    },
                    "port": {
                      "type": "uint32",
                      "id": 3
                    }
                  }
                },
                "Draining": {
                  "fields": {}
                },
                "PolicyUpdate": {
                  "fields": {
                    "revision": {
                      "type": "uint64",
                      "id": 1
                    },
                    "nonce": {
                      "type": "string",
                      "id": 2
                    },
                    "changed": {
                      "rule": "repeated",
                      "type": "Resource",
                      "id": 3
                    },
                    "removed": {
                      "rule": "repeated",
                      "type": "ResourceName",
                      "id": 4
                    },
                    "reportHealthEveryMs": {
                      "type": "uint32",
                      "id": 5
                    }
                  }
                },
                "EncodedPolicyUpdate": {
                  "fields": {
                    "revision": {
                      "type": "uint64",
                      "id": 1
                    },
                    "nonce": {
                      "type": "string",
                      "id": 2
                    },
                    "changed": {
                      "rule": "repeated",
                      "type": "bytes",
                      "id": 3
                    },
                    "removed": {
                      "rule": "repeated",
                      "type": "ResourceName",
                      "id": 4
                    },
                    "reportHealthEveryMs": {
                      "type": "uint32",
                      "id": 5
                    }
                  }
                },
                "ResourceName": {
                  "fields": {
                    "kind": {
                      "type": "string",
                      "id": 1
                    },
                    "namespace": {
                      "type": "string",
                      "id": 2
                    },
                    "name": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "Resource": {
                  "oneofs": {
                    "spec": {
                      "oneof": [
                        "authorizationPolicy",
                        "rateLimit",
                        "service",
                        "workload",
                        "revocation",
                        "requestAuthentication",
                        "apiKey",
                        "externalAuthorization",
                        "meshConfig"
                      ]
                    }
                  },
                  "fields": {
                    "name": {
                      "type": "ResourceName",
                      "id": 1
                    },
                    "revision": {
                      "type": "uint64",
                      "id": 2
                    },
                    "authorizationPolicy": {
                      "type": "AuthorizationPolicySpec",
                      "id": 10
                    },
                    "rateLimit": {
                      "type": "RateLimitSpec",
                      "id": 11
                    },
                    "service": {
                      "type": "ServiceSpec",
                      "id": 12
                    },
                    "workload": {
                      "type": "WorkloadSpec",
                      "id": 13
                    },
                    "revocation": {
                      "type": "RevocationSpec",
                      "id": 14
                    },
                    "requestAuthentication": {
                      "type": "RequestAuthenticationSpec",
                      "id": 15
                    },
                    "apiKey": {
                      "type": "ApiKeySpec",
                      "id": 16
                    },
                    "externalAuthorization": {
                      "type": "ExternalAuthorizationSpec",
                      "id": 17
                    },
                    "meshConfig": {
                      "type": "MeshConfigSpec",
                      "id": 18
                    }
                  }
                },
                "AuthorizationPolicySpec": {
                  "fields": {
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "action": {
                      "type": "Action",
                      "id": 2
                    },
                    "rules": {
                      "rule": "repeated",
                      "type": "AuthorizationRule",
                      "id": 3
                    },
                    "dryRun": {
                      "type": "bool",
                      "id": 4
                    },
                    "notBefore": {
                      "type": "google.protobuf.Timestamp",
                      "id": 5
                    },
                    "notAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 6
                    },
                    "reason": {
                      "type": "string",
                      "id": 7
                    },
                    "approver": {
                      "type": "string",
                      "id": 8
                    },
                    "fieldCount": {
                      "type": "uint32",
                      "id": 9
                    }
                  },
                  "nested": {
                    "Action": {
                      "values": {
                        "ACTION_UNSPECIFIED": 0,
                        "ACTION_ALLOW": 1,
                        "ACTION_DENY": 2,
                        "ACTION_AUDIT": 3
                      }
                    }
                  }
                },
                "AuthorizationRule": {
                  "fields": {
                    "name": {
                      "type": "string",
                      "id": 1
                    },
                    "from": {
                      "rule": "repeated",
                      "type": "SourceMatch",
                      "id": 2
                    },
                    "to": {
                      "rule": "repeated",
                      "type": "OperationMatch",
                      "id": 3
                    },
                    "when": {
                      "rule": "repeated",
                      "type": "Condition",
                      "id": 4
                    },
                    "fieldCount": {
                      "type": "uint32",
                      "id": 5
                    }
                  }
                },
                "SourceMatch": {
                  "fields": {
                    "spiffeIds": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "namespaces": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 2
                    },
                    "trustDomains": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 3
                    },
                    "notSpiffeIds": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "notNamespaces": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 5
                    },
                    "notTrustDomains": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 6
                    },
                    "serviceAccounts": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 7
                    },
                    "notServiceAccounts": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 8
                    },
                    "ipBlocks": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 9
                    },
                    "notIpBlocks": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 10
                    },
                    "requestPrincipals": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 11
                    },
                    "notRequestPrincipals": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 12
                    },
                    "claims": {
                      "rule": "repeated",
                      "type": "ValueMatch",
                      "id": 13
                    },
                    "apiKeyOwners": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 14
                    },
                    "notApiKeyOwners": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 15
                    },
                    "apiKeyScopes": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 16
                    }
                  }
                },
                "OperationMatch": {
                  "fields": {
                    "methods": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "paths": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 2
                    },
                    "ports": {
                      "rule": "repeated",
                      "type": "uint32",
                      "id": 3
                    },
                    "notMethods": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "notPaths": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 5
                    },
                    "notPorts": {
                      "rule": "repeated",
                      "type": "uint32",
                      "id": 6
                    },
                    "hosts": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 7
                    },
                    "notHosts": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 8
                    },
                    "grpcMethods": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 9
                    },
                    "notGrpcMethods": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 10
                    }
                  }
                },
                "ValueMatch": {
                  "fields": {
                    "name": {
                      "type": "string",
                      "id": 1
                    },
                    "values": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 2
                    },
                    "notValues": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 3
                    },
                    "matches": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    }
                  }
                },
                "Condition": {
                  "oneofs": {
                    "condition": {
                      "oneof": [
                        "header",
                        "claim",
                        "sni",
                        "time",
                        "cel"
                      ]
                    }
                  },
                  "fields": {
                    "header": {
                      "type": "ValueMatch",
                      "id": 1
                    },
                    "claim": {
                      "type": "ValueMatch",
                      "id": 2
                    },
                    "sni": {
                      "type": "ServerNameMatch",
                      "id": 3
                    },
                    "time": {
                      "type": "TimeMatch",
                      "id": 4
                    },
                    "cel": {
                      "type": "string",
                      "id": 5
                    }
                  }
                },
                "ServerNameMatch": {
                  "fields": {
                    "names": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "TimeMatch": {
                  "fields": {
                    "days": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "fromMinute": {
                      "type": "uint32",
                      "id": 2
                    },
                    "toMinute": {
                      "type": "uint32",
                      "id": 3
                    },
                    "zone": {
                      "type": "string",
                      "id": 4
                    }
                  }
                },
                "RequestAuthenticationSpec": {
                  "fields": {
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "jwt": {
                      "rule": "repeated",
                      "type": "JwtIssuer",
                      "id": 2
                    },
                    "introspection": {
                      "rule": "repeated",
                      "type": "Introspection",
                      "id": 3
                    },
                    "apiKeys": {
                      "type": "ApiKeyAcceptance",
                      "id": 4
                    },
                    "fieldCount": {
                      "type": "uint32",
                      "id": 5
                    }
                  }
                },
                "TokenLocation": {
                  "oneofs": {
                    "location": {
                      "oneof": [
                        "header",
                        "cookie",
                        "query"
                      ]
                    }
                  },
                  "fields": {
                    "header": {
                      "type": "HeaderLocation",
                      "id": 1
                    },
                    "cookie": {
                      "type": "string",
                      "id": 2
                    },
                    "query": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "HeaderLocation": {
                  "fields": {
                    "name": {
                      "type": "string",
                      "id": 1
                    },
                    "prefix": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "ClaimToHeader": {
                  "fields": {
                    "claim": {
                      "type": "string",
                      "id": 1
                    },
                    "header": {
                      "type": "string",
                      "id": 2
                    }
                  }
                },
                "TokenAcceptance": {
                  "fields": {
                    "from": {
                      "rule": "repeated",
                      "type": "TokenLocation",
                      "id": 1
                    },
                    "forward": {
                      "type": "bool",
                      "id": 2
                    },
                    "claimsToHeaders": {
                      "rule": "repeated",
                      "type": "ClaimToHeader",
                      "id": 3
                    },
                    "binding": {
                      "type": "Binding",
                      "id": 4
                    }
                  },
                  "nested": {
                    "Binding": {
                      "values": {
                        "BINDING_UNSPECIFIED": 0,
                        "BINDING_CERTIFICATE": 1,
                        "BINDING_DPOP": 2,
                        "BINDING_ANY": 3
                      }
                    }
                  }
                },
                "JwtIssuer": {
                  "oneofs": {
                    "keys": {
                      "oneof": [
                        "jwks",
                        "published"
                      ]
                    }
                  },
                  "fields": {
                    "acceptance": {
                      "type": "TokenAcceptance",
                      "id": 1
                    },
                    "issuer": {
                      "type": "string",
                      "id": 2
                    },
                    "audiences": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 3
                    },
                    "algorithms": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "clockSkew": {
                      "type": "google.protobuf.Duration",
                      "id": 5
                    },
                    "jwks": {
                      "type": "string",
                      "id": 6
                    },
                    "published": {
                      "type": "PublishedKeys",
                      "id": 7
                    }
                  }
                },
                "PublishedKeys": {
                  "fields": {
                    "uri": {
                      "type": "string",
                      "id": 1
                    },
                    "refresh": {
                      "type": "google.protobuf.Duration",
                      "id": 2
                    },
                    "stale": {
                      "type": "google.protobuf.Duration",
                      "id": 3
                    }
                  }
                },
                "Introspection": {
                  "fields": {
                    "acceptance": {
                      "type": "TokenAcceptance",
                      "id": 1
                    },
                    "endpoint": {
                      "type": "string",
                      "id": 2
                    },
                    "issuer": {
                      "type": "string",
                      "id": 3
                    },
                    "audiences": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 4
                    },
                    "clientId": {
                      "type": "string",
                      "id": 5
                    },
                    "clientSecret": {
                      "type": "string",
                      "id": 6
                    },
                    "cache": {
                      "type": "google.protobuf.Duration",
                      "id": 7
                    },
                    "timeout": {
                      "type": "google.protobuf.Duration",
                      "id": 8
                    }
                  }
                },
                "ApiKeyAcceptance": {
                  "fields": {
                    "from": {
                      "rule": "repeated",
                      "type": "TokenLocation",
                      "id": 1
                    },
                    "forward": {
                      "type": "bool",
                      "id": 2
                    }
                  }
                },
                "ApiKeySpec": {
                  "fields": {
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "owner": {
                      "type": "string",
                      "id": 2
                    },
                    "scopes": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 3
                    },
                    "secrets": {
                      "rule": "repeated",
                      "type": "ApiKeySecret",
                      "id": 4
                    }
                  }
                },
                "ApiKeySecret": {
                  "fields": {
                    "id": {
                      "type": "string",
                      "id": 1
                    },
                    "salt": {
                      "type": "string",
                      "id": 2
                    },
                    "hash": {
                      "type": "string",
                      "id": 3
                    },
                    "createdAt": {
                      "type": "google.protobuf.Timestamp",
                      "id": 4
                    },
                    "notAfter": {
                      "type": "google.protobuf.Timestamp",
                      "id": 5
                    }
                  }
                },
                "ExternalAuthorizationSpec": {
                  "fields": {
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "address": {
                      "type": "string",
                      "id": 2
                    },
                    "spiffeId": {
                      "type": "string",
                      "id": 3
                    },
                    "timeout": {
                      "type": "google.protobuf.Duration",
                      "id": 4
                    },
                    "onFailure": {
                      "type": "OnFailure",
                      "id": 5
                    },
                    "to": {
                      "rule": "repeated",
                      "type": "OperationMatch",
                      "id": 6
                    },
                    "headers": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 7
                    },
                    "someHeaders": {
                      "type": "bool",
                      "id": 8
                    }
                  },
                  "nested": {
                    "OnFailure": {
                      "values": {
                        "ON_FAILURE_UNSPECIFIED": 0,
                        "ON_FAILURE_DENY": 1,
                        "ON_FAILURE_ALLOW": 2
                      }
                    }
                  }
                },
                "RateLimitSpec": {
                  "fields": {
                    "workloads": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "limits": {
                      "rule": "repeated",
                      "type": "Limit",
                      "id": 2
                    }
                  }
                },
                "Limit": {
                  "fields": {
                    "name": {
                      "type": "string",
                      "id": 1
                    },
                    "key": {
                      "type": "Key",
                      "id": 2
                    },
                    "requests": {
                      "type": "uint64",
                      "id": 3
                    },
                    "per": {
                      "type": "google.protobuf.Duration",
                      "id": 4
                    },
                    "burst": {
                      "type": "uint64",
                      "id": 5
                    },
                    "to": {
                      "rule": "repeated",
                      "type": "OperationMatch",
                      "id": 6
                    }
                  },
                  "nested": {
                    "Key": {
                      "values": {
                        "KEY_UNSPECIFIED": 0,
                        "KEY_IDENTITY": 1,
                        "KEY_ALL": 2
                      }
                    }
                  }
                },
                "RevocationSpec": {
                  "fields": {
                    "serials": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "spiffeIds": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 2
                    },
                    "reason": {
                      "type": "string",
                      "id": 3
                    }
                  }
                },
                "ServiceSpec": {
                  "fields": {
                    "hosts": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 1
                    },
                    "ports": {
                      "rule": "repeated",
                      "type": "ServicePort",
                      "id": 2
                    },
                    "identities": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 3
                    },
                    "endpoints": {
                      "rule": "repeated",
                      "type": "Endpoint",
                      "id": 4
                    },
                    "addresses": {
                      "rule": "repeated",
                      "type": "string",
                      "id": 5
                    }
                  }
                },
                "ServicePort": {
                  "fields": {
                    "port": {
                      "type": "uint32",
                      "id": 1
                    },
                    "targetPort": {
                      "type": "uint32",
                      "id": 2
                    },
                    "protocol": {
                      "type": "Protocol",
                      "id": 3
                    }
                  },
                  "nested": {
                    "Protocol": {
                      "values": {
                        "PROTOCOL_UNSPECIFIED": 0,
                        "PROTOCOL_AUTO": 1,
                        "PROTOCOL_HTTP1": 2,
                        "PROTOCOL_HTTP2": 3,
                        "PROTOCOL_GRPC": 4,
                        "PROTOCOL_TCP": 5
                      }
                    }
                  }
                },
                "Endpoint": {
                  "fields": {
                    "address": {
                      "type": "string",
                      "id": 1
                    },
                    "port": {
                      "type": "uint32",
                      "id": 2
                    },
                    "appPort": {
                      "type": "uint32",
                      "id": 3
                    }
                  }
                },
                "MeshConfigSpec": {
                  "fields": {
                    "outbound": {
                      "type": "Outbound",
                      "id": 1
                    }
                  },
                  "nested": {
                    "Outbound": {
                      "values": {
                        "OUTBOUND_UNSPECIFIED": 0,
                        "OUTBOUND_DENY": 1,
                        "OUTBOUND_ALLOW": 2
                      }
                    }
                  }
                },
                "WorkloadSpec": {
                  "fields": {
                    "spiffeId": {
                      "type": "string",
                      "id": 1
                    }
                  }
                }
              }
            }
          }
        }
      }
    },
    "envoy": {
      "nested": {
        "config": {
          "nested": {
            "core": {
              "nested": {
                "v3": {
                  "nested": {
                    "SocketAddress": {
                      "oneofs": {
                        "portSpecifier": {
                          "oneof": [
                            "portValue"
                          ]
                        }
                      },
                      "fields": {
                        "address": {
                          "type": "string",
                          "id": 2
                        },
                        "portValue": {
                          "type": "uint32",
                          "id": 3
                        }
                      }
                    },
                    "Pipe": {
                      "fields": {
                        "path": {
                          "type": "string",
                          "id": 1
                        }
                      }
                    },
                    "Address": {
                      "oneofs": {
                        "address": {
                          "oneof": [
                            "socketAddress",
                            "pipe"
                          ]
                        }
                      },
                      "fields": {
                        "socketAddress": {
                          "type": "SocketAddress",
                          "id": 1
                        },
                        "pipe": {
                          "type": "Pipe",
                          "id": 2
                        }
                      }
                    },
                    "Node": {
                      "fields": {
                        "id": {
                          "type": "string",
                          "id": 1
                        },
                        "cluster": {
                          "type": "string",
                          "id": 2
                        }
                      }
                    },
                    "DataSource": {
                      "oneofs": {
                        "specifier": {
                          "oneof": [
                            "inlineBytes"
                          ]
                        }
                      },
                      "fields": {
                        "inlineBytes": {
                          "type": "bytes",
                          "id": 2
                        }
                      }
                    },
                    "TypedExtensionConfig": {
                      "fields": {
                        "name": {
                          "type": "string",
                          "id": 1
                        },
                        "typedConfig": {
                          "type": "google.protobuf.Any",
                          "id": 2
                        }
                      }
                    },
                    "HeaderValue": {
                      "fields": {
                        "key": {
                          "type": "string",
                          "id": 1
                        },
                        "value": {
                          "type": "string",
                          "id": 2
                        },
                        "rawValue": {
                          "type": "bytes",
                          "id": 3
                        }
                      }
                    },
                    "HeaderMap": {
                      "fields": {
                        "headers": {
                          "rule": "repeated",
                          "type": "HeaderValue",
                          "id": 1
                        }
                      }
                    },
                    "HeaderValueOption": {
                      "fields": {
                        "header": {
                          "type": "HeaderValue",
                          "id": 1
                        },
                        "append": {
                          "type": "google.protobuf.BoolValue",
                          "id": 2
                        },
                        "appendAction": {
                          "type": "HeaderAppendAction",
                          "id": 3
                        },
                        "keepEmptyValue": {
                          "type": "bool",
                          "id": 4
                        }
                      },
                      "nested": {
                        "HeaderAppendAction": {
                          "values": {
                            "APPEND_IF_EXISTS_OR_ADD": 0,
                            "ADD_IF_ABSENT": 1,
                            "OVERWRITE_IF_EXISTS_OR_ADD": 2,
                            "OVERWRITE_IF_EXISTS": 3
                          }
                        }
                      }
                    },
                    "QueryParameter": {
                      "fields": {
                        "key": {
                          "type": "string",
                          "id": 1
                        },
                        "value": {
                          "type": "string",
                          "id": 2
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        },
        "extensions": {
          "nested": {
            "transport_sockets": {
              "nested": {
                "tls": {
                  "nested": {
                    "v3": {
                      "nested": {
                        "Secret": {
                          "oneofs": {
                            "type": {
                              "oneof": [
                                "tlsCertificate",
                                "validationContext"
                              ]
                            }
                          },
                          "fields": {
                            "name": {
                              "type": "string",
                              "id": 1
                            },
                            "tlsCertificate": {
                              "type": "TlsCertificate",
                              "id": 2
                            },
                            "validationContext": {
                              "type": "CertificateValidationContext",
                              "id": 4
                            }
                          }
                        },
                        "TlsCertificate": {
                          "fields": {
                            "certificateChain": {
                              "type": "envoy.config.core.v3.DataSource",
                              "id": 1
                            },
                            "privateKey": {
                              "type": "envoy.config.core.v3.DataSource",
                              "id": 2
                            }
                          }
                        },
                        "CertificateValidationContext": {
                          "fields": {
                            "trustedCa": {
                              "type": "envoy.config.core.v3.DataSource",
                              "id": 1
                            },
                            "customValidatorConfig": {
                              "type": "envoy.config.core.v3.TypedExtensionConfig",
                              "id": 12
                            }
                          }
                        },
                        "SPIFFECertValidatorConfig": {
                          "fields": {
                            "trustDomains": {
                              "rule": "repeated",
                              "type": "TrustDomain",
                              "id": 1
                            }
                          },
                          "nested": {
                            "TrustDomain": {
                              "fields": {
                                "name": {
                                  "type": "string",
                                  "id": 1
                                },
                                "trustBundle": {
                                  "type": "envoy.config.core.v3.DataSource",
                                  "id": 2
                                }
                              }
                            }
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        },
        "service": {
          "nested": {
            "auth": {
              "nested": {
                "v3": {
                  "nested": {
                    "AttributeContext": {
                      "fields": {
                        "source": {
                          "type": "Peer",
                          "id": 1
                        },
                        "destination": {
                          "type": "Peer",
                          "id": 2
                        },
                        "request": {
                          "type": "Request",
                          "id": 4
                        },
                        "contextExtensions": {
                          "keyType": "string",
                          "type": "string",
                          "id": 10
                        },
                        "tlsSession": {
                          "type": "TLSSession",
                          "id": 12
                        }
                      },
                      "nested": {
                        "Peer": {
                          "fields": {
                            "address": {
                              "type": "envoy.config.core.v3.Address",
                              "id": 1
                            },
                            "service": {
                              "type": "string",
                              "id": 2
                            },
                            "labels": {
                              "keyType": "string",
                              "type": "string",
                              "id": 3
                            },
                            "principal": {
                              "type": "string",
                              "id": 4
                            },
                            "certificate": {
                              "type": "string",
                              "id": 5
                            }
                          }
                        },
                        "Request": {
                          "fields": {
                            "time": {
                              "type": "google.protobuf.Timestamp",
                              "id": 1
                            },
                            "http": {
                              "type": "HttpRequest",
                              "id": 2
                            }
                          }
                        },
                        "HttpRequest": {
                          "fields": {
                            "id": {
                              "type": "string",
                              "id": 1
                            },
                            "method": {
                              "type": "string",
                              "id": 2
                            },
                            "headers": {
                              "keyType": "string",
                              "type": "string",
                              "id": 3
                            },
                            "headerMap": {
                              "type": "envoy.config.core.v3.HeaderMap",
                              "id": 13
                            },
                            "path": {
                              "type": "string",
                              "id": 4
                            },
                            "host": {
                              "type": "string",
                              "id": 5
                            },
                            "scheme": {
                              "type": "string",
                              "id": 6
                            },
                            "query": {
                              "type": "string",
                              "id": 7
                            },
                            "fragment": {
                              "type": "string",
                              "id": 8
                            },
                            "size": {
                              "type": "int64",
                              "id": 9
                            },
                            "protocol": {
                              "type": "string",
                              "id": 10
                            },
                            "body": {
                              "type": "string",
                              "id": 11
                            },
                            "rawBody": {
                              "type": "bytes",
                              "id": 12
                            }
                          }
                        },
                        "TLSSession": {
                          "fields": {
                            "sni": {
                              "type": "string",
                              "id": 1
                            }
                          }
                        }
                      }
                    },
                    "Authorization": {
                      "methods": {
                        "Check": {
                          "requestType": "CheckRequest",
                          "responseType": "CheckResponse"
                        }
                      }
                    },
                    "CheckRequest": {
                      "fields": {
                        "attributes": {
                          "type": "AttributeContext",
                          "id": 1
                        }
                      }
                    },
                    "DeniedHttpResponse": {
                      "fields": {
                        "status": {
                          "type": "envoy.type.v3.HttpStatus",
                          "id": 1
                        },
                        "headers": {
                          "rule": "repeated",
                          "type": "envoy.config.core.v3.HeaderValueOption",
                          "id": 2
                        },
                        "body": {
                          "type": "string",
                          "id": 3
                        }
                      }
                    },
                    "OkHttpResponse": {
                      "fields": {
                        "headers": {
                          "rule": "repeated",
                          "type": "envoy.config.core.v3.HeaderValueOption",
                          "id": 2
                        },
                        "headersToRemove": {
                          "rule": "repeated",
                          "type": "string",
                          "id": 5
                        },
                        "responseHeadersToAdd": {
                          "rule": "repeated",
                          "type": "envoy.config.core.v3.HeaderValueOption",
                          "id": 6
                        },
                        "queryParametersToSet": {
                          "rule": "repeated",
                          "type": "envoy.config.core.v3.QueryParameter",
                          "id": 7
                        },
                        "queryParametersToRemove": {
                          "rule": "repeated",
                          "type": "string",
                          "id": 8
                        }
                      }
                    },
                    "CheckResponse": {
                      "oneofs": {
                        "httpResponse": {
                          "oneof": [
                            "deniedResponse",
                            "okResponse"
                          ]
                        }
                      },
                      "fields": {
                        "status": {
                          "type": "google.rpc.Status",
                          "id": 1
                        },
                        "deniedResponse": {
                          "type": "DeniedHttpResponse",
                          "id": 2
                        },
                        "okResponse": {
                          "type": "OkHttpResponse",
                          "id": 3
                        }
                      }
                    }
                  }
                }
              }
            },
            "discovery": {
              "nested": {
                "v3": {
                  "nested": {
                    "DiscoveryRequest": {
                      "fields": {
                        "versionInfo": {
                          "type": "string",
                          "id": 1
                        },
                        "node": {
                          "type": "envoy.config.core.v3.Node",
                          "id": 2
                        },
                        "resourceNames": {
                          "rule": "repeated",
                          "type": "string",
                          "id": 3
                        },
                        "typeUrl": {
                          "type": "string",
                          "id": 4
                        },
                        "responseNonce": {
                          "type": "string",
                          "id": 5
                        },
                        "errorDetail": {
                          "type": "google.rpc.Status",
                          "id": 6
                        }
                      }
                    },
                    "DiscoveryResponse": {
                      "fields": {
                        "versionInfo": {
                          "type": "string",
                          "id": 1
                        },
                        "resources": {
                          "rule": "repeated",
                          "type": "google.protobuf.Any",
                          "id": 2
                        },
                        "typeUrl": {
                          "type": "string",
                          "id": 4
                        },
                        "nonce": {
                          "type": "string",
                          "id": 5
                        }
                      }
                    },
                    "DeltaDiscoveryRequest": {
                      "fields": {
                        "node": {
                          "type": "envoy.config.core.v3.Node",
                          "id": 1
                        },
                        "typeUrl": {
                          "type": "string",
                          "id": 2
                        },
                        "resourceNamesSubscribe": {
                          "rule": "repeated",
                          "type": "string",
                          "id": 3
                        },
                        "resourceNamesUnsubscribe": {
                          "rule": "repeated",
                          "type": "string",
                          "id": 4
                        },
                        "initialResourceVersions": {
                          "keyType": "string",
                          "type": "string",
                          "id": 5
                        },
                        "responseNonce": {
                          "type": "string",
                          "id": 6
                        },
                        "errorDetail": {
                          "type": "google.rpc.Status",
                          "id": 7
                        }
                      }
                    },
                    "DeltaDiscoveryResponse": {
                      "fields": {
                        "systemVersionInfo": {
                          "type": "string",
                          "id": 1
                        },
                        "resources": {
                          "rule": "repeated",
                          "type": "Resource",
                          "id": 2
                        },
                        "typeUrl": {
                          "type": "string",
                          "id": 4
                        },
                        "nonce": {
                          "type": "string",
                          "id": 5
                        },
                        "removedResources": {
                          "rule": "repeated",
                          "type": "string",
                          "id": 6
                        }
                      }
                    },
                    "Resource": {
                      "fields": {
                        "version": {
                          "type": "string",
                          "id": 1
                        },
                        "resource": {
                          "type": "google.protobuf.Any",
                          "id": 2
                        },
                        "name": {
                          "type": "string",
                          "id": 3
                        }
                      }
                    }
                  }
                }
              }
            },
            "secret": {
              "nested": {
                "v3": {
                  "nested": {
                    "SecretDiscoveryService": {
                      "methods": {
                        "DeltaSecrets": {
                          "requestType": "envoy.service.discovery.v3.DeltaDiscoveryRequest",
                          "requestStream": true,
                          "responseType": "envoy.service.discovery.v3.DeltaDiscoveryResponse",
                          "responseStream": true
                        },
                        "StreamSecrets": {
                          "requestType": "envoy.service.discovery.v3.DiscoveryRequest",
                          "requestStream": true,
                          "responseType": "envoy.service.discovery.v3.DiscoveryResponse",
                          "responseStream": true
                        },
                        "FetchSecrets": {
                          "requestType": "envoy.service.discovery.v3.DiscoveryRequest",
                          "responseType": "envoy.service.discovery.v3.DiscoveryResponse"
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        },
        "type": {
          "nested": {
            "v3": {
              "nested": {
                "HttpStatus": {
                  "fields": {
                    "code": {
                      "type": "uint32",
                      "id": 1
                    }
                  }
                }
              }
            }
          }
        }
      }
    },
    "grpc": {
      "nested": {
        "health": {
          "nested": {
            "v1": {
              "nested": {
                "HealthCheckRequest": {
                  "fields": {
                    "service": {
                      "type": "string",
                      "id": 1
                    }
                  }
                },
                "HealthCheckResponse": {
                  "fields": {
                    "status": {
                      "type": "ServingStatus",
                      "id": 1
                    }
                  },
                  "nested": {
                    "ServingStatus": {
                      "values": {
                        "UNKNOWN": 0,
                        "SERVING": 1,
                        "NOT_SERVING": 2,
                        "SERVICE_UNKNOWN": 3
                      }
                    }
                  }
                },
                "Health": {
                  "methods": {
                    "Check": {
                      "requestType": "HealthCheckRequest",
                      "responseType": "HealthCheckResponse"
                    }
                  }
                }
              }
            }
          }
        }
      }
    },
    "SpiffeWorkloadAPI": {
      "methods": {
        "FetchX509SVID": {
          "requestType": "X509SVIDRequest",
          "responseType": "X509SVIDResponse",
          "responseStream": true
        },
        "FetchX509Bundles": {
          "requestType": "X509BundlesRequest",
          "responseType": "X509BundlesResponse",
          "responseStream": true
        },
        "FetchJWTSVID": {
          "requestType": "JWTSVIDRequest",
          "responseType": "JWTSVIDResponse"
        },
        "FetchJWTBundles": {
          "requestType": "JWTBundlesRequest",
          "responseType": "JWTBundlesResponse",
          "responseStream": true
        },
        "ValidateJWTSVID": {
          "requestType": "ValidateJWTSVIDRequest",
          "responseType": "ValidateJWTSVIDResponse"
        }
      }
    },
    "X509SVIDRequest": {
      "fields": {}
    },
    "X509SVIDResponse": {
      "fields": {
        "svids": {
          "rule": "repeated",
          "type": "X509SVID",
          "id": 1
        },
        "crl": {
          "rule": "repeated",
          "type": "bytes",
          "id": 2
        },
        "federatedBundles": {
          "keyType": "string",
          "type": "bytes",
          "id": 3
        }
      }
    },
    "X509SVID": {
      "fields": {
        "spiffeId": {
          "type": "string",
          "id": 1
        },
        "x509Svid": {
          "type": "bytes",
          "id": 2
        },
        "x509SvidKey": {
          "type": "bytes",
          "id": 3
        },
        "bundle": {
          "type": "bytes",
          "id": 4
        },
        "hint": {
          "type": "string",
          "id": 5
        }
      }
    },
    "X509BundlesRequest": {
      "fields": {}
    },
    "X509BundlesResponse": {
      "fields": {
        "crl": {
          "rule": "repeated",
          "type": "bytes",
          "id": 1
        },
        "bundles": {
          "keyType": "string",
          "type": "bytes",
          "id": 2
        }
      }
    },
    "JWTSVIDRequest": {
      "fields": {
        "audience": {
          "rule": "repeated",
          "type": "string",
          "id": 1
        },
        "spiffeId": {
          "type": "string",
          "id": 2
        }
      }
    },
    "JWTSVIDResponse": {
      "fields": {
        "svids": {
          "rule": "repeated",
          "type": "JWTSVID",
          "id": 1
        }
      }
    },
    "JWTSVID": {
      "fields": {
        "spiffeId": {
          "type": "string",
          "id": 1
        },
        "svid": {
          "type": "string",
          "id": 2
        },
        "hint": {
          "type": "string",
          "id": 3
        }
      }
    },
    "JWTBundlesRequest": {
      "fields": {}
    },
    "JWTBundlesResponse": {
      "fields": {
        "bundles": {
          "keyType": "string",
          "type": "bytes",
          "id": 1
        }
      }
    },
    "ValidateJWTSVIDRequest": {
      "fields": {
        "audience": {
          "type": "string",
          "id": 1
        },
        "svid": {
          "type": "string",
          "id": 2
        }
      }
    },
    "ValidateJWTSVIDResponse": {
      "fields": {
        "spiffeId": {
          "type": "string",
          "id": 1
        },
        "claims": {
          "type": "google.protobuf.Struct",
          "id": 2
        }
      }
    },
    "google": {
      "nested": {
        "protobuf": {
          "nested": {
            "Duration": {
              "fields": {
                "seconds": {
                  "type": "int64",
                  "id": 1
                },
                "nanos": {
                  "type": "int32",
                  "id": 2
                }
              }
            },
            "Timestamp": {
              "fields": {
                "seconds": {
                  "type": "int64",
                  "id": 1
                },
                "nanos": {
                  "type": "int32",
                  "id": 2
                }
              }
            },
            "Any": {
              "fields": {
                "type_url": {
                  "type": "string",
                  "id": 1
                },
                "value": {
                  "type": "bytes",
                  "id": 2
                }
              }
            },
            "DoubleValue": {
              "fields": {
                "value": {
                  "type": "double",
                  "id": 1
                }
              }
            },
            "FloatValue": {
              "fields": {
                "value": {
                  "type": "float",
                  "id": 1
                }
              }
            },
            "Int64Value": {
              "fields": {
                "value": {
                  "type": "int64",
                  "id": 1
                }
              }
            },
            "UInt64Value": {
              "fields": {
                "value": {
                  "type": "uint64",
                  "id": 1
                }
              }
            },
            "Int32Value": {
              "fields": {
                "value": {
                  "type": "int32",
                  "id": 1
                }
              }
            },
            "UInt32Value": {
              "fields": {
                "value": {
                  "type": "uint32",
                  "id": 1
                }
              }
            },
            "BoolValue": {
              "fields": {
                "value": {
                  "type": "bool",
                  "id": 1
                }
              }
            },
            "StringValue": {
              "fields": {
                "value": {
                  "type": "string",
                  "id": 1
                }
              }
            },
            "BytesValue": {
              "fields": {
                "value": {
                  "type": "bytes",
                  "id": 1
                }
              }
            },
            "Struct": {
              "fields": {
                "fields": {
                  "keyType": "string",
                  "type": "Value",
                  "id": 1
                }
              }
            },
            "Value": {
              "oneofs": {
                "kind": {
                  "oneof": [
                    "nullValue",
                    "numberValue",
                    "stringValue",
                    "boolValue",
                    "structValue",
                    "listValue"
                  ]
                }
              },
              "fields": {
                "nullValue": {
                  "type": "NullValue",
                  "id": 1
                },
                "numberValue": {
                  "type": "double",
                  "id": 2
                },
                "stringValue": {
                  "type": "string",
                  "id": 3
                },
                "boolValue": {
                  "type": "bool",
                  "id": 4
                },
                "structValue": {
                  "type": "Struct",
                  "id": 5
                },
                "listValue": {
                  "type": "ListValue",
                  "id": 6
                }
              }
            },
            "NullValue": {
              "values": {
                "NULL_VALUE": 0
              }
            },
            "ListValue": {
              "fields": {
                "values": {
                  "rule": "repeated",
                  "type": "Value",
                  "id": 1
                }
              }
            }
          }
        },
        "rpc": {
          "nested": {
            "Status": {
              "fields": {
                "code": {
                  "type": "int32",
                  "id": 1
                },
                "message": {
                  "type": "string",
                  "id": 2
                }
              }
            }
          }
        }
      }
    }
  }
}
