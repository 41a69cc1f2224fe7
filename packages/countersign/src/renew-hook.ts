/**
 * `renew --exec CMD`: what is to be done once a certificate was renewed, `systemctl reload nginx` for one.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Certificate } from '@countersign/x509'
import { ProgramError } from './errors.ts'
import { hookEnvironment } from './hook-environment.ts'

/** What the command finds in its environment. */
export interface HookFacts {
  readonly certificate: Certificate
  readonly file: string
  readonly keyFile: string | undefined
}

/**
 * Runs a command in the shell and waits for its end, five minutes at most. What it prints goes to standard error.
 *
 * @throws ProgramError `exec-failed` where it cannot be started, ends with another code than 0, or does not end
 */
export async function runHook(command: string, facts: HookFacts): Promise<void> {
  const { certificate, file, keyFile } = facts
  const child = spawn(command, {
    shell: true,
    // Its output is none of our result.
    stdio: ['ignore', 2, 2],
    timeout: LONGEST_MS,
    env: hookEnvironment({
      COUNTERSIGN_CERT_FILE: file,
      COUNTERSIGN_KEY_FILE: keyFile ?? '',
      COUNTERSIGN_SERIAL: certificate.serialNumber,
      COUNTERSIGN_NOT_AFTER: certificate.notAfter.toISOString(),
    }),
  })
  const [code, signal]: (number | string | null)[] = await once(child, 'close').catch(
    (error: unknown) => {
      throw new ProgramError('exec-failed', `"${command}" could not be started`, { cause: error })
    },
  )
  if (code === 0) return
  throw new ProgramError(
    'exec-failed',
    `the certificate is renewed, but "${command}" ended with ${code ?? signal ?? 'nothing'}`,
    { hint: 'run it by hand: whoever uses the certificate may still have the old one' },
  )
}

const LONGEST_MS = 300_000
