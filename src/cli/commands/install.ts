import { loadConfig } from '../../config/load.ts'
import { injectOptions } from '../../config/injector.ts'
import { install } from '../../installation/install.ts'
import { readManifests } from '../../installation/manifests.ts'
import { nameOf } from '../../installation/object-types.ts'
import { render } from '../../installation/render.ts'
import { clusterOptions, timeoutOption, withCluster } from '../cluster.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'
import { formatTable, jsonOf, toYaml } from '../output.ts'
import { programVersion } from './version.ts'

/** What a value of the command line has to be. */
const values = {
  image: injectOptions.image,
  trustDomain: injectOptions.trustDomain,
  mode: injectOptions.mode,
  replicas: { type: 'integer', default: 2, min: 1, max: 100, doc: '' },
  timeout: timeoutOption.value,
} as const

export const command: Command = defineCommand({
  name: 'install',
  summary: 'Put the mesh into a Kubernetes cluster',
  usage: '[--image IMAGE] [--trust-domain NAME] [OPTION...]\n-o yaml [OPTION...]',
  options: {
    ...clusterOptions,
    image: {
      type: 'string',
      value: 'IMAGE',
      doc: 'image of control server, injector and sidecars (default outrider:VERSION, which is in no registry: push it to yours)',
    },
    'trust-domain': {
      type: 'string',
      value: 'NAME',
      doc: 'trust domain of all identities, fixed once a control server has started (default outrider.local)',
    },
    mode: {
      type: 'string',
      value: 'WORD',
      choices: values.mode.values,
      default: values.mode.default,
      doc: 'how the traffic of pods comes to their sidecars: redirect, tproxy, or explicit, which needs no privileges',
    },
    replicas: { type: 'string', value: 'NUMBER', doc: 'control servers, and injectors (default 2; 1 .. 100)' },
    timeout: timeoutOption.flag,
    'dry-run': { type: 'boolean', doc: 'have the API server say what would change, and change nothing' },
    'force-conflicts': { type: 'boolean', doc: 'take fields that somebody else has set' },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['table', 'json', 'yaml'],
      default: 'table',
      doc: 'table: install, and print what was done; json or yaml: print the manifests, and ask no cluster',
    },
  },
  async run(context) {
    const { options, stdout, stderr, clock, signal } = context
    const { kubeconfig: _, context: _context, output, 'dry-run': dryRun = false, ...given } = options
    const { 'force-conflicts': force = false, image = `outrider:${programVersion()}`, ...flags } = given
    const { timeout: timeoutMs, ...settings } = loadConfig(values, { env: {}, flags: { ...flags, image } })
    const objects = render(readManifests(), settings)
    if (output !== 'table') {
      const items = objects.map(jsonOf)
      if (output === 'yaml') stdout.write(items.map((item) => `---\n${toYaml(item)}\n`).join(''))
      else stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items })}\n`)
      return exitCode.ok
    }
    const progress = (line: string): void => stderr.write(`${line}\n`)
    const steps = await withCluster(context, (client) =>
      install(objects, { client, clock, signal, timeoutMs, force, dryRun, progress }),
    )
    const rows = steps.map(({ object, outcome }) => [nameOf(object), outcome])
    stdout.write(formatTable({ columns: ['OBJECT', dryRun ? 'WOULD BE' : 'RESULT'], rows, empty: '' }))
    return exitCode.ok
  },
})
