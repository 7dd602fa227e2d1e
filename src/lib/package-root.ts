import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds package.json and `bin/`: two above `src/lib` and above `dist/lib` alike. */
export const packageRoot: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
