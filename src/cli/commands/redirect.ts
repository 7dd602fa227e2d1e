import { existsSync, readFileSync } from 'node:fs'
import { OutriderError } from '../../lib/errors.ts'
import { hasIpv6 } from '../../lib/every-address.ts'
import { captureModes, type CapturePlan, defaultPorts, parsePlan, SIDECAR_UID } from '../../capture/plan.ts'
import { applyRules, backendNames, type Machine, printRules, removeRules } from '../../capture/redirect.ts'
import { runPrograms } from '../../capture/run.ts'
import { type Command, defineCommand, exitCode, type OptionValues } from '../command.ts'

const options = {
  backend: {
    type: 'string',
    value: 'NAME',
    choices: backendNames,
    default: 'auto',
    doc: 'what makes the rules: nft, iptables, or auto: nft where it is installed',
  },
  mode: {
    type: 'string',
    value: 'MODE',
    choices: captureModes,
    default: 'redirect',
    doc: 'redirect; or tproxy, for a sidecar behind "outrider launch"',
  },
  family: {
    type: 'string',
    value: 'FAMILY',
    choices: ['auto', 'ipv4', 'ipv6'],
    default: 'auto',
    doc: 'auto: IPv4, and IPv6 where the machine has it; a family that is left out is not captured',
  },
  'inbound-port': {
    type: 'string',
    value: 'PORT',
    default: String(defaultPorts.inbound),
    doc: 'captureInbound of the sidecar',
  },
  'outbound-port': {
    type: 'string',
    value: 'PORT',
    default: String(defaultPorts.outbound),
    doc: 'captureOutbound of the sidecar',
  },
  uid: { type: 'string', value: 'UID', default: String(SIDECAR_UID), doc: 'user of the sidecar: never captured' },
  gid: { type: 'string', value: 'GID', default: String(SIDECAR_UID), doc: 'group of the sidecar: never captured' },
  'inbound-ports': {
    type: 'string',
    value: 'PORTS',
    default: '',
    doc: 'ports of the application that are captured, with commas; none given: all',
  },
  'exclude-inbound-ports': {
    type: 'string',
    value: 'PORTS',
    default: String(defaultPorts.admin),
    doc: 'ports that are reached without the sidecar, with commas',
  },
  'exclude-outbound-ports': {
    type: 'string',
    value: 'PORTS',
    default: '53',
    doc: 'ports that the application reaches without the sidecar, with commas; 53 is DNS',
  },
  'exclude-outbound-ranges': {
    type: 'string',
    value: 'BLOCKS',
    default: '',
    doc: 'CIDR blocks that the application reaches without the sidecar, with commas',
  },
  'exclude-interfaces': {
    type: 'string',
    value: 'NAMES',
    default: '',
    doc: 'interfaces by which nothing is captured, with commas',
  },
  'dry-run': { type: 'boolean', doc: 'apply: look whether the rules could be made, and make none' },
} as const

export const command: Command = defineCommand({
  name: 'redirect',
  summary: 'Capture the connections of a pod or machine for its sidecar',
  usage: 'apply [OPTION...]\nremove\nprint [OPTION...]',
  options,
  async run({ args, options, env, stdout }) {
    const [verb, ...rest] = args
    const machine: Machine = {
      run: runPrograms(env['PATH'] ?? ''),
      status: existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '',
    }
    if (rest.length === 0 && verb === 'print') {
      stdout.write(await printRules(planOf(options), options.backend, machine.run))
      return exitCode.ok
    }
    if (rest.length === 0 && verb === 'apply') {
      const plan = planOf(options)
      const { backend, result } = await applyRules(plan, options.backend, machine, options['dry-run'] === true)
      stdout.write(`capture ${result}: ${plan.mode} by ${backend}, ${plan.families.join(' and ')}\n`)
      return exitCode.ok
    }
    if (rest.length === 0 && verb === 'remove' && options['dry-run'] !== true) {
      stdout.write((await removeRules(machine)) ? 'capture removed\n' : 'there was no capture\n')
      return exitCode.ok
    }
    throw new OutriderError('usage-arguments', 'apply, remove or print; --dry-run goes with apply')
  },
})

function planOf(given: OptionValues<typeof options>): CapturePlan {
  const families =
    given.family !== 'auto' ? ([given.family] as const) : hasIpv6() ? (['ipv4', 'ipv6'] as const) : (['ipv4'] as const)
  return parsePlan({
    mode: given.mode,
    families,
    inboundPort: given['inbound-port'],
    outboundPort: given['outbound-port'],
    uid: given.uid,
    gid: given.gid,
    inboundPorts: given['inbound-ports'],
    excludeInboundPorts: given['exclude-inbound-ports'],
    excludeOutboundPorts: given['exclude-outbound-ports'],
    excludeOutboundRanges: given['exclude-outbound-ranges'],
    excludeInterfaces: given['exclude-interfaces'],
  })
}
