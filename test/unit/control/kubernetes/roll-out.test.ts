import t from 'tap'
import { Derivation, type ShortObject } from '../../../fixtures/derived.ts'

const SERVICES = 2000
const ENDPOINTS = 5
const CHANGES = 1000

const meshed = { OUTRIDER_CAPTURE_MODE: 'redirect', OUTRIDER_CAPTURE_INBOUND_PORTS: '8080' }

function pod(name: string, account: string): ShortObject {
  return { pod: { name, account, meshed } }
}

function slice(service: string, pods: readonly string[], ready = true): ShortObject {
  const endpoints = pods.map((name, index) => ({ ip: `10.1.${index}.1`, pod: name, ready }))
  return { slice: { name: `${service}-a`, service, ports: [{ port: 8080 }], endpoints } }
}

t.test(`${SERVICES} Services with ${ENDPOINTS} pods each: a change costs what it concerns`, async (t) => {
  const derivation = new Derivation()
  const start = process.cpuUsage()
  for (let index = 0; index < SERVICES; index += 1) {
    const name = `s-${index}`
    const pods = Array.from({ length: ENDPOINTS }, (_, at) => `${name}-${at}`)
    derivation.put({
      service: { name, clusterIPs: [`10.96.${index >> 8}.${index & 255}`], ports: [{ port: 80, targetPort: 8080 }] },
    })
    derivation.put(slice(name, pods))
    for (const one of pods) derivation.put(pod(one, name))
  }
  t.equal(derivation.dirty().length, 2 * SERVICES, 'a Service and a Workload each')
  const derived = process.cpuUsage(start)

  const again = process.cpuUsage()
  for (let change = 0; change < CHANGES; change += 1) {
    const name = `s-${change}`
    const pods = Array.from({ length: ENDPOINTS }, (_, at) => `${name}-${at}`)
    derivation.put(slice(name, pods.slice(1)))
    if (derivation.dirty().length !== 1) t.fail(`a change of ${name} concerns others`)
    // Of a pod that is only looked at, nothing comes.
    derivation.put(pod(`${name}-1`, name))
    if (derivation.dirty().length !== 0) t.fail(`${name}-1 is what it was`)
  }
  const changed = process.cpuUsage(again)
  const ms = ({ user, system }: NodeJS.CpuUsage): string => `${Math.round((user + system) / 1000)} ms`
  t.comment(`CPU: ${ms(derived)} to derive ${SERVICES} Services, ${ms(changed)} for ${CHANGES} changes of endpoints`)
})

t.test('a roll-out of one Service with 1000 pods, event by event', async (t) => {
  const derivation = new Derivation()
  const pods = Array.from({ length: 1000 }, (_, index) => `web-${index}`)
  derivation.put({ service: { name: 'web', clusterIPs: ['10.96.0.1'], ports: [{ port: 80, targetPort: 8080 }] } })
  const start = process.cpuUsage()
  const slices = (of: readonly string[], ready: number): ShortObject[] =>
    Array.from({ length: 10 }, (_, at) => ({
      slice: {
        name: `web-${at}`,
        service: 'web',
        ports: [{ port: 8080 }],
        endpoints: of.slice(at * 100, at * 100 + 100).map((name, index) => ({
          ip: `10.1.${at}.${index}`,
          pod: name,
          ready: at * 100 + index < ready,
        })),
      },
    }))
  let looked = 0
  for (const [index, name] of pods.entries()) {
    derivation.put(pod(name, 'web'))
    derivation.put(slices(pods.slice(0, index + 1), index)[Math.floor(index / 100)]!)
    // As the debounce does: 20 ms of events are looked at together.
    if (index % 20 === 19) {
      derivation.dirty()
      looked += 1
    }
  }
  for (const one of slices(pods, 1000)) derivation.put(one)
  const { 'Service/default/web': spec } = derivation.resources()
  const { user, system } = process.cpuUsage(start)
  t.match(spec, { endpoints: { length: 1000 } })
  t.comment(`CPU: ${Math.round((user + system) / 1000)} ms for 2000 events, looked at ${looked} times`)
})
