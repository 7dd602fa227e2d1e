import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/lib/package-root.ts'
import { boundAddress } from '../fixtures/app.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import {
  type Ended,
  findProgram,
  type Program,
  runProgram,
  startProgram,
  temporaryFolder,
  until,
} from '../fixtures/process.ts'
import { freePort } from '../fixtures/web-server.ts'

checkLeaks(t)

const policies = 'examples/policies'
const blocks = [...readFileSync(join(packageRoot, 'examples/README.md'), 'utf8').matchAll(/^```sh\n(.*?)^```/gms)]

t.test('the lines of examples/README.md do what they say', async (t) => {
  if (findProgram('curl') === undefined) {
    console.log('note: curl is not installed: the lines of examples/README.md are not run')
    return
  }
  const app = createServer((_, response) => response.end('items of api\n'))
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  t.teardown(() => {
    app.close()
    app.closeAllConnections()
  })
  const folder = temporaryFolder(t)
  const data = join(folder, 'data')
  const ports = new Map<string, number>([['8080', boundAddress(app).port]])
  for (const port of ['15401', '15406', '15410', '15412']) ports.set(port, await freePort())
  for (const name of readdirSync(join(packageRoot, policies))) {
    const text = readFileSync(join(packageRoot, policies, name), 'utf8')
    writeFileSync(join(folder, name), text.replaceAll('8080', String(ports.get('8080'))))
  }
  const control = `127.0.0.1:${ports.get('15412')}`
  const options = {
    cwd: packageRoot,
    env: {
      // The launcher begins with the Node of this test, so that the process ends with its own id.
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      OUTRIDER_LISTEN: control,
      OUTRIDER_CONTROL_ADDRESS: control,
      OUTRIDER_ADMIN: '127.0.0.1:0',
      OUTRIDER_OUTBOUND: `127.0.0.1:${ports.get('15401')}`,
      OUTRIDER_ADMIN_SOCKET: join(data, 'admin.sock'),
    },
  }
  const scripts = blocks.map(([, text = '']) =>
    text
      .replaceAll('/tmp/outrider-shop', data)
      .replaceAll(policies, folder)
      .replaceAll(/(?<=127\.0\.0\.1:)\d+/g, (port) => String(ports.get(port) ?? port))
      .replace(/^( *)(bin\/outrider (?:control|sidecar))/m, '$1exec $2'),
  )
  t.equal(scripts.length, 5)
  const [controlScript = '', resources = '', api = '', web = '', requests = ''] = scripts
  const start = async (script: string): Promise<Program> => {
    const program = startProgram(t, 'sh', ['-c', script], options)
    await program.line(/"ready":/)
    return program
  }
  const run = (script: string): Promise<Ended> => runProgram(t, 'sh', ['-ec', script], options)

  await start(controlScript)
  const applied = await run(resources)
  t.match(applied, { code: 0, stderr: '' })
  t.match(applied.stdout, /^AuthorizationPolicy +shop +web-reads-items +created$/m)
  await start(api)
  await start(web)
  await until('the way to api', async () => (await run(requests)).stdout.includes('items of api'))
  const { stdout } = await run(requests)
  t.match(stdout, /^HTTP\/1\.1 200 [\s\S]*^items of api\n[\s\S]*^HTTP\/1\.1 403 /m)
  t.match(stdout, /^web +spiffe:\/\/example\.org\/ns\/shop\/sa\/web +synced /m)
})
