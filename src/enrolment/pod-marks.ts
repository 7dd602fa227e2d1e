/** Annotation: what was done to a pod; set by the injector alone, and read by the control server. */
export const INJECTED = 'outrider.mesh/injected'

/** Name of the container in which the sidecar of a pod runs. */
export const SIDECAR = 'outrider'
