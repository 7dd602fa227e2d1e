import t from 'tap'
import { type AddressAllowance, parseAllowance, whyNotAllowed } from '../../../src/lib/special-address.ts'

function allowing(text: string): AddressAllowance {
  const allowance = parseAllowance(text)
  if (typeof allowance === 'string') throw new Error(allowance)
  return allowance
}

/** First and last address of each block of the registries, and what is beside it. */
const inside: readonly string[] = [
  '0.0.0.0 0.255.255.255',
  '10.0.0.0 10.255.255.255',
  '100.64.0.0 100.127.255.255',
  '127.0.0.1 127.255.255.255',
  '168.63.129.16',
  '169.254.0.0 169.254.169.254 169.254.255.255',
  '172.16.0.0 172.31.255.255',
  '192.0.0.0 192.0.0.255 192.0.2.1 192.88.99.1',
  '192.168.0.0 192.168.255.255',
  '198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1',
  '224.0.0.1 239.255.255.255 240.0.0.0 255.255.255.255',
  ':: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:a00:1 ::ffff:169.254.169.254',
  '64:ff9b::a00:1 64:ff9b:1::1 100::1 2001::1 2001:1ff:ffff::1 2001:db8::1 2002:a00:1::',
  '3fff::1 5f00::1 fc00::1 fdff::1 fd00:ec2::254 fe80::1 febf::1 fec0::1 ff02::1',
]
const outside: readonly string[] = [
  '1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0',
  '168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0',
  '198.17.255.255 198.20.0.0 223.255.255.255',
  '::ffff:1.1.1.1 2001:200::1 2001:4860:4860::8888 2606:4700::1111 2a00::1 fbff::1',
]

t.test('addresses that are no server of the Internet', async (t) => {
  const none = allowing('')
  for (const address of inside.flatMap((line) => line.split(' ')))
    t.type(whyNotAllowed(address, 'id.test', none), 'string', address)
  for (const address of outside.flatMap((line) => line.split(' ')))
    t.equal(whyNotAllowed(address, 'id.test', none), undefined, address)
  for (const text of ['', 'id.test', '1.2.3', 'fe80::1%eth0', '1.1.1.1 '])
    t.type(whyNotAllowed(text, 'id.test', none), 'string', `${JSON.stringify(text)} is none`)
})

t.test('what an operator allows', async (t) => {
  const allowance = allowing('id.internal, 10.1.0.0/16,fd00:1::/32,127.0.0.1')
  t.equal(whyNotAllowed('10.1.2.3', 'any.test', allowance), undefined)
  t.equal(whyNotAllowed('10.2.2.3', 'any.test', allowance), 'a private network')
  t.equal(whyNotAllowed('::ffff:10.1.2.3', 'any.test', allowance), undefined, 'mapped into IPv6')
  t.equal(whyNotAllowed('fd00:1::5', 'any.test', allowance), undefined)
  t.equal(whyNotAllowed('127.0.0.1', 'any.test', allowance), undefined)
  t.equal(whyNotAllowed('127.0.0.2', 'any.test', allowance), 'loopback')
  t.equal(whyNotAllowed('10.2.2.3', 'id.internal', allowance), undefined, 'a name, wherever it leads')
  for (const address of ['169.254.169.254', 'fd00:ec2::254', '168.63.129.16', '224.0.0.1', '0.0.0.0', '::', 'fe80::1'])
    t.type(whyNotAllowed(address, 'id.internal', allowance), 'string', `${address}: but not there`)
  t.equal(whyNotAllowed('169.254.169.254', 'any.test', allowing('169.254.169.254/32')), undefined, 'a block opens it')
})

t.test('what is neither a name nor a block', async (t) => {
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0/8', '/8', 'a b', '10.0.0.0/', 'x_y!/3', '1.2.3', '10.0.0.0/8/8'])
    t.type(parseAllowance(text), 'string', text)
})
