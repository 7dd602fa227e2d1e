import t from 'tap'
import { didYouMean, nearest } from '../../../src/lib/nearest.ts'

const known = ['drainTimeoutMs', 'headTimeoutMs', 'admin', 'inbound', 'outbound']

t.test('finds the name that was meant', async (t) => {
  t.equal(nearest('drainTimeout', known), 'drainTimeoutMs')
  t.equal(nearest('DRAINTIMEOUTMS', known), 'drainTimeoutMs', 'case does not count')
  t.equal(nearest('inbuond', known), 'inbound')
  t.equal(didYouMean('amdin', known), ' (did you mean "admin"?)', 'letters swapped')
  t.equal(didYouMean('admi', known), ' (did you mean "admin"?)')
})

t.test('keeps silent when nothing is near', async (t) => {
  for (const name of ['', 'x', 'zzzzzzzz', 'a'.repeat(10_000)]) t.equal(nearest(name, known), undefined)
})
