/**
 * What a port speaks that does not speak TLS, by its first bytes.
 *
 * @module
 */

/**
 * @param bytes - the first that the other side sent
 * @returns the protocol's name; `undefined` where it is TLS or cannot be told
 */
export function protocolOf(bytes: Uint8Array): string | undefined {
  const [type = 0, major = 0] = bytes
  if (bytes.length === 0 || (TLS_RECORDS.has(type) && (bytes.length < 2 || major === 3))) {
    return undefined
  }
  const text = Buffer.from(bytes.subarray(0, LONGEST_BANNER)).toString('latin1')
  return BANNERS.find(([pattern]) => pattern.test(text))?.[1] ?? 'something else'
}

const TLS_RECORDS: ReadonlySet<number> = new Set([20, 21, 22, 23, 24])
const LONGEST_BANNER = 512

const BANNERS: readonly (readonly [RegExp, string])[] = [
  // Some servers answer what they cannot read with a page alone, as HTTP/0.9 did.
  [/^(?:HTTP\/|\s*<(?:!doctype|html|head|\?xml))/i, 'HTTP'],
  [/^SSH-/, 'SSH'],
  [/^220[ -].*(?:smtp|esmtp|mail)/i, 'SMTP'],
  [/^220[ -].*ftp/i, 'FTP'],
  [/^220[ -]/, 'SMTP or FTP'],
  [/^\+OK/, 'POP3'],
  [/^\* (?:OK|PREAUTH|BYE)/, 'IMAP'],
  [/^RFB \d/, 'VNC'],
  [/^[-+$*]\S*.*\r\n/, 'Redis'],
  [/mysql|mariadb/i, 'MySQL'],
  [/^[EN]\0|^[SN]$/, 'PostgreSQL'],
  // SETTINGS, with which every server begins (RFC 9113 §3.4).
  // oxlint-disable-next-line no-control-regex -- it is the type of the frame
  [/^\0\0.\x04.\0{4}/s, 'HTTP/2 in clear'],
]
