/**
 * How a connection is secured.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import type { Pins } from './pins.ts'
import type { RevocationCheck } from './revocation.ts'

/** How a connection is secured. */
export interface Security {
  readonly context: TlsContext
  /** `false` only for `verify: false`. */
  readonly verified: boolean
  readonly pins: Pins | undefined
  /** Whether the pins stand instead of chain and name. */
  readonly pinnedAlone: boolean
  readonly revocation: RevocationCheck | undefined
}
