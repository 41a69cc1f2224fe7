/**
 * `countersign user key`: public keys with which users and services prove who they are, where no secret is ever sent.
 *
 * @module
 */
import type { KeyInfo } from '@countersign/auth'
import { PublicKey } from '@countersign/x509'
import type { Command } from 'commander'
import {
  addCommand,
  collect,
  dataOption,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { ProgramError } from '../errors.ts'
import { readGivenFile } from '../given-file.ts'
import { withAuth } from '../open-data.ts'
import { table } from '../output.ts'

interface KeyFlags extends SharedFlags {
  jwk?: string
  scope?: string[]
  days?: number
  label?: string
  revoke?: string
}

/** Adds the command below `user`. */
export function addUserKey(user: Command): void {
  addCommand(
    user,
    'key <name>',
    'list the public keys of a user or service, register or revoke one',
  )
    .addOption(dataOption())
    .option('--jwk <file>', 'register the key of a file: a public JSON Web Key, or PEM')
    .option('--scope <scope>', 'what its tokens may be used for; may be given again', collect)
    .option('--days <days>', 'how long it is accepted', wholeNumber(1, 3650))
    .option('--label <text>', 'what it is for, as it is listed')
    .option('--revoke <id>', 'end a key and every token that was got by it, at once')
    .action(async (name: string, flags: KeyFlags) =>
      perform(flags, async ({ output, data }) => {
        if (flags.jwk !== undefined && flags.revoke !== undefined) {
          throw new ProgramError('usage', '--jwk and --revoke are two things', {
            hint: 'register the new key first, then revoke the old one',
          })
        }
        await withAuth(data, async (auth) => {
          if (flags.jwk !== undefined) {
            const { scope, days, label } = flags
            const jwk = readPublicJwk(flags.jwk)
            const added = await auth.publicKeys.add(name, jwk, { scopes: scope, days, label })
            output.result(added, `${added.name} has the key ${added.kid}`)
            output.note('whoever holds its private half gets tokens at /oauth/token')
          } else if (flags.revoke === undefined) {
            const keys = await auth.publicKeys.list(name)
            output.result(keys, keys.length === 0 ? '' : table([HEADING, ...keys.map(row)]))
            if (keys.length === 0) output.note('no key')
          } else {
            const id = flags.revoke
            const own = (await auth.publicKeys.list(name)).some((key) => key.id === id)
            if (!own || !(await auth.publicKeys.revoke(id))) {
              throw new ProgramError('not-found', `${name} has no key ${id}`, {
                hint: `see which there are: countersign user key ${name}`,
              })
            }
            output.result({ id, revoked: true }, `revoked ${id}`)
          }
        })
      }),
    )
}

/** The public key of a file; a private one is refused with a word on how to take its public half out. */
function readPublicJwk(file: string): object {
  const text = readGivenFile(file).toString('utf8').trim()
  if (!text.startsWith('{')) {
    const jwk = PublicKey.parse(text, file).keyObject.export({ format: 'jwk' })
    // PEM does not say how an RSA key signs.
    return jwk.kty === 'RSA' ? { ...jwk, alg: 'PS256' } : { ...jwk }
  }
  let jwk: unknown
  try {
    jwk = JSON.parse(text)
  } catch (error) {
    throw new ProgramError('file-unreadable', `${file} holds no JSON Web Key`, { cause: error })
  }
  if (typeof jwk === 'object' && jwk !== null) return jwk
  throw new ProgramError('file-unreadable', `${file} holds no JSON Web Key`)
}

const HEADING = ['ID', 'KID', 'ALGORITHM', 'LABEL', 'SCOPES', 'ENDS', 'LAST USED']

function row(key: KeyInfo): string[] {
  return [
    key.id,
    key.kid,
    key.algorithm,
    key.label,
    key.scopes === '*' ? 'all that the roles allow' : key.scopes.join(' '),
    key.expires === undefined ? 'never' : day(key.expires),
    key.lastUsed === undefined ? 'never' : day(key.lastUsed),
  ]
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}
