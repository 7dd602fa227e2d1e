import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { INJECTED } from '../../../src/injector/names.ts'
import { checkLeaks } from '../../fixtures/leaks.ts'
import { manifestText } from '../../fixtures/manifests.ts'
import { outrider, temporaryFolder } from '../../fixtures/process.ts'

checkLeaks(t)

t.test('through a pipe, and back', async (t) => {
  const text = manifestText('crlf-multi-document.yaml')
  const injected = await outrider(t, ['inject', '-f', '-', '--image', 'registry.example.com/outrider:9'], {
    input: text,
  })
  t.equal(injected.code, 0)
  t.equal(injected.stderr, 'Pod a: injected\n')
  t.match(injected.stdout, /image: registry\.example\.com\/outrider:9\r\n/)
  t.match(injected.stdout, INJECTED)
  const back = await outrider(t, ['uninject', '--quiet'], { input: injected.stdout })
  t.match(back, { code: 0, stdout: text, stderr: '' })
})

t.test('faults have file, line, column and code, and nothing is written', async (t) => {
  const folder = temporaryFolder(t)
  const file = join(folder, 'pods.yaml')
  writeFileSync(file, `${manifestText('pod-plain.yaml')}---\n${manifestText('refused-host-network.yaml')}`)
  const refused = await outrider(t, ['inject', '-f', file])
  t.equal(refused.code, 3)
  t.equal(refused.stdout, '')
  t.match(refused.stderr, `${file}:26:7: spec.hostNetwork: the pod shares the network of its node`)
  t.match(refused.stderr, /\(inject-host-network\)\nnothing was written: one fault\n$/)

  const broken = await outrider(t, ['inject'], { input: 'kind: Pod\n  spec: [' })
  t.match(broken, { code: 3, stdout: '', stderr: /^stdin:1:7: .*\(manifest-malformed\)\n/ })
  const binary = await outrider(t, ['uninject'], { input: Buffer.of(0x6b, 0xff) })
  t.match(binary, { code: 3, stdout: '', stderr: /stdin is not UTF-8 \(manifest-refused\)/ })
  const lost = await outrider(t, ['inject', '-f', join(folder, 'none.yaml')])
  t.match(lost, { code: 2, stdout: '', stderr: /cannot read .*none\.yaml.*\(usage-file\)/ })
  const wrong = await outrider(t, ['inject', '--mode', 'magic'], { input: '' })
  t.match(wrong, { code: 2, stdout: '', stderr: /one of redirect, tproxy, explicit/ })
  const old = await outrider(t, ['inject', '--kubernetes-version', '1.27'], { input: manifestText('pod-plain.yaml') })
  t.match(old, {
    code: 3,
    stdout: '',
    stderr: /Kubernetes 1\.27 has no native sidecars.*\(inject-kubernetes-version\)/,
  })
  t.equal(readFileSync(file, 'utf8').includes(INJECTED), false)
})

t.test('a sidecar that is not there cannot drain', async (t) => {
  const drained = await outrider(t, ['drain', '--sidecar', '127.0.0.1:1'])
  t.match(drained, { code: 5, stderr: /no sidecar answers at 127\.0\.0\.1:1/ })
})
