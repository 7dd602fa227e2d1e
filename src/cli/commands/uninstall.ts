import { loadConfig } from '../../config/load.ts'
import { readManifests } from '../../installation/manifests.ts'
import { nameOf } from '../../installation/object-types.ts'
import { type Removal, uninstall } from '../../installation/uninstall.ts'
import { clusterOptions, timeoutOption, withCluster } from '../cluster.ts'
import { type Command, defineCommand, exitCode, outputOption } from '../command.ts'
import { print } from '../output.ts'

const meanings: Readonly<Record<Removal['outcome'], string>> = {
  removed: 'removed',
  kept: 'kept: it holds policy or keys of the mesh; --purge removes it',
  foreign: 'kept: outrider install did not make it',
}

export const command: Command = defineCommand({
  name: 'uninstall',
  summary: 'Take the mesh out of a Kubernetes cluster',
  usage: '[--dry-run] [--purge] [OPTION...]',
  options: {
    ...clusterOptions,
    purge: {
      type: 'boolean',
      doc: 'remove all policy (with its resource definitions), the keys of the mesh and its namespace, too; there is no way back',
    },
    force: { type: 'boolean', doc: 'go on although pods run with sidecars' },
    timeout: timeoutOption.flag,
    'dry-run': { type: 'boolean', doc: 'print what would be removed, and remove nothing' },
    output: outputOption,
  },
  async run(context) {
    const { options, stdout, clock, signal } = context
    const { purge = false, force = false, 'dry-run': dryRun = false, timeout, output } = options
    const values = { timeout: timeoutOption.value }
    const { timeout: timeoutMs } = loadConfig(values, { env: {}, flags: { timeout } })
    const objects = readManifests()
    const removals = await withCluster(context, (client) =>
      uninstall(objects, { client, clock, signal, timeoutMs, force, purge, dryRun }),
    )
    const rows = removals.map(({ object, outcome }) => ({ object: nameOf(object), result: outcome }))
    print(stdout, output, rows, () => ({
      columns: ['OBJECT', dryRun ? 'WOULD BE' : 'RESULT'],
      rows: removals.map(({ object, outcome }) => [nameOf(object), meanings[outcome]]),
      empty: 'nothing of the mesh is there',
    }))
    return exitCode.ok
  },
})
