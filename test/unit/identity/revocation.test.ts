import t from 'tap'
import { noRevocations, parseSerial, revokedBy } from '../../../src/identity/revocation.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'

const id = parseSpiffeId('spiffe://td.example/web')

t.test('an SVID is revoked by its serial or by its identity', async (t) => {
  const revocations = {
    serials: new Map([['0a', 'Revocation/default/one']]),
    ids: new Map([[id, 'Revocation/default/all']]),
  }
  t.equal(
    revokedBy({ serial: '0a', id: parseSpiffeId('spiffe://td.example/x') }, revocations),
    'Revocation/default/one',
  )
  t.equal(revokedBy({ serial: '0b', id }, revocations), 'Revocation/default/all')
  t.equal(revokedBy({ serial: '0b', id: parseSpiffeId('spiffe://td.example/web/x') }, revocations), undefined)
  t.equal(revokedBy({ serial: '0a', id }, noRevocations), undefined)
})

t.test('serial numbers as people write them', async (t) => {
  for (const [text, serial] of [
    ['0a', '0a'],
    ['A', '0a'],
    ['00:0A:ff', '0aff'],
    ['0000', '00'],
    ['f'.repeat(40), 'f'.repeat(40)],
  ] as const)
    t.equal(parseSerial(text), serial, text)
  for (const text of ['', ':', '0x0a', 'g', '-1', ' 0a', 'f'.repeat(41)])
    t.throws(() => parseSerial(text), { code: 'serial-malformed' }, text)
})
