import { type AdminPages, text } from './admin-server.ts'
import type { LogLevel, RootLogger } from './log.ts'
import type { MetricSnapshot } from './merge.ts'
import type { MetricTable } from './names.ts'
import type { MetricRegistry } from './registry.ts'

export interface ProcessState {
  readonly log: RootLogger
  readonly registry: Pick<MetricRegistry<MetricTable>, 'contentType' | 'expose'>
  /** Undefined when the process is ready, else why not. */
  readonly notReady: () => string | undefined
  /** Undefined when the whole process answers, else what of it does not. */
  readonly notLive?: () => Promise<string | undefined>
  /** What other threads have counted. */
  readonly elsewhere?: () => Promise<readonly MetricSnapshot[]>
}

const logLevels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error'] satisfies LogLevel[]

/** What the admin endpoint of every process shows. */
export function processPages({ log, registry, notReady, notLive, elsewhere }: ProcessState): AdminPages {
  return {
    'GET /live': async () => {
      const why = await notLive?.()
      return why === undefined ? text('live\n') : text(`not live: ${why}\n`, 503)
    },
    'GET /ready': () => {
      const why = notReady()
      return why === undefined ? text('ready\n') : text(`not ready: ${why}\n`, 503)
    },
    'GET /metrics': async () => ({
      status: 200,
      body: await registry.expose(await elsewhere?.()),
      contentType: registry.contentType,
    }),
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
