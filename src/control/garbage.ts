import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8's space for young objects at the size it has after the start, 16 MiB. A storm of connections doubles it again and
 * again, to 128 MiB of which nothing is used afterwards: with 2000 sidecars that is 35 KiB for each. For the whole process.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
}
