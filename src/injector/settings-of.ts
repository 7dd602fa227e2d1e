import type { InjectConfig } from '../config/injector.ts'
import { formatAddress } from '../lib/address.ts'
import type { InjectSettings } from './settings.ts'

/** What the options of `inject` and `injector` mean for pods. */
export function settingsOf(config: InjectConfig, programVersion: string): InjectSettings {
  const [major = 0, minor = 0] = config.kubernetesVersion.split('.').map(Number)
  return {
    image: config.image,
    trustDomain: config.trustDomain,
    controlAddress: formatAddress(config.meshControlAddress),
    audience: config.tokenAudience,
    mode: config.mode,
    resources: {
      'cpu-request': config.cpuRequest,
      'cpu-limit': config.cpuLimit,
      'memory-request': config.memoryRequest,
      'memory-limit': config.memoryLimit,
    },
    kubernetesVersion: [major, minor],
    programVersion,
  }
}
