/**
 * How a server follows its files, and what it says about that.
 *
 * @module
 */
import type { Reloaded } from './reloaded.ts'

/** How files are watched. */
export interface WatchOptions {
  /** Milliseconds between two looks. @defaultValue 1000 */
  intervalMs?: number | undefined
  /** Milliseconds in which files must not change before they are read. @defaultValue 200 */
  settleMs?: number | undefined
  /** Milliseconds after which files that could not be used are tried again, though they did not change. @defaultValue 10000 */
  retryMs?: number | undefined
}

/** What a reload came to. */
export type ReloadOutcome =
  | { readonly ok: true; readonly reloaded: Reloaded }
  /** The server goes on as before. */
  | { readonly ok: false; readonly error: unknown }
