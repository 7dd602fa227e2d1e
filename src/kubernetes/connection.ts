import { type Address, formatAddress } from '../lib/address.ts'
import { readCaFile } from '../lib/ca-file.ts'
import { describeError } from '../lib/errors.ts'
import { readSmallFile } from '../lib/small-file.ts'
import { ApiError } from './failure.ts'

/** Where an API server is, whom to believe for it, and who we are to it. */
export interface ApiConnection {
  /** `https://host:port`; a path, as some gateways have, stands before each path of the API. */
  readonly url: URL
  /** PEM file of the authorities that the server is verified with; this or `caPem`, else those of the system. */
  readonly caFile?: string
  readonly caPem?: string
  /** File of a bearer token; this or `token`. */
  readonly tokenFile?: string
  readonly token?: string
  /** A client certificate with its key. */
  readonly certificatePem?: string
  readonly keyPem?: string
  /** Name that the certificate of the server must have, when it is not that of `url`. */
  readonly serverName?: string
}

/** What a call sends and believes, as it is at this moment. */
export interface ApiCredentials {
  readonly ca?: string
  readonly token?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

const MAX_TOKEN_BYTES = 64 * 1024

/** From inside of a pod: with the files of its service account. */
export function podConnection(api: Address, caFile: string, tokenFile: string): ApiConnection {
  return { url: new URL(`https://${formatAddress(api)}`), caFile, tokenFile }
}

/** Reads the files anew: the kubelet replaces them while we run. Throws `kubernetes-credentials`. */
export function readCredentials(connection: Omit<ApiConnection, 'url'>): ApiCredentials {
  const { caFile, tokenFile, certificatePem, keyPem, serverName } = connection
  const ca = caFile === undefined ? connection.caPem : readOf(caFile, 'authorities', readCaFile)
  const token =
    tokenFile === undefined
      ? connection.token
      : readOf(tokenFile, 'token', (path) => readSmallFile(path, MAX_TOKEN_BYTES).text.trim())
  // RFC 6750, section 2.1. Never quoted: it may be a token with a slip in it.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new ApiError('kubernetes-credentials', `${tokenFile ?? 'the given text'} holds no bearer token`)
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(token === undefined ? {} : { token }),
    ...(certificatePem === undefined ? {} : { cert: certificatePem }),
    ...(keyPem === undefined ? {} : { key: keyPem }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

function readOf(path: string, what: string, read: (path: string) => string): string {
  try {
    return read(path)
  } catch (cause) {
    throw new ApiError('kubernetes-credentials', `the file of the ${what}, ${path}: ${describeError(cause)}`, { cause })
  }
}
