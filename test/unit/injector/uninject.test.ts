import t from 'tap'
import { injectText } from '../../../src/injector/manifest/inject-text.ts'
import { uninjectText } from '../../../src/injector/manifest/uninject-text.ts'
import { openDocument } from '../../../src/policy/document-edit.ts'
import { injectSettings, manifestText, written } from '../../fixtures/manifests.ts'
import { injectedValue } from '../../fixtures/patched.ts'

function injected(text: string): string {
  const result = injectText(text, injectSettings)
  if (!result.ok) throw new Error(written(result))
  return result.text
}

function valueOf(text: string): unknown {
  const opened = openDocument(text)
  if (opened === undefined || !('value' in opened)) throw new Error('it cannot be read')
  return opened.value
}

t.test('what changes around the pod stays changed', async (t) => {
  const text = manifestText('deployment-shop.yaml')
  const scaled = injected(text).replace('replicas: 3', 'replicas: 12').replace('# The cart', '# Hands off!\n# The cart')
  const back = uninjectText(scaled)
  t.equal(written(back), text.replace('replicas: 3', 'replicas: 12').replace('# The cart', '# Hands off!\n# The cart'))
  t.match(back, { templates: [{ outcome: 'restored' }] })
})

t.test('of a pod that has changed, what was added goes and what has changed stays', async (t) => {
  for (const name of [
    'deployment-shop.yaml',
    'statefulset-postgres.yaml',
    'several-containers.yaml',
    'init-containers.yaml',
  ]) {
    const text = manifestText(name)
    const bumped = (before: string): string => before.replace(/image: (\w)/, 'image: another-$1')
    // Not one of ours, which goes.
    const changed = injected(text).replace(/image: (?!registry\.example\.com\/outrider)(\w)/, 'image: another-$1')
    const back = uninjectText(changed)
    t.match(back, { ok: true, templates: [{ outcome: 'removed' }] }, name)
    t.same(valueOf(written(back)), valueOf(bumped(text)), `${name}: the value`)
    t.notMatch(written(back), /outrider/, name)
  }
})

t.test('a pod from a cluster, which has no text to restore', async (t) => {
  const pod = valueOf(manifestText('anchors-probe.yaml'))
  const made = JSON.parse(manifestText('json-minified.json'))
  for (const value of [
    pod,
    made,
    { ...made, metadata: { name: 'x', annotations: { 'outrider.mesh/mode': 'explicit', a: 'b' } } },
  ]) {
    const text = JSON.stringify(injectedFromCluster(value))
    const back = uninjectText(text)
    t.match(back, { ok: true, templates: [{ outcome: 'removed' }] })
    t.same(valueOf(written(back)), JSON.parse(JSON.stringify(value)))
  }
})

/** As the webhook injects: the record tells no way back for a text. */
function injectedFromCluster(value: unknown): unknown {
  const whole = JSON.parse(JSON.stringify(injectedValue(value, undefined)))
  const { text } = { text: injected(JSON.stringify(value)) }
  const annotations = JSON.parse(text).metadata.annotations
  const { undo: _, ...record } = JSON.parse(annotations['outrider.mesh/injected'])
  whole.metadata.annotations['outrider.mesh/injected'] = JSON.stringify(record)
  return whole
}

t.test('what was not injected is left alone; what says so in vain is refused', async (t) => {
  const plain = manifestText('multi-document.yaml')
  t.equal(written(uninjectText(plain)), plain)
  t.match(uninjectText(plain), { templates: [{ outcome: 'not-injected' }] })
  const damaged = uninjectText(manifestText('refused-damaged-record.yaml'))
  t.match(damaged, { ok: false, faults: [{ code: 'inject-name-conflict', message: /was not injected like this/ }] })
})

t.test('a record that somebody made up moves nothing that is not ours', async (t) => {
  const text = injected(manifestText('pod-plain.yaml'))
  for (const undo of [
    '{"own":[-5,99999,""],"layers":[],"span":[0,0,""]}',
    '{"own":[0,0,"x"],"layers":[[[-9999,1,"y"]]],"span":[0,1,"z"]}',
  ]) {
    const forged = text.replace(/"undo":\{.*\}\}'/, `"undo":${undo}}'`)
    t.not(forged, text)
    const back = uninjectText(forged)
    t.match(back, { ok: true, templates: [{ outcome: 'removed' }] })
    t.same(valueOf(written(back)), valueOf(manifestText('pod-plain.yaml')))
  }
})
