// node bench/peers/bulk-app.ts PORT: the application that gives and takes long bodies.
import { createServer } from 'node:http'

const CHUNK = Buffer.alloc(256 * 1024, '.')

createServer({ keepAliveTimeout: 300_000, requestTimeout: 0 }, (request, response) => {
  if (request.method === 'POST') {
    let received = 0
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    request.on('end', () => response.end(String(received)))
    return
  }
  let left = Number(new URL(`http://app${request.url}`).searchParams.get('bytes'))
  response.writeHead(200, { 'content-length': left })
  const send = (): void => {
    while (left > CHUNK.length) {
      left -= CHUNK.length
      if (!response.write(CHUNK)) return
    }
    response.off('drain', send).end(CHUNK.subarray(0, left))
  }
  response.on('drain', send)
  send()
}).listen(Number(process.argv[2]), '127.0.0.1')
