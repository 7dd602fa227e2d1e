/** Why a pod gets no sidecar. */
export const refusalCodes = [
  'inject-pod-malformed',
  'inject-annotation-unknown',
  'inject-annotation-value',
  'inject-host-network',
  'inject-process-namespace',
  'inject-windows',
  'inject-uid-conflict',
  'inject-port-conflict',
  'inject-name-conflict',
  'inject-other-mesh',
  'inject-probe',
  'inject-kubernetes-version',
  'inject-too-large',
] as const
export type RefusalCode = (typeof refusalCodes)[number]

export interface Refusal {
  readonly code: RefusalCode
  /** Field path in the pod template, such as `spec.containers[0].ports[1].containerPort`. */
  readonly field: string
  readonly message: string
}

export type Report = (refusal: Refusal) => undefined

/** One line for who made the pod. */
export function refusalText({ field, message, code }: Refusal): string {
  return `${placed(field, message)} (${code})`
}

/** A message with the field that it is about. */
export function placed(field: string, message: string): string {
  return `${field === '' ? 'the pod' : field}: ${message}`
}
