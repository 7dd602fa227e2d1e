import t from 'tap'
import { verifyDpopProof } from '../../../src/identity/dpop.ts'
import { dpopProof, makeSigningKey, thumbprint } from '../../fixtures/user-tokens.ts'

t.test('the proof of RFC 9449, 7.1', async (t) => {
  const token = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'
  const proof = [
    'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19',
    'eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9',
    '2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA',
  ].join('.')
  const madeAtMs = 1_562_262_618_000
  t.strictSame(verifyDpopProof(proof, token, madeAtMs), {
    thumbprint: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I',
    id: 'e1j3V_bKic8-LAEB',
    method: 'GET',
    uri: 'https://resource.example.org/protectedresource',
    expiresAtMs: madeAtMs + 60_000,
  })
  for (const [atMs, good] of [
    [madeAtMs - 30_000, true],
    [madeAtMs - 30_001, false],
    [madeAtMs + 59_999, true],
    [madeAtMs + 60_000, false],
  ] as const) {
    const check = () => verifyDpopProof(proof, token, atMs)
    if (good) t.doesNotThrow(check, String(atMs))
    else t.throws(check, { code: 'dpop-proof-expired' }, String(atMs))
  }
  t.throws(() => verifyDpopProof(proof, `${token}x`, madeAtMs), { code: 'dpop-proof-invalid' }, 'of another token')
})

t.test('a message names the proof, and quotes no more of it than what is wrong', async (t) => {
  const key = makeSigningKey('ES256')
  const now = Date.now()
  t.equal(verifyDpopProof(dpopProof(key, 'x'), 'x', now).thumbprint, thumbprint(key))
  t.throws(() => verifyDpopProof(dpopProof(key, 'x', {}, { typ: 'x\n\u001b[2J' }), 'x', now), {
    message: /^the DPoP proof has the type "x\\n\\u001b\[2J"$/,
  })
  t.throws(() => verifyDpopProof('a.b.c', 'x', now), { message: /^the DPoP proof [ -~]+$/ })
})
