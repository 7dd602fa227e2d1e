import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadPeerCredentials } from '../../../src/lib/peer-credentials.ts'
import { boundAddress } from '../../fixtures/app.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { startProgram, temporaryFolder } from '../../fixtures/process.ts'

checkLeaks(t)

/** The next connection that the server gets. */
async function accepted(t: Test, server: Server, open: () => void): Promise<Socket> {
  t.teardown(() => server.close())
  const connected = new Promise<Socket>((resolve) => server.once('connection', resolve))
  open()
  const socket = await connected
  t.teardown(() => socket.destroy())
  return socket
}

t.test('of a Unix socket: the user and the process that connected', async (t) => {
  const read = await loadPeerCredentials()
  const path = join(temporaryFolder(t), 's')
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  const own = await accepted(t, server, () => {
    const socket = connect(path)
    t.teardown(() => socket.destroy())
  })
  t.same(read(own), { pid: process.pid, uid: process.getuid!(), gid: process.getgid!() })

  const program = `require('node:net').connect(${JSON.stringify(path)}).resume()`
  const other = await accepted(t, server, () => startProgram(t, process.execPath, ['-e', program]))
  const { pid, uid } = read(other)
  t.equal(uid, process.getuid!())
  t.not(pid, process.pid)
})

t.test('of anything else: nothing', async (t) => {
  const read = await loadPeerCredentials()
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = await accepted(t, server, () => {
    const client = connect(boundAddress(server).port, '127.0.0.1')
    t.teardown(() => client.destroy())
  })
  t.throws(() => read(socket), { code: 'peer-credentials-unknown' }, 'TCP')
  socket.destroy()
  t.throws(() => read(socket), { code: 'peer-credentials-unknown' }, 'closed')
})

t.test('without the package there are none, and it is said why', async (t) => {
  const { loadPeerCredentials: load } = await t.mockImport<{ loadPeerCredentials: typeof loadPeerCredentials }>(
    '../../../src/lib/peer-credentials.ts',
    {
      koffi: {
        default: {
          load: () => {
            throw new Error('no library for this platform')
          },
        },
      },
    },
  )
  await t.rejects(load(), { code: 'peer-credentials-unavailable', message: /koffi cannot be loaded/ })
})
