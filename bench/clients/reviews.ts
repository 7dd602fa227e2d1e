// Sends --rate admission reviews a second for --seconds to the webhook of an injector, whatever comes back: an open loop. A
// latency is the time from when a review was due to the last byte of its answer, so that nothing that waits is hidden.
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { cpuMicroseconds, peakRssMb } from '../measure.ts'
import { readWords } from './words.ts'

const word = readWords(process.argv.slice(2))
const port = Number(word('port'))
const rate = Number(word('rate'))
const seconds = Number(word('seconds'))
const pid = Number(word('pid'))
const LAST_ANSWERS_MS = 5000
const agent = new Agent({
  keepAlive: true,
  maxSockets: Number(word('connections')),
  ca: readFileSync(word('root'), 'utf8'),
  servername: 'localhost',
})

type Fields = Readonly<Record<string, unknown>>

/** What API servers ask about: mostly small pods, one of three containers with probes, a large one, one that opts out, one that is refused. */
const bodies = [
  review(pod('small', 1)),
  review(pod('small', 1)),
  review(pod('trio', 3)),
  review(
    pod('large', 3, {
      env: Array.from({ length: 500 }, (_, index) => ({ name: `NAME_${index}`, value: 'v'.repeat(60) })),
    }),
  ),
  review({ ...pod('out', 1), metadata: { name: 'out', annotations: { 'outrider.mesh/inject': 'disabled' } } }),
  review({ ...pod('unsafe', 1), spec: { hostNetwork: true, containers: [container('app', 8080)] } }),
]

function container(name: string, containerPort: number, more: Fields = {}): Fields {
  return {
    name,
    image: `registry.example.com/${name}:1`,
    ports: [{ name: 'http', containerPort, protocol: 'TCP' }],
    readinessProbe: {
      httpGet: { path: '/ready', port: 'http', scheme: 'HTTP' },
      periodSeconds: 10,
      failureThreshold: 3,
    },
    livenessProbe: { tcpSocket: { port: containerPort }, periodSeconds: 10 },
    resources: { requests: { cpu: '100m' } },
    ...more,
  }
}

function pod(name: string, containers: number, more: Fields = {}): Fields {
  const list = Array.from({ length: containers }, (_, index) => container(`app-${index}`, 8080 + index, more))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: `${name}-`, labels: { app: name, 'pod-template-hash': '6d4cf56db6' } },
    spec: { containers: list, serviceAccountName: name, restartPolicy: 'Always', dnsPolicy: 'ClusterFirst' },
  }
}

function review(object: Fields): Buffer {
  const resource = { group: '', version: 'v1', resource: 'pods' }
  const request = {
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
    resource,
    operation: 'CREATE',
    namespace: 'shop',
    object,
  }
  return Buffer.from(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }))
}

const latencies: number[] = []
/** By how much reviews were sent after they were due: what of a latency is the client's own. */
const lateness: number[] = []
let sent = 0
let waiting = 0
let errors = 0

function send(due: number): void {
  lateness.push(performance.now() - due)
  const body = bodies[sent % bodies.length]!
  sent += 1
  waiting += 1
  const call = request({
    host: '127.0.0.1',
    port,
    agent,
    method: 'POST',
    path: '/inject?timeout=10s',
    headers: { 'content-type': 'application/json', 'content-length': body.length },
  })
  const failed = (): void => {
    waiting -= 1
    errors += 1
  }
  call.once('error', failed)
  call.once('response', (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part: string) => (text += part))
    response.once('end', () => {
      waiting -= 1
      if (response.statusCode === 200 && text.includes('"allowed":')) latencies.push(performance.now() - due)
      else errors += 1
    })
  })
  call.end(body)
}

/** Sends at the rate for so many seconds; resolves when the last is sent. */
function sendFor(seconds: number): Promise<void> {
  const start = performance.now()
  const first = sent
  return new Promise((resolve) => {
    const tick = (): void => {
      const now = performance.now()
      const due = Math.min(rate * seconds, Math.floor(((now - start) / 1000) * rate))
      while (sent - first < due) send(start + ((sent - first) * 1000) / rate)
      if (now - start < seconds * 1000) setTimeout(tick, 1)
      else resolve()
    }
    tick()
  })
}

// An API server has its connections open: the handshakes are not those of the reviews that are measured.
await sendFor(Number(word('warm-up')))
latencies.length = 0
lateness.length = 0
const cpuBefore = cpuMicroseconds([pid])
const start = performance.now()
await sendFor(seconds)
await new Promise<void>((resolve) => {
  const end = performance.now() + LAST_ANSWERS_MS
  const look = (): void => {
    if (waiting > 0 && performance.now() < end) setTimeout(look, 5)
    else resolve()
  }
  look()
})
const elapsed = (performance.now() - start) / 1000
const cpuUs = cpuMicroseconds([pid]) - cpuBefore
const rssMb = peakRssMb([pid])
agent.destroy()

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

console.log(
  JSON.stringify({
    reviews: latencies.length,
    perSecond: latencies.length / elapsed,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    lateP99Ms: percentile(lateness, 0.99),
    cpuUs,
    rssMb,
    errors: errors + waiting,
  }),
)
