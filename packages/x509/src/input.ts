/**
 * What parsers are given: PEM text, the same as bytes, or DER.
 *
 * @module
 */
import { X509Error, type X509ErrorCode } from './errors.ts'
import { type PemBlock, parsePem } from './pem.ts'

/**
 * Tells PEM from DER: a string is PEM, bytes are DER where they start with a SEQUENCE.
 *
 * @param code - the code of an error where the bytes are neither
 * @returns the blocks of a PEM, or the DER as a copy of the caller's bytes
 */
export function readInput(
  input: string | Uint8Array,
  source: string,
  code: X509ErrorCode,
): PemBlock[] | Uint8Array {
  if (typeof input === 'string') return parsePem(input, source)
  if (!(input instanceof Uint8Array)) {
    throw new X509Error(code, `${source}: expected PEM text or DER bytes, got ${typeof input}`, {
      source,
    })
  }
  if (input.length === 0) throw new X509Error('pem-empty', `${source} is empty`, { source })
  if (input[0] === 0x30) return new Uint8Array(input)
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  if (bytes.includes('-----BEGIN ')) return parsePem(bytes.toString('latin1'), source)
  throw new X509Error(code, `${source} is neither PEM nor DER`, {
    source,
    hint: looksLikeUtf16(bytes)
      ? 'the file is UTF-16 text: save it as UTF-8'
      : 'PEM starts with a line like -----BEGIN CERTIFICATE-----',
  })
}

/** What a PEM holds, for a message: `a private key, 2 certificates`. */
export function describeBlocks(blocks: readonly PemBlock[]): string {
  const counts = new Map<string, number>()
  for (const { label } of blocks) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts].map(([label, count]) => `${count} x ${label}`).join(', ')
}

/**
 * Runs a reader of DER; a fault in the DER becomes `code` with the source in front.
 *
 * @throws {@link X509Error} `code`; errors of other codes pass as they are
 */
export function reading<T>(code: X509ErrorCode, source: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof X509Error && error.code.startsWith('der-')) {
      const prefix = error.message.startsWith(`${source}: `) ? '' : `${source}: `
      throw new X509Error(code, `${prefix}${error.message}`, { source, cause: error })
    }
    throw error
  }
}

function looksLikeUtf16(bytes: Uint8Array): boolean {
  return (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
}
