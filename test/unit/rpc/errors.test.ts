import grpc from '@grpc/grpc-js'
import t from 'tap'
import { OutriderError } from '../../../src/lib/errors.ts'
import {
  fromServiceError,
  REFUSAL_TRAILER,
  RPC_CODES,
  toStatus,
  trailerOf,
  withTrailer,
} from '../../../src/rpc/errors.ts'

/** What a client sees of a status. */
function received(status: { code: grpc.status; details: string; metadata: grpc.Metadata }): grpc.ServiceError {
  return Object.assign(new Error(`${status.code} ${status.details}`), status)
}

t.test('an error of ours crosses the wire with its code, message and trailer', async (t) => {
  const thrown = new OutriderError('resource-not-found', 'there is no Workload default/web', { place: 'ref' })
  const status = toStatus(withTrailer(thrown, REFUSAL_TRAILER, Buffer.from([1, 2, 3])))
  t.equal(status.code, grpc.status.NOT_FOUND)
  const back = fromServiceError(received(status), 'target')
  t.equal(back.code, 'resource-not-found')
  t.equal(back.message, 'ref: there is no Workload default/web')
  t.same(trailerOf(back, REFUSAL_TRAILER), Buffer.from([1, 2, 3]))
  t.equal(back.retryable, false)
})

function statusOf(source: 'input' | 'dependency' | 'internal'): grpc.status {
  return toStatus(new OutriderError('unheard-of', 'x', { source })).code
}

t.test('a code without a status of its own has that of its source', async (t) => {
  t.equal(statusOf('input'), grpc.status.INVALID_ARGUMENT)
  t.equal(statusOf('dependency'), grpc.status.UNAVAILABLE)
  t.equal(statusOf('internal'), grpc.status.INTERNAL)
})

t.test('what is not ours says nothing to the caller', async (t) => {
  const status = toStatus(new Error('password is hunter2'))
  t.equal(status.code, grpc.status.INTERNAL)
  t.equal(status.details, 'internal error')
})

t.test('every gRPC status has a code of its own', async (t) => {
  t.equal(new Set(Object.values(RPC_CODES)).size, Object.keys(RPC_CODES).length)
  for (const status of Object.values(grpc.status).filter((value) => typeof value === 'number')) {
    if (status === grpc.status.OK) continue
    const name = grpc.status[status]
    const code = Object.entries(RPC_CODES).find(([key]) => key === name)?.[1]
    t.ok(code, name)
    const error = received({ code: status, details: 'because', metadata: new grpc.Metadata() })
    const ours = fromServiceError(error, '127.0.0.1:1')
    t.equal(ours.code, code)
    t.equal(ours.message, `127.0.0.1:1: because (${name})`)
    t.equal(ours.retryable, ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'ABORTED'].includes(name), name)
  }
  t.equal(fromServiceError('odd', 'x').code, 'rpc-unknown')
})
