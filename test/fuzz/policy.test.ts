import * as fc from 'fast-check'
import t from 'tap'
import { compilePolicy } from '../../src/policy/compile.ts'
import { decide } from '../../src/policy/decide.ts'
import { parseDocuments } from '../../src/policy/document.ts'
import { normalisePath } from '../../src/policy/normalise.ts'
import { validateResource } from '../../src/policy/validate.ts'
import { take } from '../../src/ratelimit/gcra.ts'
import { planLimit } from '../../src/ratelimit/plan.ts'
import { permits, policies, request, workload } from '../unit/policy/reference.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
const properties = 4
const seconds = Number(process.env['FUZZ_SECONDS'] ?? 8)
const runs = {
  seed,
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: (seconds * 1000) / properties,
  markInterruptAsFailure: false,
}
console.log(`seed ${seed}`)
t.setTimeout((seconds + 60) * 1000)

t.test('a decision is what its policies mean', async () => {
  fc.assert(
    fc.property(policies, fc.array(request, { minLength: 1, maxLength: 20 }), (list, requests) => {
      const { policy, violations } = compilePolicy({ workload, policies: list, limits: [], services: [] })
      if (violations.length > 0) throw new Error(JSON.stringify(violations))
      for (const request of requests) {
        const decision = decide(policy, request)
        if ((decision.kind === 'permit') !== permits(list, request)) throw new Error(JSON.stringify(request))
        if (decision.kind === 'denial' && decision.code === 'no-allow-rule' && decision.nearest === undefined) {
          const rules = list.filter(({ spec }) => spec.action === 'ALLOW').flatMap(({ spec }) => spec.rules)
          if (rules.length > 0) throw new Error('no nearest rule')
        }
      }
    }),
    runs,
  )
})

t.test('a normalised path has one spelling and stays below the root', async () => {
  const piece = fc.oneof(
    fc.constantFrom('/', '.', '..', '%2e', '%2F', '%5c', '%00', '%C0', '%AF', ';', '//', '?', '%', '\\'),
    fc.string({ unit: 'binary', maxLength: 2 }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const result = normalisePath(`/${pieces.join('')}`)
      if (!result.ok) return
      const again = normalisePath(result.path + result.query)
      if (!again.ok || again.path !== result.path || again.query !== result.query) throw new Error('not idempotent')
      // What the platform's own parser makes of it, for an app that parses again.
      const url = new URL(`http://host${result.path}${result.query}`)
      if (url.host !== 'host') throw new Error(`host ${url.host}`)
      if (decodeDots(url.pathname) !== decodeDots(result.path)) throw new Error(`URL sees ${url.pathname}`)
    }),
    runs,
  )
})

/** `URL` escapes a few characters that are sent as they are. */
function decodeDots(path: string): string {
  return path.replaceAll(/%(22|3C|3E|5E|60|7B|7C|7D)/g, (escape) => decodeURIComponent(escape))
}

t.test('no text makes parsing or validation throw', async () => {
  const pieces =
    'apiVersion: outrider.mesh/v1\n|kind: Service\n|metadata: {name: a}\n|spec:\n|  ports: |- |[|]|{|}|: |\n'
  const marks = '&a |*a|---\n|"|\'|!!set |? |<<: |  |#|\t'
  const word = fc.constantFrom(...pieces.split('|'), ...marks.split('|'), '|')
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 3 })), { maxLength: 30 }), (words) => {
      const { documents, errors } = parseDocuments(words.join(''), 'fuzz.yaml')
      for (const { line, column } of errors) if (line < 1 || column < 1) throw new Error('no place')
      for (const { value, locate } of documents) {
        const result = validateResource(value)
        if (result.ok) continue
        for (const { field } of result.violations) if (locate(field).line < 1) throw new Error('no place')
      }
    }),
    runs,
  )
})

t.test('no sequence of requests passes more than burst and rate allow', async () => {
  const definition = fc.record({
    requests: fc.integer({ min: 1, max: 1000 }),
    perMs: fc.integer({ min: 1, max: 100_000 }),
    burst: fc.integer({ min: 1, max: 50 }),
  })
  const gaps = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { maxLength: 200 })
  fc.assert(
    fc.property(definition, gaps, fc.double({ min: 0, max: 1e9, noNaN: true }), (limit, waits, start) => {
      const plan = planLimit({ scope: 'fuzz', name: 'a', key: 'all', ...limit })
      let tat = Number.NEGATIVE_INFINITY
      let now = start
      let allowed = 0
      for (const wait of waits) {
        now += wait
        const result = take(tat, now, plan.emissionIntervalMs, plan.toleranceMs)
        if (result.allowed) allowed += 1
        tat = result.tat
        const most = limit.burst + ((now - start) / limit.perMs) * limit.requests + 0.01
        if (allowed > most) throw new Error(`${allowed} of at most ${most}`)
      }
    }),
    runs,
  )
})
