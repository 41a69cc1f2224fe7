/**
 * `countersign doctor`: looks for what nobody complains about until it is too late.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { SecretFinding } from '@countersign/auth'
import type { Command } from 'commander'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import type { DataFolder } from '../data-folder.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { withAuth } from '../open-data.ts'

interface DoctorFlags extends SharedFlags {
  secrets?: boolean
}

/** Adds the command. */
export function addDoctor(program: Command): void {
  addCommand(program, 'doctor', 'look for secrets that lie where others could use them')
    .addOption(dataOption())
    .option(
      '--secrets',
      'only the database: tokens, codes, keys and passwords that are not hashed or encrypted',
    )
    .action(async (flags: DoctorFlags) =>
      perform(flags, async ({ output, data }) => {
        const findings = await withAuth(data, async (auth) => auth.findSecrets())
        if (findings.length > 0) throw readable(findings)
        const roots = flags.secrets === true ? [] : rootsBeside(data)
        output.result(
          { ok: true, findings, rootKeysBeside: roots },
          'nothing in the database can be replayed',
        )
        for (const file of roots) {
          output.note(
            `${file} can be opened by whoever reads this folder: move it and its passphrase to another medium`,
          )
        }
      }),
    )
}

/** The keys of roots that lie in the folder together with what opens them. */
function rootsBeside({ path: folder }: DataFolder): string[] {
  const names = readdirSync(folder)
  return names
    .filter((name) => /^(root(-\d{4}-\w+)?|former)\.key$/.test(name))
    .filter(
      (name) =>
        names.includes(name.replace('.key', '.passphrase')) ||
        // An older folder has one passphrase for every key.
        (names.includes('passphrase') &&
          readFileSync(path.join(folder, name), 'utf8').startsWith('-----BEGIN')),
    )
    .map((name) => path.join(folder, name))
}

function readable(findings: readonly SecretFinding[]): ProgramError {
  const places = findings.map(
    ({ table, column, what, rows }) => `${table}.${column} (${WORDS[what]}, ${rows} times)`,
  )
  return new ProgramError('secrets-readable', `the database holds ${places.join('; ')}`, {
    exit: EXIT.trust,
    hint: 'revoke what was stored there, and find out who wrote it: no part of this program does',
  })
}

const WORDS = {
  'api-token': 'an API token',
  jwt: 'a JSON Web Token',
  'refresh-token': 'a refresh token',
  'private-key': 'a private key',
  'not-a-hash': 'what is no hash',
  'not-argon2': 'a password that is not hashed',
  'not-sealed': 'a secret that is not encrypted',
} as const
