import { OutriderError } from '../../lib/errors.ts'

/** A sidecar does what no sidecar of this protocol does: its stream is ended. */
export function protocolError(message: string): OutriderError<'stream-protocol'> {
  return new OutriderError('stream-protocol', message)
}
