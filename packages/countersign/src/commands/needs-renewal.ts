/**
 * `countersign needs-renewal`: a question for scripts and timers, answered by the exit code.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { addCommand, duration, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { readLeaf } from '../leaf-file.ts'
import { renewalTime } from '../renewal-time.ts'

interface NeedsRenewalFlags extends SharedFlags {
  expiresIn?: number
}

/** Adds the command. */
export function addNeedsRenewal(program: Command): void {
  addCommand(
    program,
    'needs-renewal <file>',
    'whether a certificate is due: exit code 0 yes, 1 no, 2 missing, 255 error',
  )
    .option(
      '--expires-in <time>',
      'due when it ends within this time, as in 2d (default: at two thirds of its life)',
      duration,
    )
    .action(async (file: string, flags: NeedsRenewalFlags) =>
      perform(
        flags,
        async ({ output }) => {
          if (!existsSync(file)) throw missing(file)
          const { certificate } = await readLeaf(file)
          const { notAfter } = certificate
          const renewAt =
            flags.expiresIn === undefined
              ? renewalTime(certificate)
              : new Date(notAfter.getTime() - flags.expiresIn)
          const isDue = renewAt.getTime() <= Date.now()
          output.result(
            { renew: isDue, renewAt, notAfter },
            isDue
              ? `yes: due since ${renewAt.toISOString()}, ends at ${notAfter.toISOString()}`
              : `no: due at ${renewAt.toISOString()}, ends at ${notAfter.toISOString()}`,
          )
          process.exitCode = isDue ? ANSWER.yes : ANSWER.no
        },
        (error) =>
          error instanceof ProgramError && error.exit === ANSWER.missing
            ? ANSWER.missing
            : ANSWER.error,
      ),
    )
}

function missing(file: string): ProgramError {
  return new ProgramError('file-unreadable', `${file} is not there`, { exit: ANSWER.missing })
}

/** Exit codes of this command alone: those of `step certificate needs-renewal`. */
const ANSWER = { yes: 0, no: 1, missing: 2, error: 255 } as const
