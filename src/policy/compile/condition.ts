import { unreachable } from '../../lib/unreachable.ts'
import { type Criterion, criterion, listCriterion } from '../criterion.ts'
import { compileCel } from '../cel/compile.ts'
import { matchesHeader, parseHeaderName } from '../match/header.ts'
import { type HostPattern, matchesHost, parseHostPattern } from '../match/host.ts'
import { compileTime, matchesTime } from '../match/time.ts'
import type { Condition } from '../model.ts'
import { parseList, parseOne } from '../parse-list.ts'
import type { Query } from '../query.ts'
import { compileValueMatch, type RuleScope } from './scope.ts'
import { claimCriterion } from './tokens.ts'

/** An entry of `when`; `name` is its index. Fails, with violations below `field`, to `undefined`. */
export function compileCondition(
  condition: Condition,
  name: string,
  field: string,
  scope: RuleScope,
): Criterion | undefined {
  const { onUnknown, violations } = scope
  if ('claim' in condition) return claimCriterion(condition, name, field, scope)
  if ('header' in condition) {
    const header = parseOne(condition.header, `${field}.header`, parseHeaderName, violations)
    const matcher = compileValueMatch(condition, field, scope)
    if (header === undefined || matcher === undefined) return undefined
    return criterion({ name, layer7: true, onUnknown }, ({ headers }) =>
      headers === undefined ? 'unknown' : matchesHeader(header, matcher, headers),
    )
  }
  if ('sni' in condition) {
    const names = parseList(condition.sni, `${field}.sni`, parseHostPattern, violations)
    return names === undefined
      ? undefined
      : listCriterion({ name, onUnknown, checks: names.length }, false, names, ofSni)
  }
  if ('time' in condition) {
    const time = parseOne(condition.time, `${field}.time.zone`, compileTime, violations)
    return time === undefined
      ? undefined
      : criterion({ name, onUnknown }, ({ nowMs }) => (nowMs === undefined ? 'unknown' : matchesTime(time, nowMs)))
  }
  if ('cel' in condition) {
    const evaluate = parseOne(condition.cel, `${field}.cel`, compileCel, violations)
    return evaluate === undefined ? undefined : criterion({ name, layer7: true, onUnknown, checks: 16 }, evaluate)
  }
  return unreachable(condition)
}

function ofSni(names: readonly HostPattern[], { sni }: Query): boolean | undefined {
  return sni === undefined ? undefined : names.some((pattern) => matchesHost(pattern, sni.toLowerCase()))
}
