import * as fc from 'fast-check'
import t from 'tap'
import { decodeBase64, decodeBase64Url } from '../../../src/identity/base64.ts'

t.test('there and back', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (array) => {
      const bytes = Buffer.from(array)
      return (
        decodeBase64Url(bytes.toString('base64url'))?.equals(bytes) === true &&
        decodeBase64(bytes.toString('base64'))?.equals(bytes) === true
      )
    }),
  )
})

t.test('a text that is read is the only one for its bytes', async (t) => {
  const characters = fc.constantFrom(...'ABQgwxyz0189-_+/=. \n\u0100'.split(''))
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 9 }), (text) => {
      t.ok([undefined, text].includes(decodeBase64Url(text)?.toString('base64url')))
      t.ok([undefined, text].includes(decodeBase64(text)?.toString('base64')))
    }),
  )
  for (const text of ['A', 'AB', 'AAB', 'AA==', 'AA=', 'A A', 'AA\n', 'AA.', '+/8', 'ÀÀ', 'AAAAA'])
    t.equal(decodeBase64Url(text), undefined, JSON.stringify(text))
  for (const text of ['A', 'AA', 'AB==', 'AA=', 'AA===', 'AA==\n', ' AA==', '-_8=', 'AA==AA=='])
    t.equal(decodeBase64(text), undefined, JSON.stringify(text))
})
