import { join } from 'node:path'
import t, { type Test } from 'tap'
import { OutriderError } from '../../../src/lib/errors.ts'
import { type AdminClient, connectAdmin } from '../../../src/rpc/client.ts'
import { type AdminHandlers, adminService } from '../../../src/rpc/handler.ts'
import { type RpcServer, serveSocket } from '../../../src/rpc/server.ts'
import { temporaryFolder } from '../../fixtures/control.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'

checkLeaks(t)

function unexpected(): never {
  throw new TypeError('password is hunter2')
}

function refuse(): never {
  throw new OutriderError('resource-in-use', 'x is named by y')
}

async function setUp(
  t: Test,
  handlers: Partial<AdminHandlers>,
  maxConnections = 10,
): Promise<{ server: RpcServer; admin: AdminClient; events: string[]; connect: () => AdminClient }> {
  const events: string[] = []
  const all: AdminHandlers = {
    apply: unexpected,
    applyCanary: unexpected,
    get: unexpected,
    list: unexpected,
    delete: unexpected,
    watch: unexpected,
    createToken: unexpected,
    listTokens: unexpected,
    revokeToken: unexpected,
    createApiKey: unexpected,
    rotateApiKey: unexpected,
    revokeApiKey: unexpected,
    listApiKeys: unexpected,
    listSidecars: unexpected,
    getStatus: unexpected,
    getBundle: unexpected,
    getAuthorities: unexpected,
    prepareAuthority: unexpected,
    activateAuthority: unexpected,
    taintAuthority: unexpected,
    revokeAuthority: unexpected,
    ...handlers,
  }
  const path = join(temporaryFolder(t), 's')
  const server = await serveSocket(
    path,
    [adminService(all)],
    { maxMessageBytes: 1000, maxConnections },
    {
      bug: (method, thrown) => void events.push(`bug ${method} ${String(thrown)}`),
      peerRefused: () => {},
      handshakeFailed: () => {},
      connectionDropped: (source, most) => void events.push(`dropped ${source} ${most}`),
    },
  )
  const clients: AdminClient[] = []
  const connect = (): AdminClient => {
    const admin = connectAdmin(path)
    clients.push(admin)
    return admin
  }
  t.teardown(() => {
    for (const client of clients) client.close()
    server.destroy()
  })
  return { server, admin: connect(), events, connect }
}

t.test('a bug in a handler is told to the operator, not to the caller', async (t) => {
  const { admin, events } = await setUp(t, { list: () => Promise.reject(new Error('hunter2')) })
  await t.rejects(admin.getStatus({}), { code: 'internal-error', message: /^((?!hunter2).)*$/ })
  await t.rejects(admin.list({}), { code: 'internal-error', message: /^((?!hunter2).)*$/ })
  const watch = admin.watch({})
  t.match(await new Promise((resolve) => watch.onEnd(resolve)), { code: 'internal-error' })
  t.same(events, [
    'bug GetStatus TypeError: password is hunter2',
    'bug List Error: hunter2',
    'bug Watch TypeError: password is hunter2',
  ])
})

t.test('messages above the bound are refused, with the bound', async (t) => {
  const { admin } = await setUp(t, { apply: () => ({ revision: 1 }) })
  t.match(await admin.apply({ documents: ['x'.repeat(900)] }), { revision: 1 })
  await t.rejects(admin.apply({ documents: ['x'.repeat(1000)] }), { code: 'rpc-resource-exhausted', message: /1000/ })
})

t.test('close finishes calls and ends streams with a reason', async (t) => {
  const started = Promise.withResolvers<void>()
  const finish = Promise.withResolvers<void>()
  const { server, admin } = await setUp(t, {
    getStatus: async () => {
      started.resolve()
      await finish.promise
      return { revision: 7 }
    },
    watch: (_request, stream) => stream.send({ revision: 1 }),
  })
  const watch = admin.watch({})
  const ended = new Promise((resolve) => watch.onEnd(resolve))
  await new Promise<void>((resolve) => watch.onMessage(() => resolve()))
  const status = admin.getStatus({})
  await started.promise
  const closed = server.close()
  t.match(await ended, { code: 'control-stopping', retryable: true })
  finish.resolve()
  t.match(await status, { revision: 7 }, 'what was in flight')
  await closed
  await t.rejects(admin.getStatus({}), { code: 'rpc-unavailable' })
})

t.test('connections are bounded', async (t) => {
  const { admin, connect, events } = await setUp(t, { getStatus: () => ({}) }, 1)
  await admin.getStatus({})
  await t.rejects(connect().getStatus({}), { code: 'rpc-unavailable' })
  t.equal(events[0], 'dropped unix 1')
})

t.test('an error of a handler has its code, whatever the method', async (t) => {
  const { admin, events } = await setUp(t, { delete: refuse, watch: refuse })
  await t.rejects(admin.delete({}), { code: 'resource-in-use', message: 'x is named by y' })
  const watch = admin.watch({})
  t.match(await new Promise((resolve) => watch.onEnd(resolve)), { code: 'resource-in-use' })
  t.same(events, [])
})
