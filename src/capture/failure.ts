import { OutriderError } from '../lib/errors.ts'

export type CaptureFailureCode =
  | 'capture-privilege'
  | 'capture-program'
  | 'capture-kernel'
  | 'capture-other-rules'
  | 'capture-not-in-force'

/** What a pod without these privileges or features can do instead. */
const WAY_OUT =
  'nothing was changed; without capture, applications reach the mesh through the explicit proxy (HTTP_PROXY, outboundServices), which needs no privilege: docs/guides/capture.md'

/** The rules could not be made. `message` says what is missing. */
export function captureFailure(
  code: CaptureFailureCode,
  message: string,
  place?: string,
): OutriderError<CaptureFailureCode> {
  const details = { source: 'dependency', ...(place === undefined ? {} : { place }) } as const
  return new OutriderError(code, `${message}; ${WAY_OUT}`, details)
}
