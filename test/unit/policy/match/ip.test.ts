import { BlockList, isIPv4 } from 'node:net'
import * as fc from 'fast-check'
import t from 'tap'
import { matchesIpBlock, parseIp, parseIpBlock } from '../../../../src/policy/match/ip.ts'

const matches = (block: string, address: string): boolean => matchesIpBlock(parseIpBlock(block), parseIp(address)!)

t.test('addresses and blocks', async (t) => {
  const cases: readonly [block: string, address: string, expected: boolean][] = [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['192.168.1.7', '192.168.1.7', true],
    ['192.168.1.7', '192.168.1.8', false],
    ['128.0.0.0/1', '255.255.255.255', true],
    ['128.0.0.0/1', '127.255.255.255', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '203.0.113.9', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::1', '0:0:0:0:0:0:0:1', true],
    ['2001:DB8::A', '2001:db8::a', true],
  ]
  for (const [block, address, expected] of cases) t.equal(matches(block, address), expected, `${address} in ${block}`)
})

t.test('IPv4 within IPv6 is IPv4, in rules and in requests', async (t) => {
  t.ok(matches('10.0.0.0/8', '::ffff:10.1.2.3'))
  t.ok(matches('10.0.0.0/8', '::ffff:a01:203'))
  t.ok(matches('::ffff:10.0.0.0/104', '10.1.2.3'))
  t.ok(matches('::ffff:10.1.2.3', '10.1.2.3'))
  t.notOk(matches('::ffff:10.0.0.0/104', '11.1.2.3'))
  t.notOk(matches('10.0.0.0/8', '::10.1.2.3'), 'the deprecated compatible form is another address')
})

t.test('what is not a block', async (t) => {
  for (const text of [
    '',
    'a',
    '10.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '::/129',
    '10.0.0.0/8/8',
    '10.0.0.256',
    '1.2.3.4 ',
    'fe80::1%eth0',
    '010.0.0.1',
    ':::',
    '1::2::3',
    '10.0.0.0/-1',
  ])
    t.throws(() => parseIpBlock(text), { code: 'ip-block-malformed' }, JSON.stringify(text))
  for (const text of ['10.0.0.1/8', '2001:db8::1/32', '10.0.0.0/1', '1.0.0.0/0', '::1/0'])
    t.throws(() => parseIpBlock(text), { code: 'ip-block-host-bits' }, text)
  for (const text of ['', 'localhost', '10.0.0.1:80', '[::1]', '%eth0']) t.equal(parseIp(text), undefined, text)
})

t.test('agrees with the block list of Node', async (t) => {
  const byte = fc.integer({ min: 0, max: 255 })
  // Few values, so that what is generated is often within.
  const group = fc.constantFrom(0, 1, 0x2001, 0xdb8, 0x8000, 0xffff)
  const four = fc.tuple(fc.constantFrom(10, 11, 128), byte, byte, byte)
  const six = fc.array(group, { minLength: 8, maxLength: 8 })
  const text = (parts: readonly number[]): string =>
    parts.length === 4 ? parts.join('.') : parts.map((part) => part.toString(16)).join(':')
  const masked = (parts: readonly number[], bits: number): readonly number[] => {
    const width = parts.length === 4 ? 8 : 16
    return parts.map((part, index) => {
      const left = Math.max(0, Math.min(width, bits - index * width))
      return part & (((1 << left) - 1) << (width - left))
    })
  }
  const pair = fc.oneof(
    fc.tuple(four, four, fc.integer({ min: 0, max: 32 })),
    fc.tuple(six, six, fc.integer({ min: 0, max: 128 })),
    fc.tuple(six, fc.constant<number[]>([]), fc.integer({ min: 0, max: 128 })),
  )
  let within = 0
  fc.assert(
    fc.property(pair, ([block, other, bits]) => {
      const [net, address] = [text(masked(block, bits)), text(other.length === 0 ? block : other)]
      const family = isIPv4(net) ? 'ipv4' : 'ipv6'
      const list = new BlockList()
      list.addSubnet(net, bits, family)
      const expected = list.check(address, family)
      if (expected) within += 1
      return matches(`${net}/${bits}`, address) === expected
    }),
    { numRuns: 2000 },
  )
  t.ok(within > 100, 'many are within')
})
