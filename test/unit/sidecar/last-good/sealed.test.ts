import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import {
  MAX_BODY_BYTES,
  keyIdOf,
  open,
  seal,
  type SealingIdentity,
  sealingIdentity,
} from '../../../../src/sidecar/last-good/sealed.ts'
import { idOf } from '../../../fixtures/sidecar.ts'

function identity(name: string): SealingIdentity {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return sealingIdentity({ id: idOf(name), privateKey })
}

const ours = identity('web')
const header = { revision: 7, syncedAtMs: Date.UTC(2026, 0, 1) }
const body = [Buffer.from('ALLOW'), Buffer.from(' and DENY')]

async function file(kind: 'policy' | 'seen' = 'policy', by: SealingIdentity = ours): Promise<Buffer> {
  return Buffer.concat((await seal(kind, header, body, by)).pieces)
}

function codeOf(bytes: Buffer, by: SealingIdentity = ours): string {
  try {
    open('policy', bytes, by)
    return 'opened'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

t.test('what is sealed is opened by the same key, whole and with its header', async (t) => {
  const sealed = await seal('policy', header, body, ours)
  const opened = open('policy', Buffer.concat(sealed.pieces), ours)
  t.match(opened.header, { ...header, spiffeId: ours.spiffeId })
  t.equal(opened.body.toString(), 'ALLOW and DENY')
  t.equal(opened.tag, sealed.tag)
  t.equal(keyIdOf('policy', await file()), ours.keyId)

  // The same key, read anew and of another encoding.
  const pem = ours.privateKey.export({ type: 'sec1', format: 'pem' })
  const again = sealingIdentity({ id: ours.spiffeId, privateKey: createPrivateKey(pem) })
  t.equal(codeOf(await file(), again), 'opened')

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rsa = sealingIdentity({ id: ours.spiffeId, privateKey })
  t.equal(codeOf(await file('policy', rsa), rsa), 'opened')
})

t.test('the header can be read by everybody, the body by nobody', async (t) => {
  const text = (await file()).toString('latin1')
  t.match(text, /^outrider last-good policy 1\n\{"spiffeId":"spiffe:[^\n]*"revision":7,/)
  t.notMatch(text, /ALLOW|DENY/)
  const [one, two] = [await file(), await file()]
  t.notOk(one.equals(two), 'no two files have the same key')
})

t.test('any byte that is changed, in any way, is noticed', async (t) => {
  const whole = await file()
  const codes = new Map<string, number>()
  for (let at = 0; at < whole.length; at += 1) {
    for (const mask of [1, 0x20, 0x80, 0xff]) {
      const changed = Buffer.from(whole)
      changed[at]! ^= mask
      const code = codeOf(changed)
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
  }
  t.notOk(codes.has('opened'))
  t.same(
    [...codes.keys()].filter((code) => !/^last-good-(malformed|version|identity|key|truncated|tampered)$/.test(code)),
    [],
  )
  t.comment(`${whole.length} bytes: ${[...codes].map(([code, count]) => `${code} ${count}`).join(', ')}`)
})

t.test('a file of any other length is refused', async (t) => {
  const whole = await file()
  const headerBytes = whole.indexOf('\n', whole.indexOf('\n') + 1) + 1
  for (let length = 0; length < whole.length; length += 1) {
    const code = codeOf(whole.subarray(0, length))
    const wanted = length < headerBytes ? 'last-good-malformed' : 'last-good-truncated'
    if (code !== wanted) t.fail(`${length} bytes: ${code}, not ${wanted}`)
  }
  t.equal(codeOf(Buffer.concat([whole, Buffer.from('x')])), 'last-good-tampered')
  t.equal(codeOf(Buffer.alloc(100_000, 'x')), 'last-good-malformed')
  t.equal(codeOf(Buffer.alloc(100_000, '\n')), 'last-good-malformed')
})

t.test('a file of somebody else, of another key, kind or version is refused, each with its own code', async (t) => {
  t.equal(codeOf(await file('policy', identity('orders'))), 'last-good-identity')
  t.equal(codeOf(await file('policy', identity('web'))), 'last-good-key')
  t.equal(codeOf(await file('seen')), 'last-good-malformed')
  const text = (await file()).toString('latin1')
  t.equal(codeOf(Buffer.from(text.replace('policy 1', 'policy 2'), 'latin1')), 'last-good-version')
})

t.test('the words of the header are sealed: none can be put in the place of another', async (t) => {
  const whole = (await file()).toString('latin1')
  const swap = (from: string | RegExp, to: string): string => {
    const changed = whole.replace(from, to)
    t.not(changed, whole)
    return codeOf(Buffer.from(changed, 'latin1'))
  }
  t.equal(swap(/"syncedAtMs":\d+/, `"syncedAtMs":${header.syncedAtMs + 86_400_000}`), 'last-good-tampered')
  t.equal(swap('"revision":7', '"revision":8'), 'last-good-tampered')
  t.equal(swap('{"', '{ "'), 'last-good-tampered')
  t.equal(swap(/"bodyBytes":\d+/, `"bodyBytes":${MAX_BODY_BYTES + 1}`), 'last-good-malformed')
  t.equal(swap(/"bodyBytes":\d+/, '"bodyBytes":-1'), 'last-good-malformed')
  t.equal(swap(/"salt":"[^"]*"/, '"salt":""'), 'last-good-malformed')
  t.equal(swap(/"nonce":"[^"]*"/, '"nonce":7'), 'last-good-malformed')
  // As another identity of the same key would have it.
  t.equal(codeOf(Buffer.from(whole, 'latin1'), { ...ours, spiffeId: idOf('orders') }), 'last-good-identity')
  const renamed = Buffer.from(whole.replace(idOf('web'), idOf('cat')), 'latin1')
  t.equal(codeOf(renamed, { ...ours, spiffeId: idOf('cat') }), 'last-good-tampered')
})
