/**
 * `renew --daemon`: one certificate, renewed at two thirds of its life, or when its issuer suggests, for as long as the process runs.
 *
 * The file is looked at every hour at least, so that a clock that was set, a machine that slept and a file that somebody else has
 * replaced are noticed. Nothing here repeats faster than once a minute, whatever goes wrong.
 *
 * @module
 */
import { type Clock, CountersignError, errorMessage } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { latestTime, renewalTime } from './renewal-time.ts'

/** What the daemon is made of. */
export interface DaemonParts {
  /** Reads the certificate as it is in its file now. */
  readonly read: () => Promise<Certificate>
  /** Renews it in its file. */
  readonly renew: () => Promise<Certificate>
  /** Tells whoever uses the certificate; after a failure it is called again, by the same steps as a renewal. */
  readonly tell: (certificate: Certificate) => Promise<void>
  /**
   * Asks its issuer when to renew it, in milliseconds since 1970, and for how long that holds; `undefined` where it suggests nothing.
   * @defaultValue nobody is asked
   */
  readonly window?: ((certificate: Certificate) => Promise<SuggestedWindow | undefined>) | undefined
  readonly clock: Clock
  /** Waits; gives up by rejecting with the signal's reason. A wait that is cut short (SIGHUP) resolves early. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
  /** Remarks for the operator. */
  readonly note: (text: string) => void
  /** From 0 up to 1. @defaultValue Math.random */
  readonly random?: (() => number) | undefined
}

/** A stretch of time in which a certificate is to be renewed (RFC 9773 §4.2). */
interface SuggestedWindow {
  readonly start: number
  readonly end: number
  readonly holdsMs: number
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
  let plan: Plan | undefined
  /** What was renewed here and not seen to have time since; and how often in a row that was so. */
  let made: string | undefined
  let hurried = 0
  while (!signal.aborted) {
    try {
      if (untold !== undefined) await parts.tell(untold)
      untold = undefined
      const present = await parts.read()
      plan = await nextPlan(parts, plan, present, random)
      const left = plan.due - clock().getTime()
      if (left > 0) {
        failures = 0
        hurried = 0
        made = undefined
        await pause(parts, Math.min(left, plan.holdsMs, LONGEST_WAIT_MS), signal)
        continue
      }
      if (made === present.fingerprint) {
        // One that is due as soon as it is made must not be made again and again.
        made = undefined
        const ms = ladder(hurried++)
        note(
          `the new certificate is due already: its life is too short, or a clock is wrong; next try in ${ms / 60_000} min`,
        )
        await pause(parts, ms, signal)
        continue
      }
      const renewed = await parts.renew()
      renewals++
      made = renewed.fingerprint
      untold = renewed
      note(`renewed: serial ${renewed.serialNumber}, valid until ${renewed.notAfter.toISOString()}`)
      await parts.tell(renewed)
      untold = undefined
      failures = 0
    } catch (error) {
      if (signal.aborted) break
      if (isFinal(error)) throw error
      const ms = ladder(failures++)
      note(`${errorMessage(error)}; next try in ${ms / 60_000} min`)
      await pause(parts, ms, signal)
    }
  }
  return renewals
}

/** What is to be done about the certificate that is there. */
interface Plan {
  readonly fingerprint: string
  readonly due: number
  /** The window that `due` lies in; `undefined` where it is by the life of the certificate. */
  readonly window: SuggestedWindow | undefined
  /** When the issuer was asked, and for how long its answer holds. */
  readonly askedAt: number
  readonly holdsMs: number
}

/** The plan as it was, unless there is another certificate, or the issuer says something new. */
async function nextPlan(
  { window: ask, clock, note }: DaemonParts,
  plan: Plan | undefined,
  present: Certificate,
  random: () => number,
): Promise<Plan> {
  const { fingerprint } = present
  const known = plan?.fingerprint === fingerprint ? plan : undefined
  const now = clock().getTime()
  // A clock that was set back is no reason to ask later.
  if (known !== undefined && now >= known.askedAt && now < known.askedAt + known.holdsMs) {
    return known
  }
  let window: SuggestedWindow | undefined
  let holdsMs = Number.POSITIVE_INFINITY
  try {
    window = await ask?.(present)
    if (ask !== undefined) holdsMs = window?.holdsMs ?? LONGEST_WAIT_MS
  } catch (error) {
    // An issuer that is away suggests nothing new, and the certificate is renewed in time all the same.
    note(`${errorMessage(error)}; asked again within the hour when to renew`)
    window = known?.window
    holdsMs = LONGEST_WAIT_MS
  }
  const asked = { askedAt: now, holdsMs }
  const isSame = window?.start === known?.window?.start && window?.end === known?.window?.end
  if (known !== undefined && isSame) return { ...known, ...asked }
  const share = random()
  const due =
    window === undefined
      ? dueTime(present, share)
      : Math.min(window.start + (window.end - window.start) * share, latestTime(present))
  const by = window === undefined ? '' : ', as its issuer suggests'
  note(`due at ${new Date(due).toISOString()}${by}, ends at ${present.notAfter.toISOString()}`)
  return { fingerprint, due, window, ...asked }
}

/** How long to wait after so many failures before. */
function ladder(before: number): number {
  return RETRY_LADDER_MS[Math.min(before, RETRY_LADDER_MS.length - 1)] ?? LONGEST_WAIT_MS
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
