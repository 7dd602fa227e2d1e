import type { controlMetrics } from '../telemetry/names.ts'
import type { MetricsOf } from '../telemetry/registry.ts'

export type ControlMetrics = MetricsOf<typeof controlMetrics>
