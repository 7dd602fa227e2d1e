import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock } from '../lib/clock.ts'
import type { Counter, Gauge } from './series.ts'

export interface ProcessCells {
  readonly cpuSeconds: Counter
  readonly residentBytes: Gauge
  readonly startTime: Gauge
  readonly heapUsedBytes: Gauge
  readonly externalBytes: Gauge
  readonly eventLoopLagP99: Gauge
  readonly eventLoopLagMax: Gauge
}

/** Each sample wakes the process up; ten a second show lags that matter to a proxy. */
const LAG_RESOLUTION_MS = 100

/** The monitor counts its own waiting time as delay: what exceeds the resolution is lag. */
function lagSeconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - LAG_RESOLUTION_MS / 1000)
}

/** Reads the figures of this process when they are asked for. */
export class ProcessFigures {
  readonly #cells: ProcessCells
  readonly #lag: ReturnType<typeof monitorEventLoopDelay>
  #cpuMicroseconds = 0

  constructor(cells: ProcessCells, clock: Clock) {
    this.#cells = cells
    this.#lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
    this.#lag.enable()
    cells.startTime.set(Math.round(clock.now() / 1000 - process.uptime()))
  }

  update(): void {
    const cells = this.#cells
    const { user, system } = process.cpuUsage()
    cells.cpuSeconds.inc((user + system - this.#cpuMicroseconds) / 1e6)
    this.#cpuMicroseconds = user + system
    const memory = process.memoryUsage()
    cells.residentBytes.set(memory.rss)
    cells.heapUsedBytes.set(memory.heapUsed)
    cells.externalBytes.set(memory.external)
    cells.eventLoopLagP99.set(this.#lag.count === 0 ? 0 : lagSeconds(this.#lag.percentile(99)))
    cells.eventLoopLagMax.set(this.#lag.count === 0 ? 0 : lagSeconds(this.#lag.max))
    this.#lag.reset()
  }

  destroy(): void {
    this.#lag.disable()
  }
}
