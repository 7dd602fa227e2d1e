import { OutriderError } from '../../lib/errors.ts'
import type { AdminHandlers } from '../../rpc/handler.ts'

type Writes = Pick<AdminHandlers, 'apply' | 'applyCanary' | 'delete' | 'createToken'>

/**
 * The calls that write resources, where the resources are in a cluster: there is one way to write them, and this is not it. Join tokens are
 * refused with them: another control server would not know them. A dry run is none of them, and the calls that make
 * API keys give the document that is to be applied.
 */
export function refuseWrites({ apply }: Pick<AdminHandlers, 'apply'>): Writes {
  return {
    apply: (request, ...rest) => (request.dryRun ? apply(request, ...rest) : refuse('kubectl apply -f FILE')),
    applyCanary: () => refuse('kubectl apply -f FILE; there are no canaries then'),
    delete: ({ ref }) => {
      const { kind = '', namespace = '', name = '' } = ref ?? {}
      const type = `${kind.toLowerCase()}.outrider.mesh`
      return refuse(`kubectl delete ${type} ${name} -n ${namespace === '' ? 'default' : namespace}`)
    },
    createToken: () =>
      refuse('no join token: workloads prove who they are with service-account tokens (kubernetes: token-review)'),
  }
}

function refuse(instead: string): never {
  throw new OutriderError('store-is-kubernetes', `the resources of this mesh are in its cluster; use ${instead}`)
}
