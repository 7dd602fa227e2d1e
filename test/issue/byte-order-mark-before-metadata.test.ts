import t from 'tap'
import { parse } from 'yaml'
import { injectText } from '../../src/injector/manifest/inject-text.ts'
import { uninjectText } from '../../src/injector/manifest/uninject-text.ts'
import { injectSettings } from '../fixtures/manifests.ts'

const pod = 'apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: a:1\n'

// Found by test/fuzz/manifests.test.ts: what a pod without metadata was given came before the mark, which then was part of the first key.
for (const [name, text] of [
  ['a byte order mark', `\uFEFF${pod}`],
  ['a byte order mark and a comment', `\uFEFF# ours\n${pod}`],
  ['neither', pod],
] as const) {
  t.test(`a pod without metadata, after ${name}`, async (t) => {
    const injected = injectText(text, injectSettings)
    if (!injected.ok) return t.fail(injected.faults[0]?.message ?? 'refused')
    t.match(injected.text, /^\uFEFF?metadata:/)
    t.same(Object.keys(parse(injected.text)).toSorted(), ['apiVersion', 'kind', 'metadata', 'spec'])
    t.match(uninjectText(injected.text), { ok: true, text })
    return undefined
  })
}
