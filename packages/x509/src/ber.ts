/**
 * BER to DER, as far as PKCS#12 needs it: NSS (Firefox, Thunderbird) writes indefinite lengths and octet strings in pieces.
 *
 * Everything else of this package reads DER only, and nothing that is signed may come through here.
 *
 * @module
 */
import { type DerNode, element, encodeDer } from './der-writer.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'

/**
 * Rewrites one BER element with definite, minimal lengths and octet strings in one piece.
 *
 * @param what - what the bytes are, for messages
 * @returns DER, where the content of the elements is; never longer than the input
 * @throws {@link X509Error} `der-malformed`, `der-too-deep`, `der-too-large`; bytes behind the element are malformed as well
 */
export function berToDer(bytes: Uint8Array, what: string): Uint8Array {
  const { node, next } = readElement({ bytes, what, elements: 0 }, 0, bytes.length, 0)
  if (next < bytes.length) throw malformed(what, next, 'unexpected bytes behind the last element')
  return encodeDer(node)
}

interface Input {
  bytes: Uint8Array
  what: string
  /** How many were read so far. */
  elements: number
}

interface Converted {
  tag: number
  node: DerNode
  /** Content octets, without the header. */
  content: Uint8Array
  next: number
}

function readElement(input: Input, offset: number, end: number, depth: number): Converted {
  const { bytes, what } = input
  input.elements++
  if (input.elements > MAX_ELEMENTS) {
    throw new X509Error('der-too-large', `${what}: more than ${MAX_ELEMENTS} elements`)
  }
  if (depth > MAX_DEPTH) throw new X509Error('der-too-deep', `${what}: nested too deep`)
  const tag = bytes[offset]
  if (tag === undefined || offset + 2 > end) throw malformed(what, offset, 'cut off')
  if ((tag & 0x1f) === 0x1f) throw malformed(what, offset, 'a tag number above 30')
  const { start, length } = readLength(input, offset + 1, end)
  if ((tag & CONSTRUCTED) === 0) {
    if (length === undefined) throw malformed(what, offset, 'a value of indefinite length')
    const content = bytes.subarray(start, start + length)
    return { tag, node: element(tag, content), content, next: start + length }
  }
  const parts: Uint8Array[] = []
  const pieces: Uint8Array[] = []
  let at = start
  const stop = length === undefined ? end : start + length
  for (;;) {
    if (length !== undefined && at === stop) break
    if (length === undefined && bytes[at] === 0 && bytes[at + 1] === 0 && at + 2 <= stop) break
    const inner = readElement(input, at, stop, depth + 1)
    if (tag === PIECES) {
      if (inner.tag !== TAG.octetString)
        throw malformed(what, at, 'a piece that is no octet string')
      pieces.push(inner.content)
    } else {
      parts.push(encodeDer(inner.node))
    }
    at = inner.next
  }
  const next = length === undefined ? at + 2 : at
  const content = Buffer.concat(tag === PIECES ? pieces : parts)
  const der = tag === PIECES ? TAG.octetString : tag
  return { tag: der, node: element(der, content), content, next }
}

/** Length octets; `undefined` is an indefinite length. */
function readLength(
  { bytes, what }: Input,
  offset: number,
  end: number,
): { start: number; length: number | undefined } {
  const first = bytes[offset] ?? 0
  if (first === 0x80) return { start: offset + 1, length: undefined }
  let start = offset + 1
  let length = first
  if (first > 0x80) {
    const count = first & 0x7f
    if (count > 4 || start + count > end) throw malformed(what, offset, 'a length out of range')
    length = 0
    for (; start <= offset + count; start++) length = length * 256 + (bytes[start] ?? 0)
  }
  if (length > end - start) throw malformed(what, offset, 'cut off')
  return { start, length }
}

function malformed(what: string, offset: number, problem: string): X509Error {
  return new X509Error('der-malformed', `${what}: ${problem} (byte ${offset})`)
}

const CONSTRUCTED = 0x20
/** An OCTET STRING in pieces (X.690 §8.7.3). */
const PIECES = TAG.octetString | CONSTRUCTED
const MAX_DEPTH = 32
const MAX_ELEMENTS = 100_000
