/**
 * base64url as JOSE writes it (RFC 7515 §2): without padding, without white space, and one text only for the same bytes.
 *
 * Node's own decoder takes either alphabet, skips what it does not know and drops bits that are left over, so that one token has
 * many spellings: a list of revoked spellings would then be walked around.
 *
 * @module
 */

/** The bytes of a text, or `undefined` where encoding them again would not give the same text. */
export function decodeBase64url(text: string): Buffer | undefined {
  // A length of 4n + 1 stands for nothing; what else is wrong shows when it is encoded again.
  if (text.length % 4 === 1) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

/** The text of a UTF-8 string or of bytes. */
export function encodeBase64url(value: string | Uint8Array): string {
  const bytes =
    typeof value === 'string'
      ? Buffer.from(value)
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return bytes.toString('base64url')
}
