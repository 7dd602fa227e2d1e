import type { CaseResult } from '../../policy/cases/run.ts'

/** The results as JUnit XML, which CI systems show. */
export function junitReport(results: readonly CaseResult[]): string {
  const suites = Map.groupBy(results, ({ test }) => test)
  const body = [...suites].map(([name, cases]) => {
    const failures = cases.filter(({ differences }) => differences.length > 0).length
    const lines = cases.map(caseElement)
    return `  <testsuite name=${attribute(name)} tests="${cases.length}" failures="${failures}">\n${lines.join('')}  </testsuite>\n`
  })
  const failures = results.filter(({ differences }) => differences.length > 0).length
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${results.length}" failures="${failures}">\n${body.join('')}</testsuites>\n`
}

function caseElement({ test, name, file, line, differences }: CaseResult): string {
  const head = `    <testcase classname=${attribute(test)} name=${attribute(name)} file=${attribute(file)} line="${line}"`
  const [first] = differences
  if (first === undefined) return `${head}/>\n`
  return `${head}>\n      <failure message=${attribute(first)}>${escaped(differences.join('\n'))}</failure>\n    </testcase>\n`
}

function attribute(text: string): string {
  return `"${escaped(text).replaceAll('\n', '&#10;')}"`
}

/** XML 1.0, 2.2: most control characters cannot stand in a document, not even as references. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
