// The rules, as each program reads them, beside what they were when they were last looked at.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { iptablesBackend } from '../../../src/capture/iptables-backend.ts'
import { nftText } from '../../../src/capture/nft.ts'
import { rulesOf } from '../../../src/capture/rules.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { plan } from './plans.ts'

const never = async (): Promise<never> => {
  throw new Error('nothing is run to write rules')
}

for (const mode of ['redirect', 'tproxy'] as const) {
  for (const [name, changes] of [
    ['all', {}],
    ['some', { families: ['ipv4'], inboundPorts: '8080,9090', excludeInterfaces: '', excludeOutboundRanges: '' }],
  ] as const) {
    const made = plan({ mode, ...changes })
    for (const [format, text] of [
      ['nft', nftText(made)],
      ['iptables', iptablesBackend(never).text(made)],
    ] as const) {
      t.test(`${mode}, ${name} ports, ${format}`, async (t) => {
        const file = join(packageRoot, 'test', 'vectors', 'capture', `${mode}-${name}.${format}`)
        t.equal(text, readFileSync(file, 'utf8'), file)
      })
    }
  }
}

t.test('the loop guard is before everything that captures what the sidecar sends to others', async (t) => {
  for (const mode of ['redirect', 'tproxy'] as const) {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const { outbound } = rulesOf(plan({ mode }), family)
      const guard = outbound.findIndex(({ matches }) => matches.length === 1 && matches[0]?.kind === 'uid')
      t.ok(guard >= 0)
      for (const { matches, verdict } of outbound.slice(0, guard)) {
        if (verdict.kind === 'pass') continue
        const kinds = matches.map(({ kind }) => kind)
        t.ok(
          kinds.includes('not-to') && kinds.includes('out-interface'),
          'only what it sends to its own pod, not over loopback addresses',
        )
      }
      t.equal(outbound[guard + 1]?.matches[0]?.kind, 'gid')
    }
  }
})
