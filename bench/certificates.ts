import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { executable } from './executables.ts'
import { runToEnd } from './processes.ts'

export const TRUST_DOMAIN = 'bench.local'

/** Files of a throw-away PKI in the bench's temporary folder: one root, and one P-256 leaf for each side of the hop. */
export interface Certificates {
  readonly ca: string
  readonly client: Leaf
  readonly app: Leaf
}

export interface Leaf {
  /** The leaf first, then its intermediate where it has one. */
  readonly certificate: string
  readonly key: string
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly combined: string
}

/** A certificate authority, as the paths of its files. */
export interface Issuer {
  readonly certificate: string
  readonly key: string
  readonly kind: 'root' | 'intermediate'
}

const newKey: readonly string[] = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc']

const openssl = async (folder: string, signal: AbortSignal, ...args: readonly string[]): Promise<string> =>
  runToEnd(executable('openssl'), args, { cwd: folder, signal })

/** Makes the certificates that the peers run with; Outrider issues its own. */
export async function makeCertificates(folder: string, signal: AbortSignal): Promise<Certificates> {
  mkdirSync(folder, { mode: 0o700 })
  const extensions = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']
  const files = ['-keyout', 'ca.key', '-out', 'ca.pem']
  await openssl(folder, signal, 'req', '-x509', ...newKey, ...files, '-subj', '/O=bench', '-days', '2', ...extensions)
  const [ca, key] = [join(folder, 'ca.pem'), join(folder, 'ca.key')]
  const root: Issuer = { certificate: ca, key, kind: 'root' }
  return { ca, client: await issue(folder, 'client', root, signal), app: await issue(folder, 'app', root, signal) }
}

/** A leaf for the workload `name`, its files in `folder`. */
export async function issue(folder: string, name: string, issuer: Issuer, signal: AbortSignal): Promise<Leaf> {
  const extensions = [
    // The DNS name is for the peers: they verify the name of the server, Outrider its SPIFFE ID.
    `subjectAltName=URI:spiffe://${TRUST_DOMAIN}/ns/default/sa/${name},DNS:${name}`,
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth,clientAuth',
  ].flatMap((extension) => ['-addext', extension])
  const signer = ['-CA', issuer.certificate, '-CAkey', issuer.key, '-days', '1']
  const [certificate, key, combined] = [
    join(folder, `${name}.pem`),
    join(folder, `${name}.key`),
    join(folder, `${name}.both`),
  ]
  const files = ['-keyout', key, '-out', certificate]
  const subject = ['-subj', `/O=bench/CN=${name}`]
  await openssl(folder, signal, 'req', '-x509', ...newKey, ...files, ...subject, ...signer, ...extensions)
  const leaf = readFileSync(certificate, 'utf8')
  const chain = issuer.kind === 'root' ? leaf : leaf + readFileSync(issuer.certificate, 'utf8')
  writeFileSync(certificate, chain)
  writeFileSync(combined, chain + readFileSync(key, 'utf8'), { mode: 0o600 })
  return { certificate, key, combined }
}
