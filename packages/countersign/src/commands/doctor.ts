/**
 * `countersign doctor`: looks for what nobody complains about until it is too late.
 *
 * @module
 */
import type { SecretFinding } from '@countersign/auth'
import type { Command } from 'commander'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { withAuth } from '../open-data.ts'

interface DoctorFlags extends SharedFlags {
  secrets?: boolean
}

/** Adds the command. */
export function addDoctor(program: Command): void {
  addCommand(program, 'doctor', 'look for secrets in the database that its reader could use')
    .addOption(dataOption())
    .requiredOption(
      '--secrets',
      'tokens, codes, keys and passwords that are not hashed or encrypted',
    )
    .action(async (flags: DoctorFlags) =>
      perform(flags, async ({ output, data }) => {
        const findings = await withAuth(data, async (auth) => auth.findSecrets())
        if (findings.length > 0) throw readable(findings)
        output.result({ ok: true, findings }, 'nothing in the database can be replayed')
      }),
    )
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
