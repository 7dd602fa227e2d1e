import { OutriderError } from '../../lib/errors.ts'

/** A TCP port as it stands in a rule: 1 to 65535. */
export function parsePort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new OutriderError('port-out-of-range', `a port is a whole number from 1 to 65535, not ${port}`)
  return port
}
