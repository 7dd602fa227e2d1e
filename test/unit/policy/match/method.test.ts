import t from 'tap'
import { parseMethod } from '../../../../src/policy/match/method.ts'

t.test('methods are tokens and case-sensitive', async (t) => {
  for (const method of ['GET', 'PROPFIND', 'M-SEARCH', 'custom']) t.equal(parseMethod(method), method)
  for (const method of ['', 'GET ', 'GE T', 'G/T', 'É', 'GET\n'])
    t.throws(() => parseMethod(method), { code: 'method-malformed' }, JSON.stringify(method))
  t.throws(() => parseMethod('get'), { code: 'method-case', message: /did you mean GET/ })
})
