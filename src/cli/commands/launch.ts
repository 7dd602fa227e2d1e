import { join } from 'node:path'
import { defaultPorts, SIDECAR_UID } from '../../capture/plan.ts'
import { variableOf } from '../../config/option.ts'
import { type Address, formatAddress, parseAddress } from '../../lib/address.ts'
import { become } from '../../lib/become.ts'
import { OutriderError } from '../../lib/errors.ts'
import { everyAddress } from '../../lib/every-address.ts'
import { packageRoot } from '../../lib/package-root.ts'
import { loadTransparentSockets } from '../../lib/transparent-socket.ts'
import { type Command, defineCommand } from '../command.ts'

export const command: Command = defineCommand({
  name: 'launch',
  summary: 'Open the transparent sockets of capture mode tproxy, then become the sidecar',
  usage: '[OPTION...] [-- SIDECAR_OPTION...]',
  options: {
    uid: { type: 'string', value: 'UID', default: String(SIDECAR_UID), doc: 'user that the sidecar runs as' },
    gid: { type: 'string', value: 'GID', default: String(SIDECAR_UID), doc: 'group that the sidecar runs as' },
    'capture-inbound': {
      type: 'string',
      value: 'HOST:PORT',
      doc: 'captureInbound of the sidecar (default OUTRIDER_CAPTURE_INBOUND, else every address and port 15006)',
    },
    'capture-outbound': {
      type: 'string',
      value: 'HOST:PORT',
      doc: 'captureOutbound of the sidecar (default OUTRIDER_CAPTURE_OUTBOUND, else every address and port 15001)',
    },
  },
  async run({ args, options, env }) {
    const [uid, gid] = [numberOf(options.uid, 'uid'), numberOf(options.gid, 'gid')]
    const sockets = await loadTransparentSockets()
    const set: Record<string, string> = {
      [variableOf('captureMode')]: 'tproxy',
      [variableOf('captureUid')]: String(uid),
    }
    const directions = [
      ['captureInbound', options['capture-inbound'], defaultPorts.inbound],
      ['captureOutbound', options['capture-outbound'], defaultPorts.outbound],
    ] as const
    for (const [option, given, port] of directions) {
      const text = given ?? (env[variableOf(option)] || formatAddress({ host: '::', port }))
      set[variableOf(option)] = text
      set[variableOf(`${option}Fd`)] = String(sockets.listen(everyAddress(addressOf(text, option)), option))
    }
    const kept = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    return become({
      program: process.execPath,
      args: [join(packageRoot, 'bin', 'outrider'), 'sidecar', ...args],
      env: { ...Object.fromEntries(kept), ...set },
      uid,
      gid,
    })
  },
})

function addressOf(text: string, option: string): Address {
  const address = parseAddress(text)
  if (address !== undefined && address.port !== 0) return address
  throw new OutriderError('usage-option-value', `${option}: ${JSON.stringify(text)} is no address such as [::]:15006`)
}

/** Not root: the sidecar is to have no privilege. */
function numberOf(text: string, option: string): number {
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) < 0xffff_ffff) return Number(text)
  throw new OutriderError(
    'usage-option-value',
    `--${option}: ${JSON.stringify(text)} is no number of a user other than root`,
  )
}
