/**
 * What a row of the grid of `explain` is.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { initAuthority, issue } from './identity-files.ts'
import { Certificate, PrivateKey } from '@countersign/x509'
import type { Holder } from './explain-certificates.ts'
import { https, type Start } from './explain-servers.ts'

/** One server, what its client trusts, and what is to be said about it. */
export interface Row {
  readonly what: string
  /** What `explain` says; absent where the server is trusted. */
  readonly code?: string
  readonly start: Start
  /** What the server sends, leaf first; absent where it sends no certificates. */
  readonly chain?: readonly Holder[]
  /** What the client trusts: `--ca`. */
  readonly roots: readonly Holder[]
  /** What the client connects to. @defaultValue `localhost` */
  readonly host?: 'localhost' | '127.0.0.1'
  /** `--name` */
  readonly name?: string
  /** PEM: `--crl` */
  readonly crls?: string
  /** Our own certificate and what is sent with it: `--cert`. */
  readonly client?: readonly Holder[]
  /** What OpenSSL and Python say of the chain, where it is not what `explain` says. */
  readonly openssl?: 'accepts' | 'refuses'
  /** What Python says, where it does not let OpenSSL do as it would. */
  readonly python?: 'refuses'
  /** What the text must say. */
  readonly says?: readonly RegExp[]
  /** What the command for the caller does, when it is pasted. @defaultValue as {@link CALLERS} has it for the code */
  readonly caller?: CallerFix
  /** What a server is with the files that the command for its owner makes. @defaultValue as {@link OWNERS} has it */
  readonly owner?: OwnerFix
  /** The data folder of whoever pastes. @defaultValue that of our own authority */
  readonly data?: string
  /** A program without which there is no such server. */
  readonly needs?: string
}

/**
 * `trusted`: the command calls the server, which answers. `pins`: it writes `server.pem`, with which the server is trusted.
 * `shows`: it only shows something. `none`: there is none.
 */
export type CallerFix = 'trusted' | 'pins' | 'shows' | 'none'

/**
 * `trusted`: by the same client. `anew`: by a client that is given the new root, which the command writes too. `none`: there
 * is none.
 */
export type OwnerFix = 'trusted' | 'anew' | 'none'

/** Where the caller of a row gets a command, unless the row says otherwise. */
export const CALLERS: ReadonlyMap<string, CallerFix> = new Map([
  ['self-signed', 'pins'],
  ['expired', 'shows'],
  ['not-yet-valid', 'shows'],
])

/** Where the owner of a row's server gets a command, unless the row says otherwise. */
export const OWNERS: ReadonlyMap<string, OwnerFix> = new Map(
  [
    'missing-intermediate',
    'self-signed',
    'not-yet-valid',
    'expired',
    'bad-signature',
    'revoked',
    'name-mismatch',
    'wrong-purpose',
    'not-a-ca',
    'path-too-long',
    'critical-extension',
    'name-constraint',
    'weak-crypto',
  ].map((code) => [code, 'anew'] as const),
)

/** Everything a row of a chain may say beside what is sent and trusted. */
export type MoreOfRow = Omit<Row, 'what' | 'code' | 'start' | 'chain' | 'roots'> & {
  weak?: boolean
}

/**
 * A row of a server with a chain.
 *
 * @param roots - what its client trusts
 * @param more - `weak` for keys and hashes that a server of today does not let itself be given
 */
export function chainRow(
  what: string,
  code: string | undefined,
  chain: readonly Holder[],
  roots: readonly Holder[],
  { weak = false, ...more }: MoreOfRow = {},
): Row {
  const options = weak ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}
  return {
    what,
    ...(code === undefined ? {} : { code }),
    start: https(chain, options),
    chain,
    roots,
    ...more,
  }
}

/** The authority of a data folder, with the keys that it signs with. */
export interface OwnAuthority {
  readonly folder: string
  readonly root: Holder
  readonly issuer: Holder
}

/**
 * Makes an authority with the program, and opens it.
 *
 * @param name - of a host that it may sign for
 * @param args - further arguments of `init`
 */
export async function ownAuthority(
  folder: string,
  name: string,
  ...args: string[]
): Promise<OwnAuthority> {
  const data = await initAuthority(folder, ...args)
  const issued = await issue(data, path.join(folder, 'issued'), name)
  const [root] = Certificate.parseAll(readFileSync(path.join(data, 'roots.pem')), 'roots.pem')
  const [, issuer] = Certificate.parseAll(readFileSync(issued.certificate), issued.certificate)
  if (root === undefined || issuer === undefined) throw new Error(`${data} is no authority`)
  const read = (key: string, passphrase: string): PrivateKey =>
    PrivateKey.parse(readFileSync(path.join(data, key)), {
      passphrase: readFileSync(path.join(data, passphrase), 'utf8').trim(),
    })
  return {
    folder: data,
    root: { certificate: root, key: read('root.key', 'root.passphrase') },
    issuer: { certificate: issuer, key: read('issuer.key', 'passphrase') },
  }
}
