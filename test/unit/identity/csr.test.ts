import { createPublicKey, sign } from 'node:crypto'
import t from 'tap'
import { context, contextConstructed, encode, oid, sequence, tags } from '../../../src/identity/asn1.ts'
import { buildCsr, csrErrorCodes, parseCsr } from '../../../src/identity/csr.ts'
import { basicConstraints, uriAltNames } from '../../../src/identity/extension.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'
import { emptyName, encodeName } from '../../../src/identity/x509.ts'
import { makeKey } from '../../fixtures/ca.ts'
import { altNames, attribute, dnsName, EXTENSION_REQUEST, makeCsr, type Request, uriName } from '../../fixtures/csr.ts'

const key = makeKey('p256')
const id = parseSpiffeId('spiffe://td.example/ns/default/sa/web')
const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const request = (change: Partial<Request>): Buffer => makeCsr({ key, extensions: [uriAltNames([id], true)], ...change })
const dns = dnsName('web.td.example')
const uri = uriName(id)

t.test('what is built is read again', async (t) => {
  const read = parseCsr(buildCsr(key, id))
  t.equal(read.id, id)
  t.ok(read.publicKey.equals(createPublicKey(key)))
  t.equal(parseCsr(request({ extensions: [altNames(uri)] })).id, id, 'the name need not be critical')
})

const refused: readonly (readonly [string, string, () => Buffer])[] = [
  ['csr-malformed', 'nothing', () => Buffer.alloc(0)],
  ['csr-malformed', 'a truncated one', () => buildCsr(key, id).subarray(0, -1)],
  ['csr-malformed', 'a byte too many', () => Buffer.concat([buildCsr(key, id), hex('00')])],
  ['csr-too-large', '4097 bytes', () => Buffer.alloc(4097)],
  ['csr-too-large', 'a subject of 5000 bytes', () => request({ subject: encodeName('o', 'x'.repeat(5000)) })],
  [
    'csr-not-canonical',
    'a length with a leading zero',
    () =>
      Buffer.concat([
        hex('308300'),
        request({ extensions: [uriAltNames([`${id}/${'a'.repeat(200)}`], true)] }).subarray(2),
      ]),
  ],
  ['csr-version', 'version 2', () => request({ version: hex('020101') })],
  ['csr-subject', 'a subject', () => request({ subject: encodeName('o', 'web') })],
  ['csr-key-unsupported', 'P-384', () => request({ key: makeKey('p384') })],
  ['csr-key-unsupported', 'RSA', () => request({ key: makeKey('rsa2048'), signWith: key })],
  ['key-unsupported', 'P-521', () => request({ key: makeKey('p521') })],
  ['key-invalid', 'a point that is not on the curve', () => offCurve(buildCsr(key, id))],
  ['csr-algorithm-unsupported', 'SHA-384', () => signedAs('300a06082a8648ce3d040303', 'sha384')],
  ['signature-algorithm-unsupported', 'SHA-1', () => signedAs('300906072a8648ce3d0401', 'sha1')],
  ['csr-attributes', 'no attribute', () => request({ attributes: [] })],
  [
    'csr-attributes',
    'another attribute',
    () => request({ attributes: [attribute([altNames(uri)], '2a864886f70d010907')] }),
  ],
  [
    'csr-attributes',
    'two attributes',
    () => request({ attributes: [attribute([altNames(uri)]), attribute([altNames(uri)])] }),
  ],
  [
    'csr-malformed',
    'two extension lists',
    () =>
      request({
        attributes: [
          sequence(oid(EXTENSION_REQUEST), encode(tags.set, sequence(altNames(uri)), sequence(altNames(uri)))),
        ],
      }),
  ],
  ['csr-malformed', 'no extension', () => request({ extensions: [] })],
  ['csr-extensions', 'asks to be a CA', () => request({ extensions: [altNames(uri), basicConstraints({ ca: true })] })],
  [
    'csr-extensions',
    'asks for a basic constraint alone',
    () => request({ extensions: [basicConstraints({ ca: false })] }),
  ],
  ['csr-alt-names', 'a DNS name', () => request({ extensions: [altNames(dns)] })],
  ['csr-alt-names', 'a URI and a DNS name', () => request({ extensions: [altNames(uri, dns)] })],
  ['csr-alt-names', 'two URIs', () => request({ extensions: [altNames(uri, uri)] })],
  [
    'csr-alt-names',
    'a URI and an address',
    () => request({ extensions: [altNames(uri, encode(context(7), Buffer.alloc(4)))] }),
  ],
  [
    'spiffe-id-trust-domain-character',
    'capitals',
    () => request({ extensions: [uriAltNames(['spiffe://TD.example/a'], true)] }),
  ],
  ['csr-signature-invalid', 'signed with another key', () => request({ signWith: makeKey('p256') })],
  [
    'csr-signature-invalid',
    'a changed ID',
    () => {
      const der = buildCsr(key, id)
      der[der.indexOf('web') + 2] = 'c'.charCodeAt(0)
      return der
    },
  ],
]

function signedAs(algorithm: string, hash: string): Buffer {
  const info = sequence(
    hex('020100'),
    emptyName,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    encode(contextConstructed(0), attribute([altNames(uri)])),
  )
  const signature = sign(hash, info, key)
  return sequence(info, hex(algorithm), encode(tags.bitString, Buffer.of(0), signature))
}

function offCurve(der: Buffer): Buffer {
  der[der.indexOf(hex('03420004')) + 10]! ^= 1
  return der
}

t.test('a message names what it is about', async (t) => {
  t.throws(() => parseCsr(Buffer.of(1)), { message: 'the certification request is not DER' })
})

t.test('everything else is refused', async (t) => {
  const seen = new Set<string>()
  for (const [code, name, make] of refused) {
    seen.add(code)
    t.throws(() => parseCsr(make()), { code }, name)
  }
  t.same(
    csrErrorCodes.filter((code) => !seen.has(code)),
    [],
    'every code is there',
  )
})
