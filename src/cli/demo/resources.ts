/** The ports that the demo's applications got. */
export interface DemoPorts {
  readonly orders: number
}

export const trustDomain = 'demo.outrider'
/** More than this many reports a minute, and the caller has to wait. */
export const REPORTS_PER_MINUTE = 5

/** What the demo's mesh enforces: one document per thing, as an operator would write it. */
export function demoResources({ orders }: DemoPorts): string {
  return `# Who there is. A SPIFFE ID is the name that a workload's certificate carries.
apiVersion: outrider.mesh/v1
kind: Workload
metadata: { name: web }
spec:
  spiffeId: spiffe://${trustDomain}/ns/default/sa/web
---
apiVersion: outrider.mesh/v1
kind: Workload
metadata: { name: orders }
spec:
  spiffeId: spiffe://${trustDomain}/ns/default/sa/orders
---
# What can be called, and who may serve it.
apiVersion: outrider.mesh/v1
kind: Service
metadata: { name: orders }
spec:
  ports: [{ port: 80, targetPort: ${orders} }]
  workloads: [orders]
---
# How often.
apiVersion: outrider.mesh/v1
kind: RateLimit
metadata: { name: reports }
spec:
  workloads: [orders]
  limits:
    - name: per-caller
      key: identity
      requests: ${REPORTS_PER_MINUTE}
      per: 1m
      to: [{ paths: [/reports] }]
---
${ordersPolicy('["/orders/*", "/reports"]')}`
}

/** Who may do what. Everything that no ALLOW rule names is denied. */
export function ordersPolicy(paths: string): string {
  return `apiVersion: outrider.mesh/v1
kind: AuthorizationPolicy
metadata: { name: orders }
spec:
  workloads: [orders]
  action: ALLOW
  rules:
    - name: web-reads
      from: [{ spiffeIds: ["spiffe://${trustDomain}/ns/default/sa/web"] }]
      to: [{ methods: [GET], paths: ${paths} }]
`
}
