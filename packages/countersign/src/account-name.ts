/**
 * Who runs this, for the ledger.
 *
 * @module
 */
import { userInfo } from 'node:os'

/** The user's name; in a container the user often has none. */
export function accountName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
