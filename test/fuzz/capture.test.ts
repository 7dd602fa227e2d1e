// What comes from outside to the code of capture: first bytes, saved rules, texts of options. Nothing throws but errors with a code,
// nothing waits for ever, and no text becomes a rule that nobody meant.
import t from 'tap'
import { parseSave, ownPart, restoreText, wantedPart } from '../../src/capture/iptables.ts'
import { nftText } from '../../src/capture/nft.ts'
import { parsePlan } from '../../src/capture/plan.ts'
import { firstName, NAME_BYTES } from '../../src/http/first-name.ts'
import { OutriderError } from '../../src/lib/errors.ts'
import { beginCase, below, pick, seconds, seed, Tally } from '../fixtures/fuzz.ts'

console.log(`seed ${seed}`)

/** The least of a ClientHello that has a server name: version, random, no session, one suite, no compression, two extensions. */
const extensions = Buffer.from('0000000f000d00000a6f72646572732e736862002b0003020304', 'hex')
const body = Buffer.concat([
  Buffer.from([3, 3]),
  Buffer.alloc(32, 0xab),
  Buffer.from([0, 0, 2, 0x13, 1, 1, 0, 0, extensions.length]),
  extensions,
])
const hello = Buffer.concat([Buffer.from([0x16, 3, 1, 0, body.length + 4, 1, 0, 0, body.length]), body])
const request = Buffer.from('GET http://orders.shop/x HTTP/1.1\r\nHost: orders.shop\r\nAccept: */*\r\n\r\n')

function mutate(bytes: Buffer): Buffer {
  const at = below(bytes.length + 1)
  const inserted = Buffer.from(Array.from({ length: pick(0, 1, 1, 2, 40) }, () => below(256)))
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + pick(0, 1, 1, 5))])
}

const pieces = [
  '15006',
  '80',
  '0',
  '65536',
  '10.0.0.0/8',
  '::1',
  'eth0',
  'cni0',
  '\n',
  ' ',
  ',',
  '"',
  '-j ACCEPT',
  ';',
  '}',
  '#',
  'lo',
  'é',
  '\0',
]
const someText = (): string => Array.from({ length: below(5) }, () => pick(...pieces)).join(pick('', ','))
const numbers = (): string => pick('80', '8080,9090', '', someText())

/** A rule of ours, whole; nothing else may be on a line. */
const rule =
  /^-[AI] (?:OUTRIDER_(?:INBOUND|OUTBOUND)|(?:PREROUTING|OUTPUT) 1)(?: !)?(?: -d [0-9a-f.:]+\/\d+)?(?: -i [\w.:@-]+)?(?: -o [\w.:@-]+)? -p tcp(?: -m tcp --dport \d+)?(?: -m (?:owner --[ug]id-owner \d+|conntrack --ctdir REPLY|addrtype ! --dst-type LOCAL|mark --mark 0x[0-9a-f]+))? -j [A-Z_]+(?: --[a-z-]+ [\w.:/]+)*$/
const nftLine =
  /^(?:(?:add|delete) table inet outrider|table inet outrider \{|\tchain (?:in|out)bound \{|\t?\}||\t\t[^{}#\n]+)$/

t.test('for as long as it is asked for', async (t) => {
  t.same(firstName(hello), { protocol: 'tls', name: 'orders.shb' })
  const tally = new Tally()
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    beginCase()
    const bytes = mutate(mutate(pick(hello, request)))
    const shown = firstName(bytes)
    tally.add(shown === undefined ? 'more bytes' : shown.name === undefined ? 'no name' : 'a name')
    if (shown?.name !== undefined && !/^\S{1,1000}$/.test(shown.name))
      t.fail(`a name with white space in it: ${bytes.toString('hex')}`)
    const filled = Buffer.concat([bytes, Buffer.alloc(NAME_BYTES, below(256))])
    if (firstName(filled) === undefined) t.fail(`undecided for ever: ${bytes.toString('hex')}`)

    try {
      const plan = parsePlan({
        mode: pick('redirect', 'tproxy'),
        families: pick(['ipv4'], ['ipv6'], ['ipv4', 'ipv6']),
        inboundPort: pick('15006', someText()),
        outboundPort: pick('15001', someText()),
        uid: pick('15400', someText()),
        gid: '15400',
        inboundPorts: numbers(),
        excludeInboundPorts: numbers(),
        excludeOutboundPorts: numbers(),
        excludeOutboundRanges: pick('10.0.0.0/8,::/0', someText()),
        excludeInterfaces: pick('eth0,cni0', someText()),
      })
      tally.add('a plan')
      for (const family of plan.families) {
        const text = restoreText(new Map(), (table) => wantedPart(plan, family, table))
        for (const line of text.split('\n')) {
          if (!/^(?:\*(?:nat|mangle)|:OUTRIDER_[A-Z_]+ - \[0:0\]|COMMIT|)$/.test(line) && !rule.test(line))
            t.fail(`a line that nobody meant: ${line}`)
        }
      }
      for (const line of nftText(plan).split('\n')) if (!nftLine.test(line)) t.fail(`a line that nobody meant: ${line}`)
    } catch (error) {
      if (!(error instanceof OutriderError) || error.code !== 'capture-plan') throw error
      tally.add('no plan')
    }

    const save = `*nat\n:OUTPUT ACCEPT [0:0]\n${mutate(Buffer.from(':OUTRIDER_INBOUND - [0:0]\n-A OUTPUT -p tcp -j OUTRIDER_INBOUND\n-A OUTRIDER_INBOUND -j RETURN\n')).toString('latin1')}COMMIT\n`
    for (const table of parseSave(save).values()) {
      const own = ownPart(table)
      if (own.chains.some((chain) => !chain.startsWith('OUTRIDER_'))) t.fail(`somebody else's chain: ${save}`)
      if (own.rules.some((line) => !line.includes('OUTRIDER_'))) t.fail(`somebody else's rule: ${save}`)
    }
  }
  t.pass(tally.text)
})
