/**
 * What could not be signed or stored when its time had come, while the one of before still holds: a disk that is full, a signer that is
 * away. Whoever asks gets the one of before; the operator hears of it, and it is tried again.
 *
 * @module
 */
import { type Clock, CountersignError, errorMessage } from '@countersign/core'
import { AuthorityError } from './errors.ts'

/** What is signed again and again. */
export type Signed = 'list' | 'responder'

/** Something whose next one could not be made. */
export interface OverdueSignature {
  readonly what: Signed
  /** Of whom: `issuer-2026-a1b2`, or `issuer-2026-a1b2.3` for the list of a part. */
  readonly of: string
  /** Since when it fails. */
  readonly since: Date
  /** How long the one of before holds; `undefined` where there is none. */
  readonly until: Date | undefined
}

/** What is overdue in this process, and how often it was tried in vain. */
export interface Overdue {
  readonly failures: Readonly<Record<Signed, number>>
  /** What is not made up for yet. */
  readonly standing: readonly OverdueSignature[]
}

/** Keeps account of it. */
export class OverdueSignatures {
  readonly #clock: Clock
  readonly #onFault: (error: unknown) => void
  readonly #standing = new Map<string, OverdueSignature & { readonly triedAt: number }>()
  readonly #failures = { list: 0, responder: 0 }

  /** @param onFault - told each time that one of before is handed out for it, with an {@link AuthorityError} `signature-overdue` */
  constructor(clock: Clock, onFault: (error: unknown) => void) {
    this.#clock = clock
    this.#onFault = onFault
  }

  /** Whether it failed a moment ago: nobody asks a full disk a hundred times a second. */
  isPaused(what: Signed, of: string): boolean {
    const known = this.#standing.get(keyOf(what, of))
    return known !== undefined && Math.abs(this.#clock().getTime() - known.triedAt) < PAUSE_MS
  }

  /**
   * Takes down that one could not be made.
   *
   * @param until - how long the one of before holds
   * @throws what it was given, where that is a mistake of the program
   */
  failed(what: Signed, of: string, until: Date | undefined, error: unknown): void {
    if (!(error instanceof CountersignError)) throw error
    const key = keyOf(what, of)
    const now = this.#clock()
    const since = this.#standing.get(key)?.since ?? now
    this.#standing.set(key, { what, of, since, until, triedAt: now.getTime() })
    this.#failures[what]++
    // Without one that holds, whoever asks gets the fault itself.
    if (until === undefined) return
    this.#onFault(
      new AuthorityError(
        'signature-overdue',
        `${WORDS[what]} of ${of} cannot be made anew, and the one of before holds until ${until.toISOString()}: ${errorMessage(error)}`,
        { cause: error, hint: error.hint },
      ),
    )
  }

  /** Takes down that there is a new one. */
  made(what: Signed, of: string): void {
    this.#standing.delete(keyOf(what, of))
  }

  /** How it stands. */
  get all(): Overdue {
    return {
      failures: { ...this.#failures },
      standing: [...this.#standing.values()].map(({ what, of, since, until }) => ({
        what,
        of,
        since,
        until,
      })),
    }
  }
}

function keyOf(what: Signed, of: string): string {
  return `${what} ${of}`
}

const WORDS: Readonly<Record<Signed, string>> = {
  list: 'the revocation list',
  responder: 'the OCSP responder',
}
const PAUSE_MS = 5000
