/**
 * `renew --daemon`: one certificate, renewed at two thirds of its life for as long as the process runs.
 *
 * The file is looked at every hour at least, so that a clock that was set, a machine that slept and a file that somebody else has
 * replaced are noticed. Nothing here repeats faster than once a minute, whatever goes wrong.
 *
 * @module
 */
import { type Clock, CountersignError, errorMessage } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { renewalTime } from './renewal-time.ts'

/** What the daemon is made of. */
export interface DaemonParts {
  /** Reads the certificate as it is in its file now. */
  readonly read: () => Promise<Certificate>
  /** Renews it in its file. */
  readonly renew: () => Promise<Certificate>
  /** Tells whoever uses the certificate; after a failure it is called again, by the same steps as a renewal. */
  readonly tell: (certificate: Certificate) => Promise<void>
  readonly clock: Clock
  /** Waits; gives up by rejecting with the signal's reason. A wait that is cut short (SIGHUP) resolves early. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
  /** Remarks for the operator. */
  readonly note: (text: string) => void
  /** From 0 up to 1. @defaultValue Math.random */
  readonly random?: (() => number) | undefined
}

/** The milliseconds to wait after the first failure, the second…; the last one from then on. */
export const RETRY_LADDER_MS: readonly number[] = [1, 2, 5, 10, 20, 60, 180, 360].map(
  (minutes) => minutes * 60_000,
)

/** The longest wait between two looks at the file. */
export const LONGEST_WAIT_MS = 3_600_000

/**
 * Runs until the signal aborts.
 *
 * @returns how often it renewed
 * @throws what no later try could mend: the certificate is revoked, or none of this authority's; a wrong use of the files
 */
export async function runDaemon(parts: DaemonParts, signal: AbortSignal): Promise<number> {
  const { clock, note, random = Math.random } = parts
  let renewals = 0
  let failures = 0
  /** What the users of the certificate still have to be told. */
  let untold: Certificate | undefined
  let plan: { fingerprint: string; due: number } | undefined
  while (!signal.aborted) {
    try {
      if (untold !== undefined) await parts.tell(untold)
      untold = undefined
      const present = await parts.read()
      if (plan?.fingerprint !== present.fingerprint) {
        plan = { fingerprint: present.fingerprint, due: dueTime(present, random()) }
        note(
          `due at ${new Date(plan.due).toISOString()}, ends at ${present.notAfter.toISOString()}`,
        )
      }
      const left = plan.due - clock().getTime()
      if (left > 0) {
        failures = 0
        await pause(parts, Math.min(left, LONGEST_WAIT_MS), signal)
        continue
      }
      const renewed = await parts.renew()
      renewals++
      untold = renewed
      note(`renewed: serial ${renewed.serialNumber}, valid until ${renewed.notAfter.toISOString()}`)
      await parts.tell(renewed)
      untold = undefined
      failures = 0
      // One that is due as soon as it is made must not be made again and again.
      if (dueTime(renewed, 0) <= clock().getTime()) {
        note('the new certificate is due already: its life is too short, or the clock is wrong')
        await pause(parts, RETRY_LADDER_MS[0] ?? LONGEST_WAIT_MS, signal)
      }
    } catch (error) {
      if (signal.aborted) break
      if (isFinal(error)) throw error
      const ms = RETRY_LADDER_MS[Math.min(failures, RETRY_LADDER_MS.length - 1)] ?? LONGEST_WAIT_MS
      failures++
      note(`${errorMessage(error)}; next try in ${ms / 60_000} min`)
      await pause(parts, ms, signal)
    }
  }
  return renewals
}

/**
 * When a certificate is renewed: at two thirds of its life, and up to a twentieth of its life later, so that a hundred machines
 * that started together do not come together.
 *
 * @param share - how much of that twentieth, 0 to 1
 */
export function dueTime(certificate: Certificate, share: number): number {
  const life = certificate.notAfter.getTime() - certificate.notBefore.getTime()
  return renewalTime(certificate).getTime() + (life / 20) * share
}

async function pause(parts: DaemonParts, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await parts.wait(ms, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof CountersignError && FINAL.has(error.code)
}

/** What stays as it is however often it is tried. */
const FINAL: ReadonlySet<string> = new Set([
  'certificate-revoked',
  'certificate-unknown',
  'certificate-expired',
  'usage',
  'not-initialised',
  'profile-unknown',
])
