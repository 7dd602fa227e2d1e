// Writes the pages of docs/reference and the manifests of deploy/crds that follow from the code; with --check, compares instead and fails on a
// difference.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { exitCode } from '../../src/cli/command.ts'
import { definitionText } from '../../src/cli/commands/crds.ts'
import { commandHelp } from '../../src/cli/help.ts'
import { commands } from '../../src/cli/run.ts'
import { controlOptions } from '../../src/config/control.ts'
import { injectOptions, injectorOptions } from '../../src/config/injector.ts'
import { flagOf, type Option, type OptionTable, variableOf } from '../../src/config/option.ts'
import { sidecarOptions } from '../../src/config/sidecar.ts'
import { rangeOf } from '../../src/config/value.ts'
import { protocolFaults } from '../../src/http/protocol-fault.ts'
import { type ResourceDefinition, resourceDefinitions } from '../../src/policy/crd/definition.ts'
import { lintRules } from '../../src/policy/lint/finding.ts'
import { refusals } from '../../src/sidecar/refusal.ts'
import {
  controlMetrics,
  injectorMetrics,
  type MetricDefinition,
  type MetricTable,
  processMetrics,
  sidecarMetrics,
} from '../../src/telemetry/names.ts'
import { read, root } from './sources.ts'

const GENERATED_YAML = '# Made from the code by test/claims/generate-reference.ts; outrider crds prints it.\n'
const GENERATED = '<!-- Made from the code by test/claims/generate-reference.ts. -->\n'

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(tableRow).join('')
}

function optionRow([name, option]: readonly [string, Option]): string[] {
  const fallback = option.default === '' ? '' : `\`${option.default}\``
  const flag = option.type === 'secret' ? '' : `<br>\`--${flagOf(name)}\``
  const warning = option.dangerous === true ? ' **Weakens the mesh.**' : ''
  return [
    `\`${name}\`${flag}<br>\`${variableOf(name)}\``,
    option.type,
    fallback,
    rangeOf(option) ?? '',
    option.doc + warning,
  ]
}

function optionsOf(title: string, options: OptionTable): string {
  const head = ['option', 'type', 'default', 'allowed', 'meaning']
  return `\n## ${title}\n\n${table(head, Object.entries(options).map(optionRow))}`
}

function optionsPage(): string {
  return `${GENERATED}# Options

A flag wins over the environment, that over the file that \`--config FILE\` names, that over the default. The file is one
YAML object with the names of options as keys:

\`\`\`yaml
drainTimeoutMs: 1m
inbound:
  - 0.0.0.0:15406=127.0.0.1:8080
\`\`\`

Durations are written \`250ms\`, \`10s\`, \`4m30s\`, \`24h\`, \`90d\`, or as a number of milliseconds. Addresses are \`host:port\`, with
IPv6 in brackets. A name that is no option, and a value outside what is allowed, are refused before anything starts. Secrets
come from the environment alone: a flag is seen by every user of the machine, and files get committed.
${optionsOf('outrider sidecar', sidecarOptions)}${optionsOf('outrider control', controlOptions)}${optionsOf('outrider inject', injectOptions)}${optionsOf('outrider injector', injectorOptions)}`
}

function metricRow({ name, type, help, labels, buckets }: MetricDefinition): string[] {
  const values = Object.entries(labels).map(([label, allowed]) =>
    typeof allowed === 'string' ? `\`${label}\`: ${allowed}` : `\`${label}\`: ${allowed.join(', ')}`,
  )
  const bounds = buckets === undefined ? '' : ` Buckets: ${buckets.join(', ')}.`
  return [`\`${name}\``, type, values.join('<br>'), help + bounds]
}

function metricsOf(title: string, metrics: MetricTable): string {
  const head = ['metric', 'type', 'labels', 'meaning']
  return `\n## ${title}\n\n${table(head, Object.values(metrics).map(metricRow))}`
}

function metricsPage(): string {
  return `${GENERATED}# Metrics

In the text format of Prometheus (version 0.0.4). No label holds a raw path, a header or anything else that a caller chooses
freely. A metric has at most 10 000 series; beyond that its open labels become \`other\`, which
\`outrider_metric_labels_dropped_total\` counts. Series with open labels that did not change for 10 minutes are left out
until they change again.
${metricsOf('Sidecar', sidecarMetrics)}${metricsOf('Control server', controlMetrics)}${metricsOf('Injector', injectorMetrics)}${metricsOf('Every process', processMetrics)}`
}

type AnswerTable = Readonly<Record<string, { readonly status: number; readonly text: string }>>

function answers(codes: AnswerTable): string {
  const rows = Object.entries(codes).map(([code, { status, text }]) => [`\`${code}\``, String(status), text])
  return table(['code', 'status', 'meaning'], rows)
}

function refusalsPage(): string {
  return `${GENERATED}# Refusals

What a sidecar answers in place of the upstream. The code is in the access log (\`code\`) and in the metrics; who else may see
it is described in [access-log.md](access-log.md).

## Decisions and failures

${answers(refusals)}
## Messages that break HTTP

The status is what a client is answered. The same fault in a response of an upstream is answered with 502.

${answers(protocolFaults)}`
}

const exitMeanings: Readonly<Record<keyof typeof exitCode, string>> = {
  ok: 'done',
  failure: 'something failed that none of the codes below names',
  usage: 'the command line or the configuration is wrong; nothing was tried',
  refused: 'the input was read and refused, such as invalid resources',
  notFound: 'what was asked for is not there',
  unreachable: 'the control server does not answer',
  conflict: 'the state there is not the one the command wanted',
  rolledBack: 'a canary was taken back, and nothing was stored',
  interrupted: 'ended by SIGINT or SIGTERM before it was done',
}

async function cliPage(): Promise<string> {
  const codes = Object.entries(exitMeanings).map(([name, meaning]) => {
    const code = Object.entries(exitCode).find(([known]) => known === name)?.[1] ?? name
    return [String(code), meaning]
  })
  const loaded = await Promise.all(Object.values(commands).map((entry) => entry.load()))
  const helps = loaded.map(({ command }) => `## outrider ${command.name}\n\n\`\`\`\n${commandHelp(command)}\`\`\`\n`)
  return `${GENERATED}# Command line

Results go to the standard output, everything else to the standard error. The first SIGINT or SIGTERM asks a command to finish,
a second one ends it at once.

${table(['exit code', 'meaning'], codes)}
${helps.join('\n')}`
}

/** The generated pages by their path. */
function lintPage(): string {
  const rows = Object.entries(lintRules).map(([code, { level, doc }]) => [`\`${code}\``, level, doc])
  return `${GENERATED}# Findings of lint

What \`outrider policy lint\` says about resources that are valid. Findings say what is proven: a rule that is reported as dead, denied
or shadowed can be taken out, and all of them together, without a change of any decision. That a rule has no finding proves nothing.
An error makes the exit code 1; a warning does with \`--strict\`. Errors about documents that are applied are shown by \`outrider apply\`,
which stores nothing because of them only with \`--strict\`.

${table(['code', 'level', 'what was found'], rows)}`
}

function manifestOf(definition: ResourceDefinition): string {
  return `${definition.spec.names.plural}.yaml`
}

const definitions = resourceDefinitions()

function kustomization(): string {
  const resources = definitions.map((definition) => `- ${manifestOf(definition)}\n`)
  return `${GENERATED_YAML}apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n${resources.join('')}`
}

export const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/reference/options.md': optionsPage,
  'docs/reference/metrics.md': metricsPage,
  'docs/reference/refusals.md': refusalsPage,
  'docs/reference/cli.md': cliPage,
  'docs/reference/lint.md': lintPage,
  'deploy/crds/kustomization.yaml': kustomization,
  ...Object.fromEntries(
    definitions.map((definition) => [
      `deploy/crds/${manifestOf(definition)}`,
      () => `${GENERATED_YAML}${definitionText(definition)}`,
    ]),
  ),
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  for (const [path, make] of Object.entries(pages)) {
    const text = await make()
    if (!check) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    } else if (read(path) !== text) {
      console.error(`${path} is not what the code says: run node test/claims/generate-reference.ts`)
      process.exitCode = 1
    }
  }
}
