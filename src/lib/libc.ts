import type { Socket } from 'node:net'
import type { OutriderError } from './errors.ts'

/** The C library that Node itself is linked with, whichever that is. */
export interface Libc {
  /** A function by its C prototype; what it is given and gives is up to the prototype. */
  call(declaration: string): (...args: readonly unknown[]) => number
}

/**
 * Loads what Node does not have: calls of the C library. Nothing is loaded before it is asked for, since few processes need it. Throws
 * what `unavailable` makes of the reason where the package is not installed or the system is another one: the numbers of options
 * are those of Linux on x86-64 and arm64.
 */
export async function loadLibc(unavailable: (why: string, cause?: unknown) => OutriderError): Promise<Libc> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw unavailable(`on ${process.platform} ${process.arch}: only Linux on x64 and arm64 is known`)
  }
  try {
    const { default: koffi } = await import('koffi')
    const library = koffi.load(null)
    return {
      call: (declaration) => {
        const found = library.func(declaration)
        return (...args) => Number(found(...args))
      },
    }
  } catch (cause) {
    throw unavailable('here: the package koffi cannot be loaded', cause)
  }
}

export const GETSOCKOPT = 'int getsockopt(int, int, int, void *, _Inout_ uint32_t *)'

/**
 * The file descriptor of a socket. It is asked for and used in one turn of the event loop, in which nothing closes the socket:
 * the number cannot have become another file's. Node keeps it on the handle, which is not public: `undefined` where it is not
 * there.
 */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = socket.destroyed ? undefined : Reflect.get(socket, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  return typeof fd === 'number' && Number.isInteger(fd) && fd >= 0 ? fd : undefined
}
