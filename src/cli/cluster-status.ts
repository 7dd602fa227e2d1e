import { isoOf, millisecondsOf } from '../lib/protobuf-time.ts'
import type { ClusterState__Output } from '../wire/outrider/admin/v1/ClusterState.ts'
import { formatSpan, type Json, printable } from './output.ts'

/** How the copy that a control server has of its cluster stands, a line each. */
export function clusterText(state: ClusterState__Output, nowMs: number): readonly string[] {
  const { synced, serverName, knownRevision, objects, failures, heldBack, heldBackTotal } = state
  const known = synced ? `revision ${knownRevision} known, ${objects} objects` : 'not in step yet'
  return [
    `store kubernetes, server ${serverName}, ${known}`,
    ...failures.map(({ type, namespace, since, code, message }) => {
      const span = formatSpan(nowMs - (millisecondsOf(since) ?? nowMs))
      const where = namespace === '' ? '' : ` in ${namespace}`
      return `${type}${where}: nothing heard for ${span}${code === '' ? '' : `: ${message} (${code})`}`
    }),
    ...heldBack.map(
      ({ ref, code, message }) => `held back: ${ref?.kind} ${ref?.namespace}/${ref?.name}: ${message} (${code})`,
    ),
    ...(heldBackTotal > heldBack.length ? [`held back: ${heldBackTotal - heldBack.length} more`] : []),
  ].map(printable)
}

export function clusterJson({ failures, heldBack, ...rest }: ClusterState__Output): Json {
  return {
    ...rest,
    failures: failures.map(({ since, ...failure }) => ({ ...failure, since: isoOf(since) })),
    heldBack: heldBack.map(({ ref, code, message }) => ({
      kind: ref?.kind,
      namespace: ref?.namespace,
      name: ref?.name,
      code,
      message,
    })),
  }
}
