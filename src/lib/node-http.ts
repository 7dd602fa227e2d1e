import type * as Http from 'node:http'

/**
 * `node:http` without undici. An `import` of it reads every export, and reading `WebSocket` loads undici: 750 KB of source that
 * nothing here calls.
 */
export const http: typeof Http = process.getBuiltinModule('node:http')
