import type { ResourceSet } from '../resource-set.ts'
import { advice } from './advice.ts'
import { type Finding, rulesOf } from './finding.ts'
import { layer7OnTcp } from './protocols.ts'
import { unknownReferences } from './references.ts'
import { undeciding } from './undeciding.ts'

/**
 * Everything about a set of valid resources that its author hardly wants, by file and line. `nowMs`, in milliseconds since 1970, is
 * when policies are held to have ended.
 */
export function lint(set: ResourceSet, nowMs: number): readonly Finding[] {
  const rules = rulesOf(set.sources)
  const findings = [
    ...undeciding(rules, nowMs),
    ...unknownReferences(set, rules),
    ...layer7OnTcp(set, rules),
    ...advice(set, rules),
  ]
  return findings.toSorted((a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
