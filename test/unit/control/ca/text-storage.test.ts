import t from 'tap'
import { CertificateAuthority } from '../../../../src/control/ca/certificate-authority.ts'
import { TextStorage } from '../../../../src/control/ca/text-storage.ts'
import { parseTrustDomain } from '../../../../src/identity/spiffe-id.ts'
import { TestClock } from '../../../fixtures/clock.ts'

const trustDomain = parseTrustDomain('td.example')
const clock = new TestClock()

t.test('a copy that is changed leaves the original alone, and is taken over as a whole', async (t) => {
  const kept = new TextStorage('here')
  const ca = CertificateAuthority.openIn(kept, trustDomain, clock)
  const names = [...kept.texts.keys()]
  const copy = new TextStorage('here', kept.texts)
  const draft = CertificateAuthority.openIn(copy, trustDomain, clock)
  const { authority } = draft.prepare()
  t.same([...kept.texts.keys()], names)
  t.same([...copy.texts.keys()].filter((name) => name.startsWith(authority.id)).length, 5)
  const seen: number[] = []
  ca.bundle.subscribe(({ sequence }) => seen.push(sequence))
  ca.adopt(copy)
  t.same(
    ca.bundle.current.authorities.map(({ fingerprint }) => fingerprint),
    draft.bundle.current.authorities.map(({ fingerprint }) => fingerprint),
  )
  draft.revoke(authority.id)
  t.same([...copy.texts.keys()].toSorted(), names.toSorted(), 'nothing of it is left')
  ca.adopt(copy)
  t.same(seen, [2, 3])
})

t.test('what is not taken over changes nothing', async (t) => {
  const kept = new TextStorage('here')
  const ca = CertificateAuthority.openIn(kept, trustDomain, clock)
  const first = new TextStorage('here', kept.texts)
  ca.prepare()
  const now = ca.bundle.current
  const other = new TextStorage('here')
  CertificateAuthority.openIn(other, trustDomain, clock).prepare()
  const damaged = new TextStorage(
    'here',
    [...kept.texts].filter(([name]) => !name.endsWith('jwt.key')),
  )
  const cases = [
    ['ca-sequence-fell', 'an older one', first],
    ['ca-sequence-fell', 'another one with the same sequence', other],
    ['ca-file-missing', 'a part of one', damaged],
    ['ca-file-missing', 'nothing', new TextStorage('here')],
  ] as const
  for (const [code, name, storage] of cases) {
    t.throws(() => ca.adopt(storage), { code, message: /^[^\n]{10,300}$/ }, name)
    t.equal(ca.bundle.current, now)
    t.equal(ca.standings.length, 2)
  }
  ca.adopt(new TextStorage('here', kept.texts))
  t.equal(ca.bundle.current, now, 'the same again: the same bundle')
})
