/**
 * Hosts of a server that stand in a file, so that a reload takes up who was added, changed and removed.
 *
 * Not here: the language it is written in; whoever names the file reads its text.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { ServerError } from './errors.ts'
import type { HostOptions, HostsFile } from './options.ts'

/**
 * Reads the file.
 *
 * @throws {@link ServerError} `option-invalid` where it cannot be read or is longer than 4 MiB; what its `parse` throws
 */
export function readHosts({ file, parse }: HostsFile): Readonly<Record<string, HostOptions>> {
  let text: string
  try {
    const { size } = statSync(file)
    if (size > MOST_BYTES) throw new RangeError(`it is ${size} bytes long`)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new ServerError('option-invalid', `the file of hosts, ${file}, cannot be read`, {
      option: 'hostsFile',
      path: file,
      hint: `it must be there, readable, and no longer than ${MOST_BYTES / 2 ** 20} MiB`,
      cause: error,
    })
  }
  return parse(text, file)
}

/** The next hosts, where those that say what they said are the same objects as before. */
export function keepSame(
  before: ReadonlyMap<string, HostOptions>,
  next: ReadonlyMap<string, HostOptions>,
): ReadonlyMap<string, HostOptions> {
  return new Map(
    [...next].map(([pattern, host]) => {
      const known = before.get(pattern)
      return [pattern, known !== undefined && isDeepStrictEqual(known, host) ? known : host]
    }),
  )
}

const MOST_BYTES = 4 * 2 ** 20
