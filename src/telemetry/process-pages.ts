import { type AdminPages, text } from './admin-server.ts'
import type { LogLevel, RootLogger } from './log.ts'
import type { MetricTable } from './names.ts'
import type { MetricRegistry } from './registry.ts'

export interface ProcessState {
  readonly log: RootLogger
  readonly registry: Pick<MetricRegistry<MetricTable>, 'contentType' | 'expose'>
  /** Undefined when the process is ready, else why not. */
  readonly notReady: () => string | undefined
}

const logLevels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error'] satisfies LogLevel[]

/** What the admin endpoint of every process shows. */
export function processPages({ log, registry, notReady }: ProcessState): AdminPages {
  return {
    'GET /live': () => text('live\n'),
    'GET /ready': () => {
      const why = notReady()
      return why === undefined ? text('ready\n') : text(`not ready: ${why}\n`, 503)
    },
    'GET /metrics': async () => ({ status: 200, body: await registry.expose(), contentType: registry.contentType }),
    'GET /log-level': () => text(`${log.level}\n`),
    'PUT /log-level': ({ body }) => {
      const level = body.trim()
      if (!isLogLevel(level)) return text(`a log level is one of ${logLevels.join(', ')}\n`, 400)
      log.level = level
      return text(`${level}\n`)
    },
  }
}

function isLogLevel(level: string): level is LogLevel {
  return logLevels.includes(level)
}
