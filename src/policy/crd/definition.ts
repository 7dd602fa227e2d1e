import { type Kind, kinds } from '../model.ts'
import type { StructuralSchema } from '../structural-schema.ts'
import { documentSchema } from '../validate.ts'
import { type PrinterColumn, printerColumns } from './columns.ts'
import { keepingMistakes } from './keep.ts'
import { apiGroup, apiVersionName, category, kindNames, pluralOf } from './names.ts'
import { resourceStatus } from './status.ts'

/** A CustomResourceDefinition of apiextensions.k8s.io/v1, as far as ours use it. */
export type ResourceDefinition = {
  readonly apiVersion: 'apiextensions.k8s.io/v1'
  readonly kind: 'CustomResourceDefinition'
  readonly metadata: { readonly name: string; readonly labels: { readonly [name: string]: string } }
  readonly spec: {
    readonly group: string
    readonly scope: 'Namespaced'
    readonly names: {
      readonly kind: Kind
      readonly listKind: string
      readonly plural: string
      readonly singular: string
      readonly shortNames: readonly string[]
      readonly categories: readonly string[]
    }
    readonly versions: readonly {
      readonly name: string
      readonly served: true
      readonly storage: true
      readonly schema: { readonly openAPIV3Schema: StructuralSchema }
      readonly subresources: { readonly status: { readonly [none: string]: never } }
      readonly additionalPrinterColumns: readonly PrinterColumn[]
    }[]
  }
}

/** One for each kind, made from what its reader says of itself. */
export function resourceDefinitions(): readonly ResourceDefinition[] {
  return kinds.map(resourceDefinition)
}

function resourceDefinition(kind: Kind): ResourceDefinition {
  const plural = pluralOf(kind)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${apiGroup}`, labels: { 'app.kubernetes.io/part-of': 'outrider' } },
    spec: {
      group: apiGroup,
      // All kinds: who may write in a namespace is what RBAC is about, and there is one form of a document in every store.
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [kindNames[kind].short],
        categories: [category],
      },
      versions: [
        {
          name: apiVersionName,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: rootSchema(kind) },
          subresources: { status: {} },
          additionalPrinterColumns: printerColumns(kind),
        },
      ],
    },
  }
}

/** Of the metadata, a definition may restrict the name alone; the version and the kind are the definition's own. */
function rootSchema(kind: Kind): StructuralSchema {
  const { properties: { metadata, spec } = {} } = documentSchema(kind)
  const name = metadata?.properties?.['name']
  if (name === undefined || spec === undefined) throw new TypeError(`${kind} has no metadata.name or no spec`)
  const { says } = kindNames[kind]
  return {
    type: 'object',
    description: `${says.charAt(0).toUpperCase()}${says.slice(1)}.`,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object', properties: { name } },
      spec: keepingMistakes(spec),
      status: resourceStatus.schema,
    },
  }
}
