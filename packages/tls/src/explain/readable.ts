/**
 * Parts of a certificate are read when they are asked for, and a stranger's may not be readable.
 *
 * @module
 */
import { X509Error } from '@countersign/x509'

/** What `read` gives; `undefined` where a part of a certificate cannot be read. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}
