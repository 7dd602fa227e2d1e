import { connect, createServer, type TLSSocket } from 'node:tls'
import t from 'tap'
import { presentedChain } from '../../src/lib/presented-chain.ts'
import { boundAddress } from '../fixtures/app.ts'
import { makeTestCa } from '../fixtures/ca.ts'
import { checkLeaks } from '../fixtures/leaks.ts'

// Node 24.21 and 26.8 hide the intermediates of a client's chain from the server: bin/outrider does not start on them.
t.test('a TLS server sees the intermediates that its client presented', async (t) => {
  checkLeaks(t)
  const ca = makeTestCa('mesh.test')
  const intermediate = ca.intermediate()
  const leaf = intermediate.issue('/ns/default/sa/client')
  const seen = await new Promise<Buffer[]>((resolve, reject) => {
    const options = { ca: ca.pem, cert: leaf.chainPem, key: leaf.keyPem, minVersion: 'TLSv1.3' } as const
    const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false }, (socket: TLSSocket) => {
      resolve(presentedChain(socket))
      socket.destroy()
      server.close()
    })
    server.listen(0, '127.0.0.1', () => {
      connect({ ...options, host: '127.0.0.1', port: boundAddress(server).port, rejectUnauthorized: false }).on(
        'error',
        reject,
      )
    })
  })
  t.equal(seen[0]?.toString('hex'), leaf.chainDer[0]?.toString('hex'), 'the leaf')
  t.equal(seen[1]?.toString('hex'), leaf.chainDer[1]?.toString('hex'), 'its issuer')
})
