import { OutriderError } from '../../lib/errors.ts'

/** Methods of gRPC services by their paths: `/package.Service/Method`, or with a slash at the end for all of a service. */
export interface GrpcMethods {
  readonly methods: ReadonlySet<string>
  readonly services: ReadonlySet<string>
}

export const grpcMethodForm: RegExp = /^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\/(?:[A-Za-z_]\w*|\*)$/

/** Reads `package.Service/Method` or `package.Service/*`. Throws an `OutriderError` with `grpc-method-malformed`. */
export function parseGrpcMethod(text: string): string {
  if (!grpcMethodForm.test(text))
    throw new OutriderError(
      'grpc-method-malformed',
      `written as package.Service/Method or package.Service/*, not ${JSON.stringify(text.slice(0, 100))}`,
    )
  return text
}

export function grpcMethodsOf(texts: readonly string[]): GrpcMethods {
  const whole = texts.filter((text) => !text.endsWith('/*'))
  const all = texts.filter((text) => text.endsWith('/*'))
  return {
    methods: new Set(whole.map((text) => `/${text}`)),
    services: new Set(all.map((text) => `/${text.slice(0, -1)}`)),
  }
}

/** Whether the path of a request is that of one of the methods; that does not make it a gRPC call. */
export function matchesGrpcPath({ methods, services }: GrpcMethods, path: string): boolean {
  if (methods.has(path)) return true
  const slash = path.indexOf('/', 1)
  return (
    slash !== -1 && slash < path.length - 1 && !path.includes('/', slash + 1) && services.has(path.slice(0, slash + 1))
  )
}

/** Whether a request with this `content-type` is a gRPC call. gRPC over HTTP/2, "Requests": POST, `application/grpc` and what may follow. */
export function isGrpc(method: string, contentType: string | undefined): boolean {
  return method === 'POST' && contentType !== undefined && /^application\/grpc(?:$|[+;\s-])/i.test(contentType)
}
