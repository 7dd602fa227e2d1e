// One side of a proxy made with the npm package http2-proxy, used as its README shows.
import proxy from 'http2-proxy'
import { admits, readHop } from './hop.ts'

const hop = readHop()
hop.listen((request, response) => {
  if (!admits(hop, request, response)) return
  void proxy.web(
    request,
    response,
    {
      hostname: '127.0.0.1',
      port: Number(hop.target.port),
      onReq: async ({ headers: { host } }, options) => {
        const upstream = hop.request({ ...options, ...hop.target })
        if (host !== undefined) upstream.setHeader('host', host)
        return upstream
      },
    },
    (error) => {
      if (error !== null) response.destroy()
    },
  )
})
