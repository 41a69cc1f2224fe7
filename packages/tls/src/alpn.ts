/**
 * Application protocols (RFC 7301), as contexts and connections name them.
 *
 * @module
 */
import { TlsError } from './errors.ts'

/**
 * A copy of the list, each name checked; Node throws a TypeError for a bad one, after the connection was opened.
 *
 * @throws {@link TlsError} `option-invalid`
 */
export function checkedAlpn(alpn: readonly string[]): readonly string[] {
  for (const protocol of alpn) {
    // RFC 7301 §3.1: 1 to 255 bytes.
    const length = typeof protocol === 'string' ? Buffer.byteLength(protocol) : 0
    if (length === 0 || length > 255) {
      throw new TlsError('option-invalid', `alpn ${JSON.stringify(protocol)} is no protocol name`, {
        source: 'alpn',
        hint: "write names like 'http/1.1', 'h2'",
      })
    }
  }
  return [...alpn]
}
