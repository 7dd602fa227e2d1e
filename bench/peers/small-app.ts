// node bench/peers/small-app.ts PORT BODY: the application where nginx is not installed.
import { createServer } from 'node:http'

const [port, body = ''] = process.argv.slice(2)
const headers = { 'content-type': 'text/plain', 'content-length': String(Buffer.byteLength(body)) }
createServer({ keepAliveTimeout: 300_000 }, (_request, response) => {
  response.writeHead(200, headers).end(body)
}).listen(Number(port), '127.0.0.1')
