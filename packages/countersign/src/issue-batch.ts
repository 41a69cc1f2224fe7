/**
 * `countersign issue --batch FILE`: a key and a certificate for every line, all of them or none.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { errorMessage } from '@countersign/core'
import type { KeyType, PrivateKey } from '@countersign/x509'
import { accountName } from './account-name.ts'
import type { CommandContext } from './command.ts'
import { ProgramError } from './errors.ts'
import { withAuthority } from './open-data.ts'
import { type ProfileFlags, profileOf } from './profile-flags.ts'

/** The flags of `issue` that a batch knows; the others make no sense with it. */
export interface BatchFlags extends ProfileFlags {
  batch: string
  csr?: string
  p12?: boolean
  legacy?: boolean
  dual?: boolean
  passwordFile?: string
  keyType: KeyType
  days?: number
  out: string
  force?: boolean
}

/**
 * Issues the certificates and writes their files. Whatever can be refused is before anything is signed.
 *
 * @throws ProgramError `usage`, `file-unreadable`; AuthorityError `key-exists`, `option-invalid`, and what the policy refuses
 */
export async function issueBatch(
  flags: BatchFlags,
  names: readonly string[],
  { output, data }: CommandContext,
): Promise<void> {
  refuseWrongUse(flags, names)
  const profile = profileOf(flags)
  const lines = await readLines(flags.batch)
  const { identityBases, refuseKeys, writeIdentities } = await import('@countersign/authority')
  const folder = path.resolve(flags.out)
  const bases = identityBases(
    folder,
    lines.map(({ first }) => first),
  )
  if (flags.force !== true) refuseKeys(bases)
  const results = await withAuthority(data, async (authority) => {
    const keys = await makeKeys(lines.length, flags.keyType)
    const requester = accountName()
    const issued = await authority.issueMany(
      lines.map((line, index) => ({
        names: line.names,
        publicKey: keys[index]?.publicKey,
        profile,
        days: flags.days,
        requester,
      })),
    )
    const items = issued.map((one, index) => {
      const [line, key] = [lines[index], keys[index]]
      if (line === undefined || key === undefined) throw new TypeError('a line gives a certificate')
      return { name: line.first, issued: one, key }
    })
    const files = await writeIdentities(folder, items, {
      roots: authority.roots,
      formerRoots: authority.formerRoots,
      overwrite: flags.force === true,
    })
    return issued.map(({ certificate, serialNumber }, index) => ({
      serial: serialNumber,
      names: certificate.subjectAltNames,
      notAfter: certificate.notAfter,
      fingerprint: certificate.fingerprint,
      files: { certificate: files[index], key: `${bases[index]}.key` },
    }))
  })
  output.result(results, results.map(({ files }) => files.certificate ?? '').join('\n'))
  output.note(`${results.length} certificates, with their keys and roots.pem in ${folder}`)
}

interface Line {
  readonly names: readonly string[]
  /** Gives the files their name. */
  readonly first: string
}

/** Names a line, the first of which names the files; empty lines and those that begin with # are left out. */
async function readLines(file: string): Promise<Line[]> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  const lines: Line[] = []
  try {
    for await (const text of createInterface({ input })) {
      const names = text.split(/[\s,]+/).filter((name) => name !== '')
      const [first] = names
      if (first === undefined || first.startsWith('#')) continue
      if (lines.length === MOST_LINES) {
        throw new ProgramError('usage', `${file} holds more than ${MOST_LINES} certificates`, {
          hint: 'split it: each file is issued as a whole or not at all',
        })
      }
      lines.push({ names, first })
    }
  } catch (error) {
    if (error instanceof ProgramError) throw error
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
  if (lines.length > 0) return lines
  throw new ProgramError('usage', `${file} names no certificate`, {
    hint: 'write a line for each: api.corp.internal 10.0.0.7',
  })
}

function refuseWrongUse(flags: BatchFlags, names: readonly string[]): void {
  const other =
    names.length > 0
      ? `the name ${names[0]}`
      : flags.csr !== undefined
        ? '--csr'
        : flags.p12 === true
          ? '--p12'
          : flags.legacy === true || flags.dual === true
            ? `--${flags.dual === true ? 'dual' : 'legacy'}`
            : flags.passwordFile !== undefined
              ? '--password-file'
              : undefined
  if (other === undefined) return
  throw new ProgramError('usage', `--batch and ${other} exclude each other`)
}

/** Some at a time: they are made on every core, and each holds memory. */
async function makeKeys(count: number, type: KeyType): Promise<PrivateKey[]> {
  const { PrivateKey: Maker } = await import('@countersign/x509')
  const keys: PrivateKey[] = []
  while (keys.length < count) {
    const some = Math.min(KEYS_AT_ONCE, count - keys.length)
    keys.push(...(await Promise.all(Array.from({ length: some }, () => Maker.generate(type)))))
  }
  return keys
}

const MOST_LINES = 10_000
const KEYS_AT_ONCE = 64
