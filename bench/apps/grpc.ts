import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { executable, missingExecutable } from '../executables.ts'
import { freePort } from '../ports.ts'
import { Child } from '../processes.ts'
import type { AppKind } from './app.ts'

/** `/SERVICE/METHOD`. nghttpd tells the content type by the extension of the file, which no service would mind. */
const SERVICE = 'bench.Echo'
const METHOD = 'Say.grpc'
const TEXT = 'outrider bench: a message'

/** A message of gRPC over HTTP/2: not compressed, its length in 4 bytes, itself. */
export const MESSAGE: string = `\0\0\0\0${String.fromCharCode(TEXT.length)}${TEXT}`

/** Unary gRPC by nghttpd, which answers each call with one message and the trailer `grpc-status: 0`. */
export const grpcApp: AppKind = {
  available: () => missingExecutable('nghttpd'),
  async start(folder) {
    const port = await freePort()
    const documents = join(folder, 'grpc-app')
    mkdirSync(join(documents, SERVICE), { recursive: true })
    writeFileSync(join(documents, SERVICE, METHOD), MESSAGE, 'latin1')
    const types = join(folder, 'mime.types')
    writeFileSync(types, 'application/grpc grpc\n')
    const answer = ['--no-content-length', '--trailer', 'grpc-status: 0', '--mime-types-file', types, '-d', documents]
    const args = ['--no-tls', '-a', '127.0.0.1', '-m', '1000', ...answer, String(port)]
    return {
      kind: 'nghttpd',
      protocol: 'grpc',
      port,
      child: new Child('app', executable('nghttpd'), args),
      exchange: {
        method: 'POST',
        path: `/${SERVICE}/${METHOD}`,
        headers: { 'content-type': 'application/grpc', te: 'trailers' },
        body: MESSAGE,
        answer: `200 ${MESSAGE} grpc-status 0`,
      },
    }
  },
}
