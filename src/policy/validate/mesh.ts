import { type MeshConfig, outboundPolicies } from '../model.ts'
import { object, oneOf, type Reader, withDefault } from '../schema.ts'
import { envelope } from './readers.ts'

const meshConfigSpec = object({ outbound: withDefault(oneOf(outboundPolicies), 'deny') })

export const meshConfig: Reader<MeshConfig> = envelope('MeshConfig', meshConfigSpec)
