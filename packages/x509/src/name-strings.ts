/**
 * The string types of names (X.520 DirectoryString and its kin) as text, and the text as names are compared.
 *
 * @module
 */
import { TAG } from './der-tags.ts'

/**
 * The text of a string value.
 *
 * @param tag - identifier octet of the value
 * @returns `undefined` where the type is no string or the bytes are not valid in it
 */
export function decodeDirectoryString(tag: number, bytes: Uint8Array): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (tag) {
    case TAG.utf8String:
      return decodeUtf8(buffer)
    case TAG.printableString:
    case TAG.numericString:
    case TAG.ia5String:
    case TAG.visibleString:
    case TAG.utcTime:
    case TAG.generalizedTime:
    // T.61 is read as Latin 1 by everyone, though it is not.
    case TAG.teletexString:
      return buffer.toString('latin1')
    case TAG.bmpString: {
      if (bytes.length % 2 !== 0) return undefined
      // A copy: swapping would turn the certificate's own bytes.
      const text = Buffer.from(bytes).swap16().toString('utf16le')
      return /[\ud800-\udfff]/.test(text) ? undefined : text
    }
    case TAG.universalString:
      return decodeUniversal(buffer)
    default:
      return undefined
  }
}

/** UTF-8 to text; `undefined` where it is not valid. A byte order mark stays what it is. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

/** The text as names compare it: outer spaces cut, runs of spaces made one, ASCII letters in lower case (as OpenSSL does). */
export function comparableText(text: string): string {
  return text
    .replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

function decodeUniversal(buffer: Buffer): string | undefined {
  if (buffer.length % 4 !== 0) return undefined
  let text = ''
  for (let offset = 0; offset < buffer.length; offset += 4) {
    const point = buffer.readUInt32BE(offset)
    if (point > 0x10_ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined
    text += String.fromCodePoint(point)
  }
  return text
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
