/**
 * What is to be done with the signing keys at a moment; says it, and does nothing.
 *
 * @module
 */
import type { SigningKeyState } from '../schema.ts'

/** A key that is not retired. */
export interface KeyRow {
  readonly kid: string
  readonly alg: string
  readonly state: SigningKeyState
  readonly created: number
  readonly activated: number | null
  readonly demoted: number | null
}

/** A key that gets another state; without `kid` a new one that is to be made. */
export interface KeyChange {
  readonly kid?: string
  readonly to: SigningKeyState
}

/** What the schedule is. */
export interface RotationTerms {
  readonly now: number
  /** What new keys are for. */
  readonly algorithm: string
  /** Milliseconds a key signs. */
  readonly rotationMs: number
  /** `due` follows the schedule, `now` lets the next key sign at once, `compromised` also ends what the others have signed. */
  readonly urgency: 'due' | 'now' | 'compromised'
}

/** How long a key is published before it signs, and after it signed: longer than any token lives or any set is kept. */
const KEY_OVERLAP_MS = 3_600_000

/** What is to be done; nothing where everything is as it should be. */
export function planRotation(rows: readonly KeyRow[], terms: RotationTerms): readonly KeyChange[] {
  const { now, algorithm, rotationMs, urgency } = terms
  const compromised = urgency === 'compromised'
  const changes: KeyChange[] = []
  for (const row of rows) {
    const isOver = row.state === 'previous' && now - (row.demoted ?? 0) >= KEY_OVERLAP_MS
    if (isOver || (row.state === 'previous' && compromised))
      changes.push({ kid: row.kid, to: 'retired' })
  }
  const current = rows.find((row) => row.state === 'current')
  // A next key of before the algorithm was changed never signs; in a compromise it may be known too.
  const waiting = rows.filter((row) => row.state === 'next')
  const next = compromised ? undefined : waiting.find((row) => row.alg === algorithm)
  for (const row of waiting) if (row !== next) changes.push({ kid: row.kid, to: 'retired' })
  const isOld =
    current !== undefined &&
    (current.alg !== algorithm || now - (current.activated ?? current.created) >= rotationMs)
  const isKnown = next !== undefined && now - next.created >= KEY_OVERLAP_MS
  if (current !== undefined && urgency === 'due' && !(isOld && isKnown)) {
    if (next === undefined) changes.push({ to: 'next' })
    return changes
  }
  if (current !== undefined) {
    changes.push({ kid: current.kid, to: compromised ? 'retired' : 'previous' })
  }
  changes.push(next === undefined ? { to: 'current' } : { kid: next.kid, to: 'current' })
  changes.push({ to: 'next' })
  return changes
}
