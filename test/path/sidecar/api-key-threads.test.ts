import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newApiKey } from '../../../src/identity/api-key.ts'
import type { ApiKey } from '../../../src/policy/model.ts'
import { validateResource } from '../../../src/policy/validate.ts'
import { LOCKOUT_FAILURES } from '../../../src/ratelimit/lockout.ts'
import { startApp } from '../../fixtures/app.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { allow, idOf, workloadOf } from '../../fixtures/sidecar.ts'
import { callers, startTestGroup } from '../../fixtures/workers.ts'

checkLeaks(t)

t.test(
  'threads count wrong keys together, know together who was good, and tell together which were used',
  async (t) => {
    const accepting = validateResource({
      apiVersion: 'outrider.mesh/v1',
      kind: 'RequestAuthentication',
      metadata: { name: 'keys' },
      spec: { apiKeys: {} },
    })
    if (!accepting.ok || accepting.resource.kind !== 'RequestAuthentication') throw new Error('wrong')
    const made = [newApiKey(randomBytes), newApiKey(randomBytes)] as const
    const [good, unused] = made
    const key: ApiKey = {
      kind: 'ApiKey',
      metadata: { namespace: 'default', name: 'shop' },
      spec: {
        workloads: [],
        owner: 'shop',
        scopes: [],
        secrets: made.map(({ id, salt, hash }) => ({ id, salt, hash, createdAtMs: Date.now() })),
      },
    }
    const app = await startApp(t)
    const resources = [workloadOf('api'), allow('all'), accepting.resource, key]
    const group = await startTestGroup(t, { resources, app: app.address })
    const [first, second] = await callers(t, group)
    const show = (text: string): object => ({ 'x-api-key': text })
    const began = Date.now()
    t.equal((await first.send('/', { ...show(good.text) })).status, 200)

    for (let tries = 0; tries < LOCKOUT_FAILURES; tries += 1) {
      const caller = tries % 2 === 0 ? first : second
      t.equal((await caller.send('/', { ...show(newApiKey(randomBytes).text) })).status, 401)
    }
    for (const caller of [first, second]) {
      t.equal((await caller.send('/', { ...show(unused.text) })).status, 429)
      t.equal(
        (await caller.send('/', { ...show(good.text) })).status,
        200,
        'what was proved in one thread holds in both',
      )
    }
    const main = group.group.provers()
    t.ok(main.lockout.lockedForS(idOf('web')) > 0, 'the main thread counts with them')
    t.ok(main.lockout.hasProved(idOf('web'), good.id))

    main.apiKeyUses.record('of-main', began)
    const uses = await group.group.takeApiKeyUses()
    t.same([...uses.keys()].toSorted(), [good.id, 'of-main'].toSorted())
    t.ok(uses.get(good.id)! >= began)
    t.equal((await group.group.takeApiKeyUses()).size, 0, 'each is told once')
  },
)
