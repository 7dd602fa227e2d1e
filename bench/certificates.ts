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
  readonly certificate: string
  readonly key: string
  /** Certificate and key in one file, as HAProxy wants them. */
  readonly combined: string
}

/** Makes the certificates that the peers run with; Outrider issues its own. */
export async function makeCertificates(folder: string, signal: AbortSignal): Promise<Certificates> {
  mkdirSync(folder, { mode: 0o700 })
  const openssl = async (...args: readonly string[]): Promise<string> =>
    runToEnd(executable('openssl'), args, { cwd: folder, signal })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc']

  const caExtensions = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign']
  const caFiles = ['-keyout', 'ca.key', '-out', 'ca.pem']
  await openssl('req', '-x509', ...newKey, ...caFiles, '-subj', '/O=bench', '-days', '2', ...caExtensions)

  const issue = async (name: string): Promise<Leaf> => {
    const extensions = [
      // The DNS name is for the peers: they verify the name of the server, Outrider its SPIFFE ID.
      `subjectAltName=URI:spiffe://${TRUST_DOMAIN}/ns/default/sa/${name},DNS:${name}`,
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth,clientAuth',
    ].flatMap((extension) => ['-addext', extension])
    const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '1']
    const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`]
    await openssl('req', '-x509', ...newKey, ...files, '-subj', `/O=bench/CN=${name}`, ...issuer, ...extensions)
    const [certificate, key, combined] = [
      join(folder, `${name}.pem`),
      join(folder, `${name}.key`),
      join(folder, `${name}.both`),
    ]
    writeFileSync(combined, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 })
    return { certificate, key, combined }
  }
  return { ca: join(folder, 'ca.pem'), client: await issue('client'), app: await issue('app') }
}
