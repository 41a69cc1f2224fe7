/**
 * `countersign needs-renewal`: a question for scripts and timers, answered by the exit code. Of a certificate that came by ACME its server
 * is asked as well (RFC 9773), for some seconds at most: where it does not answer, the life of the certificate decides.
 *
 * @module
 */
import { existsSync, realpathSync } from 'node:fs'
import { CountersignError } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import type { Command } from 'commander'
import { baseOf, renewalFile } from '../acme-client/renewal-file.ts'
import { addCommand, dataOption, duration, perform, type SharedFlags } from '../command.ts'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { readLeaf } from '../leaf-file.ts'
import type { Output } from '../output.ts'
import { latestTime, renewalTime } from '../renewal-time.ts'

interface NeedsRenewalFlags extends SharedFlags {
  expiresIn?: number
  ask: boolean
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
    .option(
      '--no-ask',
      'do not ask the ACME server that it came from, whatever lies beside the file',
    )
    .addOption(dataOption())
    .action(async (file: string, flags: NeedsRenewalFlags) =>
      perform(
        flags,
        async ({ output, data }) => {
          if (!existsSync(file)) throw missing(file)
          const { certificate } = await readLeaf(file)
          const { notAfter } = certificate
          const isAsked = flags.ask && flags.expiresIn === undefined
          const suggested = isAsked ? await suggestion(file, certificate, data, output) : undefined
          const renewAt =
            flags.expiresIn === undefined
              ? (suggested ?? renewalTime(certificate))
              : new Date(notAfter.getTime() - flags.expiresIn)
          const isDue = renewAt.getTime() <= Date.now()
          const by = suggested === undefined ? '' : ', as its issuer suggests'
          output.result(
            { renew: isDue, renewAt, notAfter, suggested: suggested !== undefined },
            isDue
              ? `yes: due since ${renewAt.toISOString()}${by}, ends at ${notAfter.toISOString()}`
              : `no: due at ${renewAt.toISOString()}${by}, ends at ${notAfter.toISOString()}`,
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

/** When the server wants it to be renewed; `undefined` where nobody says. */
async function suggestion(
  file: string,
  certificate: Certificate,
  data: DataFolder,
  output: Output,
): Promise<Date | undefined> {
  const base = baseOf(realpathSync(file))
  if (!existsSync(renewalFile(base))) return undefined
  const { windowOf } = await import('../acme-client/renew.ts')
  try {
    const window = await windowOf(base, certificate, data, TIMEOUT_MS)
    if (window === undefined) return undefined
    // Another moment of the window for each certificate, and the same one whenever it is asked for (RFC 9773 §4.2).
    const share = Number.parseInt(certificate.fingerprint.slice(0, 8), 16) / 2 ** 32
    const moment = window.start + (window.end - window.start) * share
    return new Date(Math.min(moment, latestTime(certificate)))
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    output.note(`${error.message}; answered by its life, without the word of its issuer`)
    return undefined
  }
}

function missing(file: string): ProgramError {
  return new ProgramError('file-unreadable', `${file} is not there`, { exit: ANSWER.missing })
}

/** For each of two requests. */
const TIMEOUT_MS = 5000
/** Exit codes of this command alone: those of `step certificate needs-renewal`. */
const ANSWER = { yes: 0, no: 1, missing: 2, error: 255 } as const
