import { smallApp } from '../apps/small.ts'
import { runClient } from '../clients/run.ts'
import type { Figure } from '../figures.ts'
import { outrider } from '../subjects/outrider.ts'
import type { Scenario } from './scenario.ts'

const compileMs: Figure = { key: 'slowestCompileMs', head: 'slowest, ms', digits: 1, over: 'highest' }
const changeMs: Figure = { key: 'slowestChangeMs', head: 'slowest, ms', digits: 1, over: 'highest' }
const workerMs: Figure = { key: 'slowestWorkerChangeMs', head: 'slowest, ms', digits: 1, over: 'highest' }

export const compile: Scenario = {
  name: 'compile',
  question: 'How long do 10 000 rules block a sidecar, and how long a change of one of them?',
  subjects: [outrider],
  app: smallApp,
  available: () => undefined,
  load: () =>
    'bench/clients/compiling.ts in its own process; updates from their bytes to the policy in force, and what goes to a worker thread',
  connections: 1,
  rounds: 3,
  figures: [
    { key: 'rules', head: 'rules', digits: 0, over: 'highest' },
    { key: 'compileMs', head: 'compile, ms', digits: 1, over: 'median' },
    compileMs,
    { key: 'firstMs', head: 'first update, ms', digits: 1, over: 'median' },
    { key: 'changeMs', head: 'one rule changed, ms', digits: 2, over: 'median' },
    changeMs,
    { key: 'workerChangeMs', head: 'in a worker, ms', digits: 2, over: 'median' },
    workerMs,
    { key: 'bytesPerRule', head: 'bytes a rule', digits: 0, over: 'median' },
    { key: 'compiledBytesPerRule', head: 'of these compiled', digits: 0, over: 'median' },
    { key: 'changes', head: 'changes', digits: 0, over: 'sum' },
  ],
  compared: compileMs,
  bars: [
    { figure: compileMs, relation: '<=', limit: 1000, peers: [] },
    { figure: changeMs, relation: '<=', limit: 20, peers: [] },
    { figure: workerMs, relation: '<=', limit: 20, peers: [] },
  ],
  round: ({ seconds, signal }) => runClient('compiling.ts', { seconds }, signal),
}
