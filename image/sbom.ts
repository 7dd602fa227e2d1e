import { createHash } from 'node:crypto'
import type { DebianPackage } from './debian.ts'
import type { NpmPackage } from './packages.ts'

/** What the image holds, as the builder knows it. */
export interface Contents {
  readonly name: string
  readonly version: string
  readonly license: string
  readonly npm: readonly NpmPackage[]
  /** The Node in it, with what is compiled into it: `process.versions`. */
  readonly node: { readonly version: string; readonly path: string; readonly sha256: string; readonly bundles: Bundled }
  readonly debian: readonly DebianPackage[]
  /** The release of Debian: `12`. */
  readonly debianRelease: string
  /** Seconds since 1970. */
  readonly time: number
}

type Bundled = Readonly<Record<string, string>>

/** Of `process.versions`, what has advisories of its own, by the name of its project. */
const bundled: Readonly<Record<string, string>> = {
  acorn: 'acorn',
  ada: 'ada',
  amaro: 'amaro',
  ares: 'c-ares',
  brotli: 'brotli',
  icu: 'icu',
  llhttp: 'llhttp',
  merve: 'merve',
  nbytes: 'nbytes',
  ncrypto: 'ncrypto',
  nghttp2: 'nghttp2',
  openssl: 'openssl',
  simdjson: 'simdjson',
  simdutf: 'simdutf',
  sqlite: 'sqlite',
  undici: 'undici',
  uv: 'libuv',
  uvwasi: 'uvwasi',
  v8: 'v8',
  zlib: 'zlib',
  zstd: 'zstd',
}

/** An object of JSON. */
type Fields = Readonly<Record<string, unknown>>

/**
 * A bill of materials in CycloneDX 1.6 (ECMA-424): packages of npm, Node and what is compiled into it, packages of Debian with each file
 * of theirs that is in the image. The same contents give the same text: time and serial number are of the contents, too.
 */
export function billOfMaterials(contents: Contents): string {
  const { name, version, license, npm, node, debian, debianRelease, time } = contents
  const root = `pkg:npm/${name}@${version}`
  const nodeRef = `pkg:generic/node@${node.version}`
  const refOf = new Map(npm.map((item) => [item.path, npmRef(item)]))
  const debianRefs = debian.map((item) => debianUrl(item, debianRelease))
  const needed = new Set(npm.flatMap(({ dependsOn }) => dependsOn))
  const document = {
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      tools: { components: [{ type: 'application', name: `${name} image/build.ts`, version }] },
      component: {
        type: 'application',
        'bom-ref': root,
        name,
        version,
        purl: root,
        licenses: [{ license: { id: license } }],
      },
    },
    components: [
      ...npm.map(npmComponent),
      {
        type: 'platform',
        'bom-ref': nodeRef,
        name: 'node',
        version: node.version,
        purl: nodeRef,
        cpe: `cpe:2.3:a:nodejs:node.js:${node.version}:*:*:*:*:*:*:*`,
        licenses: [{ license: { id: 'MIT' } }],
        components: [
          fileComponent(nodeRef, node),
          ...Object.entries(bundled).flatMap(([key, project]) => {
            const text = node.bundles[key]
            return text === undefined
              ? []
              : [{ type: 'library', 'bom-ref': `${nodeRef}#${project}`, name: project, version: text }]
          }),
        ],
      },
      ...debian.map((item, index) => ({
        type: 'library',
        'bom-ref': debianRefs[index],
        name: item.name,
        version: item.version,
        purl: debianRefs[index],
        properties: [
          { name: 'outrider:debian:source', value: item.source },
          { name: 'outrider:debian:source-version', value: item.sourceVersion },
        ],
        components: item.files.map((file) => fileComponent(debianRefs[index] ?? '', file)),
      })),
    ],
    dependencies: [
      // Whatever nothing else of npm needs, Outrider needs itself.
      {
        ref: root,
        dependsOn: [...npm.filter(({ path }) => !needed.has(path)).map(npmRef), nodeRef, ...debianRefs],
      },
      ...npm.map((item) => ({ ref: npmRef(item), dependsOn: item.dependsOn.flatMap((path) => refOf.get(path) ?? []) })),
      { ref: nodeRef },
      ...debianRefs.map((ref) => ({ ref })),
    ],
  }
  const digest = createHash('sha256').update(JSON.stringify(document)).digest('hex')
  const heading = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(digest)}`,
    version: 1,
  }
  return `${JSON.stringify({ ...heading, ...document }, undefined, 2)}\n`
}

/** Unique in the image: a package may be installed twice in one version. */
function npmRef({ path, name, version }: NpmPackage): string {
  return path === `node_modules/${name}` ? npmUrl(name, version) : `${npmUrl(name, version)}#${path}`
}

/** The scope's `@` is percent-encoded in a package URL. */
function npmUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace(/^@/, '%40')}@${version}`
}

function npmComponent(item: NpmPackage): Fields {
  const { path, name, version, license, integrity } = item
  const [, scope, bare = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? []
  const [, base64] = /^sha512-(\S+)$/.exec(integrity ?? '') ?? []
  return {
    type: 'library',
    'bom-ref': npmRef(item),
    ...(scope === undefined ? {} : { group: scope }),
    name: bare,
    version,
    purl: npmUrl(name, version),
    ...(license === undefined ? {} : { licenses: [licenseOf(license)] }),
    ...(base64 === undefined
      ? {}
      : { hashes: [{ alg: 'SHA-512', content: Buffer.from(base64, 'base64').toString('hex') }] }),
    properties: [{ name: 'cdx:npm:package:path', value: path }],
  }
}

/** One licence by its identifier; several with the words of SPDX between them. */
function licenseOf(license: string): Fields {
  return / (?:AND|OR|WITH) /.test(license) ? { expression: license } : { license: { id: license } }
}

function debianUrl({ name, version, architecture }: DebianPackage, release: string): string {
  return `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-${release}`
}

function fileComponent(owner: string, { path, sha256 }: { readonly path: string; readonly sha256: string }): Fields {
  return {
    type: 'file',
    'bom-ref': `${owner}#${path}`,
    name: path,
    hashes: [{ alg: 'SHA-256', content: sha256 }],
  }
}

/** RFC 9562, section 5.8: version 8, whose other bits are ours; here the first of a digest. */
function uuidOf(hex: string): string {
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
