/** What an application speaks on a port. `auto`: HTTP/1.1 or HTTP/2, as its clients do. */
export const appProtocols = ['auto', 'http1', 'http2', 'grpc', 'tcp'] as const
export type AppProtocol = (typeof appProtocols)[number]

/**
 * What a listener does with clients that speak no TLS. `strict`: refuses them. `permissive`: serves them as callers without
 * an identity, beside those with mutual TLS. `plaintext`: serves nobody else.
 */
export const plainModes = ['strict', 'permissive', 'plaintext'] as const
export type PlainMode = (typeof plainModes)[number]

/** Where the server speaks first, or the protocol is well known not to be HTTP: to look for HTTP there would only cost time. */
const opaquePorts: ReadonlySet<number> = new Set([25, 587, 3306, 4444, 5432, 6379, 9300, 11_211])

/** What is spoken on a port of which `declared` is said: `tcp` where nothing is and one of its numbers is opaque. */
export function spokenProtocol(declared: AppProtocol, ...ports: readonly number[]): AppProtocol {
  return declared === 'auto' && ports.some((port) => opaquePorts.has(port)) ? 'tcp' : declared
}

/** Names of ports as Kubernetes users give them: `grpc`, `http-metrics`; `appProtocol` has some of the same words. */
const byWord: Readonly<Record<string, AppProtocol>> = {
  http: 'auto',
  http2: 'http2',
  h2c: 'http2',
  grpc: 'grpc',
  tcp: 'tcp',
  tls: 'tcp',
  https: 'tcp',
  redis: 'tcp',
  mysql: 'tcp',
  mongo: 'tcp',
  postgres: 'tcp',
  postgresql: 'tcp',
  amqp: 'tcp',
  kafka: 'tcp',
}

/** What the name of a port says that is spoken there, by the word before its first dash; `undefined`: nothing. */
export function protocolOfWord(name: string): AppProtocol | undefined {
  const [word = ''] = name.split('-')
  return Object.hasOwn(byWord, word) ? byWord[word] : undefined
}
