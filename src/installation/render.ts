import { type ClusterObject, isRecord } from '../kubernetes/objects.ts'

/** What may be chosen at the installation; all else is changed with kustomize. */
export interface InstallSettings {
  readonly trustDomain: string
  /** Of control server, injector and sidecars. */
  readonly image: string
  /** Of control server and injector, each. */
  readonly replicas: number
  readonly mode: string
}

/** The settings that stand in `deploy/base` itself. */
export const written = { trustDomain: 'outrider.local', mode: 'redirect' } as const

const variables: Readonly<Record<string, (settings: InstallSettings) => string>> = {
  OUTRIDER_TRUST_DOMAIN: ({ trustDomain }) => trustDomain,
  OUTRIDER_IMAGE: ({ image }) => image,
  OUTRIDER_MODE: ({ mode }) => mode,
}

type Change = (value: unknown, settings: InstallSettings) => unknown

/** Puts the settings into the objects of `deploy/base`; pure. */
export function render(objects: readonly ClusterObject[], settings: InstallSettings): readonly ClusterObject[] {
  return objects.map((object) => {
    if (object.kind === 'Deployment') return changed(object, { spec: deployment }, settings)
    if (object.kind === 'Workload') return changed(object, { spec: workload }, settings)
    return object
  })
}

/** A copy in which the fields that have a change are changed. */
function changed<T extends object>(fields: T, changes: Readonly<Record<string, Change>>, settings: InstallSettings): T {
  const entries = Object.entries(fields).map(([name, value]) => [name, changes[name]?.(value, settings) ?? value])
  return { ...fields, ...Object.fromEntries(entries) }
}

function within(changes: Readonly<Record<string, Change>>): Change {
  return (value, settings) => (isRecord(value) ? changed(value, changes, settings) : value)
}

function each(change: Change): Change {
  return (value, settings) => (Array.isArray(value) ? value.map((item) => change(item, settings)) : value)
}

const variable: Change = (value, settings) => {
  if (!isRecord(value)) return value
  const { name } = value
  const make = typeof name === 'string' ? variables[name] : undefined
  return make === undefined ? value : { ...value, value: make(settings) }
}

const deployment = within({
  replicas: (_, { replicas }) => replicas,
  template: within({
    spec: within({
      containers: each(within({ image: (_, { image }) => image, env: each(variable) })),
    }),
  }),
})

const workload = within({
  spiffeId: (id, { trustDomain }) =>
    typeof id === 'string' ? id.replace(`spiffe://${written.trustDomain}/`, `spiffe://${trustDomain}/`) : id,
})
