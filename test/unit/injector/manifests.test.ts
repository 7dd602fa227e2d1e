import t from 'tap'
import { injectText } from '../../../src/injector/manifest/inject-text.ts'
import { uninjectText } from '../../../src/injector/manifest/uninject-text.ts'
import { injectSettings, isRefused, manifestVectors, written } from '../../fixtures/manifests.ts'

const vectors = manifestVectors()

t.test('manifests of every kind', async (t) => {
  t.ok(vectors.filter(({ name }) => !isRefused(name)).length >= 40, `${vectors.length} manifests`)
  for (const { name, text, expected } of vectors) {
    const injected = injectText(text, injectSettings)
    t.equal(written(injected), expected, `${name}: as expected`)
    t.equal(injected.ok, !isRefused(name), `${name}: ${injected.ok ? 'written' : 'refused'}`)
    if (!injected.ok) continue
    const twice = injectText(injected.text, injectSettings)
    t.equal(written(twice), injected.text, `${name}: twice is once`)
    const back = uninjectText(injected.text)
    t.equal(written(back), text, `${name}: uninject gives back every byte`)
    const touched = injected.templates.filter(({ outcome }) => outcome === 'injected').length
    const restored = back.ok ? back.templates.filter(({ outcome }) => outcome === 'restored').length : -1
    t.equal(restored, touched, `${name}: ${touched} pods restored`)
  }
})
