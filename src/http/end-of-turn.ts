/** Something that gathers what it has to write within one turn of the event loop. */
export interface Flushable {
  flush(): void
}

/** One immediate for all connections that have something to write in this turn. */
let waiting: Flushable[] = []

/** Calls `flush` once, behind everything that this turn of the event loop reads. */
export function atEndOfTurn(flushable: Flushable): void {
  if (waiting.length === 0) setImmediate(flushWaiting)
  waiting.push(flushable)
}

function flushWaiting(): void {
  const due = waiting
  waiting = []
  for (const flushable of due) flushable.flush()
}
