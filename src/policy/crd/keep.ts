import type { StructuralSchema } from '../structural-schema.ts'

/**
 * The schema with which the API server keeps what it would drop before anybody has seen it: fields that nobody knows, and null where
 * it is not allowed. `form:` for `from:`, or `from:` with nothing after it, would come to mean "from everybody". What is kept is
 * refused by the reader: in the webhook, and when the control server admits it.
 */
export function keepingMistakes(schema: StructuralSchema): StructuralSchema {
  const { properties, required = [], items } = schema
  return {
    ...schema,
    ...(items === undefined ? {} : { items: keepingMistakes(items) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, property]) => {
              const kept = keepingMistakes(property)
              // Without a field that is required there is nothing that could be misunderstood.
              return [name, required.includes(name) ? kept : { ...kept, nullable: true }]
            }),
          ),
          'x-kubernetes-preserve-unknown-fields': true,
        }),
  }
}
