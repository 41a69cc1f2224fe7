/**
 * Options of `serve` that would be without effect beside the others. Whoever gives `--ca` and forgets `--verify-user` would serve
 * everybody and believe otherwise.
 *
 * @module
 */
import { ProgramError } from '../errors.ts'

/** What the other options come to. */
export interface ServedMode {
  readonly https: boolean
  readonly adhoc: boolean
  /** Whether clients are asked for certificates. */
  readonly asks: boolean
}

/** @throws {@link ProgramError} `usage`, naming the first of them */
export function refuseIdleOptions(flags: object, { https, adhoc, asks }: ServedMode): void {
  const given = (name: string): boolean => {
    const value: unknown = Reflect.get(flags, name)
    return value !== undefined && value !== false
  }
  const needHttps = https ? undefined : ['cert', 'key', 'http2'].find((name) => given(name))
  if (needHttps !== undefined) {
    throw new ProgramError('usage', `--${needHttps} is for HTTPS, and plain HTTP would be served`, {
      hint: 'add --https, or leave it out',
    })
  }
  const needAsking = asks ? undefined : [...OF_CLIENTS.keys()].find((name) => given(name))
  if (needAsking !== undefined) {
    throw new ProgramError(
      'usage',
      `${OF_CLIENTS.get(needAsking)} is about client certificates, and nobody would be asked for one`,
      { hint: `add ${https ? '' : '--https '}--verify-user, or leave it out` },
    )
  }
  const made = adhoc ? ['cert', 'key'].find((name) => given(name)) : undefined
  if (made !== undefined) {
    throw new ProgramError('usage', `--adhoc makes a certificate, and --${made} names one`, {
      hint: 'leave one of them out',
    })
  }
}

const OF_CLIENTS: ReadonlyMap<string, string> = new Map([
  ['ca', '--ca'],
  ['strict', '--strict'],
  ['crl', '--crl'],
  ['crlLeafOnly', '--crl-leaf-only'],
  ['crlGrace', '--crl-grace'],
  ['crlEvery', '--crl-every'],
  ['crlFolder', '--crl-folder'],
  ['crlLater', '--crl-later'],
])
