// The image: what is in it, by its files and by its bill of materials. That its programs run: image-containers.test.ts.
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pathsIn } from '../../image/tree.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { buildImage, SOURCE_DATE_EPOCH } from '../fixtures/image.ts'
import { checkLeaks } from '../fixtures/leaks.ts'
import { missingForNamespaces } from '../fixtures/namespaces.ts'
import { runProgram, temporaryFolder } from '../fixtures/process.ts'

/** The bar of docs/guides/image.md. */
const MAX_BYTES = 200_000_000

interface Component {
  readonly type: string
  readonly 'bom-ref': string
  readonly group?: string
  readonly name: string
  readonly version?: string
  readonly purl?: string
  readonly licenses?: readonly object[]
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
  readonly components?: readonly Component[]
}

interface BillOfMaterials {
  readonly bomFormat: string
  readonly specVersion: string
  readonly serialNumber: string
  readonly version: number
  readonly metadata: { readonly timestamp: string; readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[]
}

const isLeftOut = /^node_modules\/(?:@koromix\/koffi-|node-linux-|@types\/|undici-types)/

const missing =
  missingForNamespaces(['dpkg-query', 'ldd', 'nft']) ??
  (existsSync('/etc/debian_version') ? undefined : 'Debian, whose packages the image is made of')
if (missing === undefined) await proveImage()
else {
  console.log(`note: the tests of the image are left out: they need ${missing}`)
  t.pass(`left out: needs ${missing}`)
}

async function proveImage(): Promise<void> {
  checkLeaks(t)
  const folder = temporaryFolder(t)
  const image = await buildImage(t, join(folder, 'image'))
  const root = image.out
  const bill: BillOfMaterials = JSON.parse(readFileSync(image.sbom, 'utf8'))
  const all = bill.components.flatMap((component) => [component, ...(component.components ?? [])])
  const paths = pathsIn(root).map((path) => `/${path}`)
  const statOf = (path: string): Stats => lstatSync(join(root, path))

  await t.test('it is small enough', async (t) => {
    console.log(`note: image: ${(image.bytes / 1e6).toFixed(1)} MB unpacked, ${image.files} files`)
    t.ok(image.bytes <= MAX_BYTES, `${image.bytes} bytes`)
    const largest = paths.filter((path) => statOf(path).size > 4_000_000)
    t.same(largest, ['/usr/local/bin/node'], 'nothing else in it is large')
  })

  await t.test('built again elsewhere, it is the same to the bit', async (t) => {
    const again = await buildImage(t, join(folder, 'another', 'place'))
    t.match(again, { sha256: image.sha256, bytes: image.bytes, files: image.files })
    t.equal(Math.max(...paths.map((path) => statOf(path).mtimeMs)), SOURCE_DATE_EPOCH * 1000)
  })

  await t.test('a folder that is there already is refused, and a time that is none', async (t) => {
    const script = join(packageRoot, 'image', 'build.ts')
    const there = await runProgram(t, process.execPath, [script, '--out', root])
    t.match(there, { code: 1, stderr: `image/build.ts: ${root} is there already\n` })
    const out = join(folder, 'never')
    const time = await runProgram(t, process.execPath, [script, '--out', out], { env: { SOURCE_DATE_EPOCH: 'now' } })
    t.match(time, { code: 1, stderr: /SOURCE_DATE_EPOCH: seconds since 1970, not "now"/ })
    t.notOk(existsSync(out))
  })

  await t.test('nothing in it helps an intruder, or can be written to', async (t) => {
    const programs = paths.filter((path) => statOf(path).isFile() && (statOf(path).mode & 0o111) !== 0)
    t.same(
      programs.filter((path) => !path.includes('/ld-linux')).toSorted(),
      ['/outrider/bin/outrider', '/usr/bin/ip', '/usr/local/bin/node', '/usr/sbin/nft'],
      'no shell, no package manager',
    )
    for (const path of ['/usr/bin/ip', '/usr/sbin/nft']) {
      t.match(statOf(path), { uid: 0, mode: 0o100700 }, `${path} is for root, which only the capture step is`)
    }
    const special = paths.filter((path) => (statOf(path).mode & 0o6000) !== 0)
    t.same(special, [], 'no program takes the rights of its owner')
    const writable = paths.filter((path) => !statOf(path).isSymbolicLink() && (statOf(path).mode & 0o022) !== 0)
    t.same(writable, ['/tmp'])
    t.match(statOf('/var/lib/outrider'), { uid: 15_400, gid: 15_400, mode: 0o040700 })
    const idle = paths.filter((path) => /\.(?:map|ts|cc|h)$|\/musl_/.test(path))
    t.same(idle, [], 'nothing that no program reads')
  })

  await t.test('the bill of materials is well-formed CycloneDX', async (t) => {
    t.match(bill, { bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 })
    t.match(bill.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    t.equal(bill.metadata.timestamp, new Date(SOURCE_DATE_EPOCH * 1000).toISOString())
    const refs = [bill.metadata.component, ...all].map((component) => component['bom-ref'])
    t.equal(new Set(refs).size, refs.length, 'references are unique')
    const known = new Set(refs)
    for (const { ref, dependsOn = [] } of bill.dependencies) {
      t.same(
        [ref, ...dependsOn].filter((name) => !known.has(name)),
        [],
        ref,
      )
    }
    for (const { type, name, version, purl, hashes } of all) {
      t.ok(['library', 'platform', 'file'].includes(type) && name !== '', name)
      if (purl !== undefined) t.match(purl, /^pkg:(?:npm|deb|generic)\/[^ @]+@[^ @]+$/)
      if (type !== 'file') t.ok(version, `${name} has a version`)
      for (const { alg, content } of hashes ?? [])
        t.match(content, alg === 'SHA-512' ? /^[0-9a-f]{128}$/ : /^[0-9a-f]{64}$/)
    }
  })

  await t.test('the bill of materials has each package of npm that is in the image, and no other', async (t) => {
    const installed = paths.filter((path) => /\/node_modules\/(?:@[^/]+\/)?[^@/][^/]*\/package\.json$/.test(path))
    const found = installed.map((path) => {
      const { name, version } = JSON.parse(readFileSync(join(root, path), 'utf8'))
      return `${path.slice('/outrider/'.length, -'/package.json'.length)} ${name} ${version}`
    })
    const named = bill.components.flatMap(({ purl = '', group, name, version, properties = [] }) =>
      purl.startsWith('pkg:npm/')
        ? [`${properties[0]?.value} ${group === undefined ? '' : `${group}/`}${name} ${version}`]
        : [],
    )
    t.ok(named.length > 30, `${named.length} packages`)
    t.same(named.toSorted(), found.toSorted())
  })

  await t.test('it has what npm marks for production in the lock file', async (t) => {
    const lock: { readonly packages: Readonly<Record<string, { readonly dev?: boolean }>> } = JSON.parse(
      readFileSync(join(packageRoot, 'package-lock.json'), 'utf8'),
    )
    const marked = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)
    const ours = new Set(bill.components.map(({ properties = [] }) => properties[0]?.value))
    t.same(
      marked.map(([path]) => path).filter((path) => !ours.has(path) && !isLeftOut.test(path)),
      [],
      'but for other platforms, the Node of npm, and types',
    )
    const paths = new Set(marked.map(([path]) => path))
    t.same(
      [...ours].filter((path) => path?.startsWith('node_modules/') && !paths.has(path)),
      [],
    )
  })

  await t.test('the bill of materials has each file of the system, with its digest and its package', async (t) => {
    const files = all.filter(({ type }) => type === 'file')
    const digestOf = (path: string): string =>
      createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest('hex')
    for (const { name, hashes } of files) t.same(hashes, [{ alg: 'SHA-256', content: digestOf(name) }], name)
    const binaries = paths.filter(
      (path) =>
        path.startsWith('/usr/') &&
        statOf(path).isFile() &&
        readFileSync(join(root, path)).subarray(0, 4).equals(Buffer.from('\x7fELF')),
    )
    t.same(files.map(({ name }) => name).toSorted(), binaries.toSorted())
    for (const name of ['libc6', 'libstdc++6', 'nftables', 'iproute2']) {
      t.ok(
        bill.components.some((component) => component.name === name),
        name,
      )
    }
    t.match(
      bill.components.find(({ name }) => name === 'node'),
      { version: process.versions.node, type: 'platform' },
    )
  })

  await t.test('licences go with what they are for', async (t) => {
    const debian = bill.components.filter(({ purl }) => purl?.startsWith('pkg:deb/'))
    for (const { name } of debian) {
      t.ok(existsSync(join(root, 'usr/share/doc', name, 'copyright')), name)
      t.ok(existsSync(join(root, 'var/lib/dpkg/status.d', name)), `${name}, for scanners`)
    }
    const without = bill.components.filter(
      ({ purl, properties = [] }) =>
        purl?.startsWith('pkg:npm/') === true &&
        !readdirSync(join(root, 'outrider', properties[0]?.value ?? '')).some((name) => /^licen[cs]e/i.test(name)),
    )
    for (const { name, licenses = [] } of without) t.ok(licenses.length > 0, `${name} names its licence at least`)
  })
}
