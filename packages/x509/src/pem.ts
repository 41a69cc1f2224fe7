/**
 * PEM text to DER blocks and back (RFC 7468): lax on white space, strict on everything else.
 *
 * Not here: what a block means. `certificate.ts` reads CERTIFICATE blocks, `private-key.ts` reads keys.
 *
 * @module
 */
import { X509Error } from './errors.ts'

/** One block: what the BEGIN line calls it, and its bytes. */
export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  label: string
  der: Uint8Array
}

/**
 * Reads every block of a PEM text, in the order of the text; text between blocks is ignored (RFC 7468 §2).
 *
 * @param text - PEM text with any line endings, at most 128 Mi characters
 * @param source - where it came from, for the message: a path or an option's name
 * @returns one block or more, never an empty array
 * @throws {@link X509Error} `pem-empty` without a block, `pem-malformed` where a block does not end or its body is not
 * base64, `pem-too-large`
 */
export function parsePem(text: string, source: string): PemBlock[] {
  if (text.length > MAX_CHARACTERS) {
    throw new X509Error(
      'pem-too-large',
      `${source}: ${text.length} characters, more than the ${MAX_CHARACTERS} allowed`,
      { source },
    )
  }
  const blocks: PemBlock[] = []
  let from = 0
  let blockEnd: number | undefined
  for (;;) {
    const begin = text.indexOf(BEGIN, from)
    if (begin === -1) break
    if (isLineStart(text, begin)) {
      const { block, end } = parseBlock(text, begin, source)
      blocks.push(block)
      from = end
      blockEnd = end
    } else {
      // `cat a.pem b.pem` where a.pem lacks its last line break: the second block would be lost without a word.
      if (blockEnd !== undefined && text.slice(blockEnd, begin).trim() === '') {
        throw malformed(
          source,
          'a BEGIN line stands on the line of the END before it',
          'put a line break between the two',
        )
      }
      from = begin + BEGIN.length
    }
  }
  if (blocks.length === 0) throw emptyError(text, source)
  return blocks
}

/** The PEM text of one block: lines of 64 characters, a line feed at the end of each. */
export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  const lines = [`${BEGIN}${label}-----`]
  for (let start = 0; start < base64.length; start += 64) {
    lines.push(base64.slice(start, start + 64))
  }
  lines.push(`${END}${label}-----`, '')
  // Joined at once: of a text that grew line by line V8 makes one string only when it is read, at milliseconds for a long list.
  return lines.join('\n')
}

function parseBlock(text: string, begin: number, source: string): { block: PemBlock; end: number } {
  const labelStart = begin + BEGIN.length
  const labelEnd = text.indexOf('-----', labelStart)
  const label = text.slice(labelStart, labelEnd === -1 ? labelStart : labelEnd)
  if (!/^[A-Z0-9][A-Z0-9 .#/_-]{0,63}$/.test(label)) {
    throw malformed(source, 'a BEGIN line without a proper label')
  }
  const bodyStart = labelEnd + 5
  const bodyEnd = text.indexOf(END, bodyStart)
  const next = text.indexOf(BEGIN, bodyStart)
  if (bodyEnd === -1 || (next !== -1 && next < bodyEnd)) {
    throw malformed(
      source,
      `the block ${label} has no END line`,
      'the text is cut off: copy it again',
    )
  }
  const closing = `${END}${label}-----`
  if (!text.startsWith(closing, bodyEnd)) {
    throw malformed(source, `the block ${label} is closed by another END line`)
  }
  const body = text.slice(bodyStart, bodyEnd)
  return { block: { label, der: decodeBody(body, label, source) }, end: bodyEnd + closing.length }
}

function decodeBody(body: string, label: string, source: string): Uint8Array {
  if (body.includes(':')) {
    throw malformed(
      source,
      `the block ${label} has header lines (the old form of encryption)`,
      'convert it: openssl pkcs8 -topk8 -in old.key -out new.key',
    )
  }
  const base64 = body.replace(/\s+/g, '')
  if (base64.length === 0) throw malformed(source, `the block ${label} is empty`)
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) {
    throw malformed(
      source,
      `the block ${label} is not base64`,
      'the text is damaged: copy it again',
    )
  }
  // The bits that padding cuts off must be zero (RFC 4648 §3.5).
  const spare = BASE64.indexOf(base64.charAt(base64.length - padding - 1))
  if ((spare & ((1 << (padding * 2)) - 1)) !== 0) {
    throw malformed(
      source,
      `the block ${label} is not base64`,
      'the text is damaged: copy it again',
    )
  }
  // Into memory of its own: Buffer.from would take it from a pool that other blocks, keys among them, share.
  const der = new Uint8Array((base64.length / 4) * 3 - padding)
  Buffer.from(der.buffer).write(base64, 'base64')
  return der
}

/** Whether only white space (or a byte order mark) stands between the last line break and `index`. */
function isLineStart(text: string, index: number): boolean {
  for (let before = index - 1; before >= 0; before--) {
    const character = text[before]
    if (character === '\n' || character === '\r') return true
    if (character !== ' ' && character !== '\t' && character !== '\uFEFF') return false
  }
  return true
}

function emptyError(text: string, source: string): X509Error {
  if (text.trim() === '') return new X509Error('pem-empty', `${source} is empty`, { source })
  return new X509Error('pem-empty', `${source} holds no PEM block`, {
    source,
    hint: 'PEM starts with a line like -----BEGIN CERTIFICATE-----',
  })
}

function malformed(source: string, problem: string, hint?: string): X509Error {
  return new X509Error('pem-malformed', `${source}: ${problem}`, { source, hint })
}

const BEGIN = '-----BEGIN '
const END = '-----END '
const MAX_CHARACTERS = 128 * 1024 * 1024
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
