import t from 'tap'
import {
  compileRegex,
  MAX_REGEX_PROGRAM,
  MAX_REGEX_TEXT,
  MAX_REGEX_WORK,
  matchesRegex,
} from '../../../../src/policy/match/regex.ts'

t.test('expressions are those of RE2, for the whole text', async (t) => {
  t.equal(matchesRegex(compileRegex('a+'), 'aaa'), true)
  t.equal(matchesRegex(compileRegex('a+'), 'aaab'), false)
  t.equal(matchesRegex(compileRegex('(?i)abc'), 'ABC'), true)
  t.equal(matchesRegex(compileRegex('a|ab'), 'ab'), true, 'each alternative is tried for the whole')
  for (const text of ['(', '[', 'a**', '(?=a)', String.raw`a\1`, '(?<=a)b', 'a{1001}', '((a{100}){10}){10}'])
    t.throws(() => compileRegex(text), { code: 'regex-malformed' }, text)
  t.throws(() => compileRegex(`(${'a[bc]d'.repeat(300)}){2}`), {
    code: 'regex-too-large',
    message: /MAX_REGEX_PROGRAM/,
  })
  t.ok(compileRegex('[a-z]{1,100}').programSize() < MAX_REGEX_PROGRAM)
})

t.test('of a text that is too long nothing is known', async (t) => {
  t.equal(matchesRegex(compileRegex('a*'), 'a'.repeat(MAX_REGEX_TEXT)), true)
  t.equal(matchesRegex(compileRegex('a*'), 'a'.repeat(MAX_REGEX_TEXT + 1)), 'unknown')
  const large = compileRegex('[ab]*a[ab]{400}')
  const most = Math.floor(MAX_REGEX_WORK / large.programSize())
  t.equal(matchesRegex(large, 'a'.repeat(most)), true)
  t.equal(matchesRegex(large, 'a'.repeat(most + 1)), 'unknown')
})

t.test('time is linear in the text: eight times the text takes nothing like the square', async (t) => {
  // Each of these takes a backtracking engine 2^n or n^2 steps.
  for (const text of ['(a+)+', '(a|aa)+', '(a*)*b', '(.*)(.*)(.*)(.*)x', '([a-z]+)*1']) {
    const regex = compileRegex(text)
    const once = (length: number): bigint => {
      const input = `${'a'.repeat(length)}!`
      let least: bigint | undefined
      for (let round = 0; round < 15; round += 1) {
        const begin = process.hrtime.bigint()
        for (let index = 0; index < 20; index += 1) matchesRegex(regex, input)
        const took = process.hrtime.bigint() - begin
        if (least === undefined || took < least) least = took
      }
      return least!
    }
    once(MAX_REGEX_TEXT - 1)
    const ratio = Number(once(MAX_REGEX_TEXT - 1)) / Number(once((MAX_REGEX_TEXT >> 3) - 1))
    t.ok(ratio < 32, `the ratio is bounded for ${text}`)
  }
})
