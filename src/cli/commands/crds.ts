import { OutriderError } from '../../lib/errors.ts'
import { type ResourceDefinition, resourceDefinitions } from '../../policy/crd/definition.ts'
import { type Command, defineCommand, exitCode } from '../command.ts'
import { toYaml } from '../output.ts'

/** One document of YAML. */
export function definitionText(definition: ResourceDefinition): string {
  return `${toYaml(definition)}\n`
}

export const command: Command = defineCommand({
  name: 'crds',
  summary: 'Print the CustomResourceDefinitions of all kinds of resources',
  usage: '[-o yaml|json]',
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      choices: ['yaml', 'json'],
      default: 'yaml',
      doc: 'how to print: yaml (a document for each) or json (one list); kubectl apply takes both',
    },
  },
  async run({ args, options, stdout }) {
    if (args.length > 0) throw new OutriderError('usage-arguments', 'takes no arguments: all kinds are printed')
    const items = resourceDefinitions()
    if (options.output === 'yaml') stdout.write(items.map(definitionText).join('---\n'))
    else stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)}\n`)
    return exitCode.ok
  },
})
