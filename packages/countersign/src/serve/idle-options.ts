/**
 * Options of `serve` that are without effect beside the others. Whoever gives `--ca` and forgets `--verify-user` would serve
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

/**
 * What to tell about them: a program that is switched between its modes may name the files of all of them, so they are no error.
 *
 * @throws {@link ProgramError} `usage` where a certificate is named and one is to be made
 */
export function idleOptions(flags: object, { https, adhoc, asks }: ServedMode): string[] {
  const given = (name: string): boolean => {
    const value: unknown = Reflect.get(flags, name)
    return value !== undefined && value !== false
  }
  const made = adhoc ? ['cert', 'key'].find((name) => given(name)) : undefined
  if (made !== undefined) {
    throw new ProgramError('usage', `--adhoc makes a certificate, and --${made} names one`, {
      hint: 'leave one of them out',
    })
  }
  const needHttps = https ? [] : [...OF_HTTPS.keys()].filter((name) => given(name))
  const needAsking = asks ? [] : [...OF_CLIENTS.keys()].filter((name) => given(name))
  return [
    ...needHttps.map(
      (name) => `${OF_HTTPS.get(name)} is for HTTPS, and this is plain HTTP: add --https`,
    ),
    ...needAsking.map(
      (name) =>
        `${OF_CLIENTS.get(name)} is about client certificates, and nobody is asked for one: add ${https ? '' : '--https '}--verify-user`,
    ),
  ]
}

const OF_HTTPS: ReadonlyMap<string, string> = new Map([
  ['cert', '--cert'],
  ['key', '--key'],
  ['http2', '--http2'],
  ['hosts', '--hosts'],
  ['ticketSecret', '--ticket-secret'],
])

const OF_CLIENTS: ReadonlyMap<string, string> = new Map([
  ['ca', '--ca'],
  ['strict', '--strict'],
  ['permit', '--permit'],
  ['crl', '--crl'],
  ['crlLeafOnly', '--crl-leaf-only'],
  ['crlGrace', '--crl-grace'],
  ['crlEvery', '--crl-every'],
  ['crlFolder', '--crl-folder'],
  ['crlLater', '--crl-later'],
])
