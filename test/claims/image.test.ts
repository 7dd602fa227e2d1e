import t from 'tap'
import { read } from './sources.ts'

const manifest: { readonly optionalDependencies: Readonly<Record<string, string>> } = JSON.parse(read('package.json'))
const dockerfile = read('Dockerfile')
const instructions = dockerfile
  .replace(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
const argumentsOf = (name: string): string[] =>
  instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1).trim())

t.test('the base of the image is exact, and its Node is the one of package.json', async (t) => {
  const bases = argumentsOf('ARG').filter((text) => text.includes('_IMAGE='))
  const [base = ''] = bases
  t.equal(bases.length, 1)
  const [, version] = /^NODE_IMAGE=node:(\d+\.\d+\.\d+)-bookworm-slim(?:@sha256:[0-9a-f]{64})?$/.exec(base) ?? []
  for (const [name, pinned] of Object.entries(manifest.optionalDependencies)) {
    if (name.startsWith('node-')) t.equal(version, pinned, name)
  }
  const used = argumentsOf('FROM').map((text) => text.replace(/ AS \w+$/, ''))
  t.same(used, ['${NODE_IMAGE}', 'scratch'], 'and there is no other')
})

t.test('what is shipped is what image/build.ts makes, and runs without privileges', async (t) => {
  const last = instructions.slice(instructions.indexOf('FROM scratch'))
  const copied = last.filter((line) => /^(?:COPY|ADD|RUN)\b/.test(line))
  t.same(copied, [
    'COPY --from=build /image/ /',
    'COPY --from=build --chown=15400:15400 /image/var/lib/outrider /var/lib/outrider',
  ])
  t.same(argumentsOf('USER'), ['15400:15400'])
  t.ok(instructions.some((line) => line === 'RUN /usr/local/bin/node image/build.ts --out /image'))
  t.ok(instructions.some((line) => line === 'RUN npm ci --ignore-scripts'))
})

t.test('everything that image/build.ts reads is sent to the builder', async (t) => {
  const sent = read('.dockerignore').split('\n')
  for (const name of ['LICENSE', 'package.json', 'package-lock.json', 'tsconfig.build.json', 'tsconfig.json']) {
    t.ok(sent.includes(`!${name}`), name)
  }
  for (const name of ['bin', 'deploy', 'image', 'src']) t.ok(sent.includes(`!${name}`), name)
})

t.test('the size that the guide promises is the one that the test holds the image to', async (t) => {
  const [, bytes = ''] = /^const MAX_BYTES = ([\d_]+)$/m.exec(read('test/system/image.test.ts')) ?? []
  const [, megabytes] = /At most (\d+) MB unpacked/.exec(read('docs/guides/image.md')) ?? []
  t.equal(Number(megabytes) * 1e6, Number(bytes.replaceAll('_', '')))
})
