/**
 * The three values of Kleene's logic. What a request does not say, or what cannot be computed, is unknown; a rule takes it as
 * false in ALLOW and as true in DENY and AUDIT. Rules combine conditions by "and" and "or" alone, so that it makes no difference
 * whether each condition is taken that way or the rule as a whole.
 */
export type Truth = boolean | 'unknown'

/** False when one is false, else unknown when one is. */
export function both(one: Truth, other: Truth): Truth {
  if (one === false || other === false) return false
  return one === true ? other : one
}

export function not(truth: Truth): Truth {
  return truth === 'unknown' ? truth : !truth
}
