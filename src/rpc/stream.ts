import type grpc from '@grpc/grpc-js'
import type { OutriderError } from '../lib/errors.ts'
import { toStatus } from './errors.ts'

/** The server's end of a streaming call, without the gRPC library. */
export interface ServerStream<Out> {
  /** Queues one message. How many wait for a slow peer is `backlog`: bounding it is the sender's duty. */
  send(message: Out): void
  /** Messages that are queued and not yet handed to the connection. */
  readonly backlog: number
  /** Ends the call with status OK, or with the status of `error`. Later sends are dropped. */
  end(error?: OutriderError): void
  /** Called once, when the call is over for whatever reason. */
  onClose(listener: () => void): void
}

export interface ServerDuplex<In, Out> extends ServerStream<Out> {
  onMessage(listener: (message: In) => void): void
  /** The peer has sent its last message. */
  onEnd(listener: () => void): void
}

/** What a closing server does to the calls that are still open. */
export interface Endable {
  end(error?: OutriderError): void
}

/** Puts our interface around a server stream of grpc-js; `open` holds the stream until it is over. */
export function openStream<Out>(call: grpc.ServerWritableStream<unknown, Out>, open: Set<Endable>): ServerStream<Out> {
  return wrap(call, open)
}

/** As `openStream`; what a listener throws ends the call through `failed`. */
export function openDuplex<In, Out>(
  call: grpc.ServerDuplexStream<In, Out>,
  open: Set<Endable>,
  failed: (thrown: unknown) => OutriderError,
): ServerDuplex<In, Out> {
  const stream = wrap<Out>(call, open)
  return Object.assign(stream, {
    onMessage(listener: (message: In) => void): void {
      call.on('data', (message: In) => {
        try {
          listener(message)
        } catch (thrown) {
          stream.end(failed(thrown))
        }
      })
    },
    onEnd(listener: () => void): void {
      call.on('end', listener)
    },
  })
}

type Call<Out> = grpc.ServerWritableStream<unknown, Out> | grpc.ServerDuplexStream<unknown, Out>

function wrap<Out>(call: Call<Out>, open: Set<Endable>): ServerStream<Out> {
  const listeners: (() => void)[] = []
  let ended = false
  const stream: ServerStream<Out> = {
    get backlog() {
      return call.writableLength
    },
    send(message) {
      if (!ended) call.write(message)
    },
    end(error) {
      if (ended) return
      ended = true
      // grpc-js makes the status of a call out of the `error` event of its server stream.
      if (error === undefined) call.end()
      else call.emit('error', toStatus(error))
    },
    onClose(listener) {
      listeners.push(listener)
    },
  }
  open.add(stream)
  const over = (): void => {
    ended = true
    if (!open.delete(stream)) return
    for (const listener of listeners) listener()
  }
  for (const event of ['cancelled', 'finish', 'close', 'error']) call.on(event, over)
  return stream
}
