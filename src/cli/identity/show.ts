import type { Output } from '../command.ts'
import { formatSpan, formatTable, formatTime, printable } from '../output.ts'
import type { CertificatePage } from '../sidecar-page.ts'

/** The SVID of a sidecar and whom it believes, for a person. */
export function showIdentity({ svid, bundles }: CertificatePage, nowMs: number, stdout: Output): void {
  const { id, serial, notBefore, notAfter, authority, chain } = svid
  const endsInMs = Date.parse(notAfter) - nowMs
  const ends = endsInMs > 0 ? `in ${formatSpan(endsInMs)}` : `EXPIRED ${formatSpan(-endsInMs)} ago`
  const lines = [
    `SPIFFE ID  ${id}`,
    `serial     ${serial}`,
    `valid      ${formatTime(Date.parse(notBefore))} to ${formatTime(Date.parse(notAfter))}, ends ${ends}`,
    ...chain.map((fingerprint, index) => `${index === 0 ? 'chain' : '     '}      ${fingerprint}`),
    `root       ${authority}`,
    '',
  ]
  stdout.write(`${lines.map(printable).join('\n')}\n`)
  stdout.write(
    formatTable({
      columns: ['TRUST DOMAIN', 'BUNDLE', 'ROOT', 'ENDS IN', 'STATE'],
      rows: bundles.flatMap(({ trustDomain, sequence, authorities }) =>
        authorities.map(({ fingerprint, notAfter, tainted }) => [
          trustDomain,
          String(sequence),
          fingerprint.slice(0, 16),
          formatSpan(Date.parse(notAfter) - nowMs),
          [...(tainted ? ['tainted'] : []), ...(fingerprint === authority ? ['ours'] : [])].join(', ') || '-',
        ]),
      ),
      empty: 'believes nobody',
    }),
  )
}
