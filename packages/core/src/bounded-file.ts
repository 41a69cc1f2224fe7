/**
 * Files of which nobody knows what they are: read whole, up to a size, without waiting for whoever may write them.
 *
 * @module
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/**
 * Reads a file as `readFileSync` does, but never more than `maxBytes`, whatever the file system says of its size (`/dev/zero` says
 * 0), and never a named pipe, which would hold up this process until somebody writes. Pipes that a shell made are read:
 * `/dev/fd/63` is how `<(command)` arrives.
 *
 * @param maxBytes - @defaultValue 128 MiB, the most that is read of PEM
 * @throws what Node throws for a file that is missing or unreadable; an error with Node's code `ERR_FS_FILE_TOO_LARGE`, or `ESPIPE`
 * for a named pipe
 */
export function readBoundedFile(file: string, maxBytes: number = 128 * MIB): Buffer {
  const isOfShell = OF_SHELL.test(file)
  const descriptor = openSync(file, isOfShell ? constants.O_RDONLY : WITHOUT_WAITING)
  try {
    const status = fstatSync(descriptor)
    if (status.isFIFO() && !isOfShell) throw refusal('ESPIPE', 'it is a named pipe')
    const tooLarge = `it is larger than ${maxBytes / MIB} MiB`
    if (status.size > maxBytes) throw refusal('ERR_FS_FILE_TOO_LARGE', tooLarge)
    const parts: Buffer[] = []
    let length = 0
    for (;;) {
      const part = Buffer.allocUnsafe(Math.max(status.size - length, SMALLEST_PART))
      const count = readSync(descriptor, part)
      if (count === 0) return Buffer.concat(parts, length)
      length += count
      if (length > maxBytes) throw refusal('ERR_FS_FILE_TOO_LARGE', tooLarge)
      parts.push(part.subarray(0, count))
    }
  } finally {
    closeSync(descriptor)
  }
}

function refusal(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

const MIB = 1024 * 1024
const SMALLEST_PART = 64 * 1024
const OF_SHELL = /^\/(?:dev\/(?:fd\/\d+|stdin)|proc\/self\/fd\/\d+)$/
/** Opening a named pipe waits for its writer without this; Windows has neither. */
const WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK
