// One side of the plainest proxy that node:http can make: headers and bodies are passed on with pipe().
import { readHop } from './hop.ts'

const hop = readHop()
hop.listen((request, response) => {
  const { method, url, headers } = request
  const upstream = hop.request({ ...hop.target, method: method ?? 'GET', path: url ?? '/', headers })
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  upstream.on('error', () => response.destroy())
  response.on('close', () => upstream.destroy())
  request.pipe(upstream)
})
