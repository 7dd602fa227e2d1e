import type { Address, CapturedPort, Mapping } from '../lib/address.ts'
import { OutriderError } from '../lib/errors.ts'

export interface CaptureConfig {
  readonly captureMode: 'redirect' | 'tproxy'
  readonly captureInbound: Address | undefined
  readonly captureInboundPorts: readonly CapturedPort[]
  readonly captureOutbound: Address | undefined
  readonly captureInboundFd: number
  readonly captureOutboundFd: number
  readonly inbound: readonly Mapping[]
  readonly outbound: Address | undefined
  readonly admin: Address
}

/** Checks what the options of capture say together, and with others. Throws `config-options-disagree`. */
export function checkCapture(config: CaptureConfig): void {
  const { captureMode, captureInbound, captureInboundPorts, captureOutbound, outbound, admin, inbound } = config
  const handed = { captureInbound: config.captureInboundFd, captureOutbound: config.captureOutboundFd }
  if (captureInbound === undefined && captureInboundPorts.length > 0) {
    throw disagree('captureInboundPorts', 'captureInboundPorts are given, and captureInbound does not say where')
  }
  const own = [captureInbound, captureOutbound, outbound, admin, ...inbound.map(({ listen }) => listen)]
  const ownPorts = new Set(
    own.flatMap((address) => (address === undefined || address.port === 0 ? [] : [address.port])),
  )
  const declared = new Set<number>()
  for (const { port } of captureInboundPorts) {
    if (ownPorts.has(port)) throw disagree('captureInboundPorts', `${port} is a port of the sidecar itself`)
    if (declared.has(port)) throw disagree('captureInboundPorts', `${port} is given twice: which one counts?`)
    declared.add(port)
  }
  for (const name of ['captureInbound', 'captureOutbound'] as const) {
    const fd = handed[name]
    if (captureMode === 'tproxy' && config[name] !== undefined && fd === 0) {
      throw disagree(
        name,
        `captureMode is tproxy, and nobody has opened the socket of ${name}: start with "outrider launch"`,
      )
    }
    if (fd !== 0 && (captureMode !== 'tproxy' || config[name] === undefined)) {
      throw disagree(`${name}Fd`, `${name}Fd needs captureMode tproxy and ${name}`)
    }
  }
}

function disagree(place: string, message: string): OutriderError<'config-options-disagree'> {
  return new OutriderError('config-options-disagree', message, { place })
}
