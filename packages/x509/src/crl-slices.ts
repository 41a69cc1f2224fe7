/**
 * Long revocation lists, read in slices of a few milliseconds with a turn of the event loop between them, so that one of 100,000
 * entries holds nobody up.
 *
 * @module
 */
import { readEntry } from './crl-entry.ts'
import { addPlaces, type CrlIndex, emptyPlaces } from './crl-serials.ts'
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { reading, readInput } from './input.ts'
import { parsePem } from './pem.ts'

/**
 * The lists of a long input; a PEM is decoded piece by piece.
 *
 * @returns `undefined` where the text is anything but blocks of lists in lines of whole groups of base64
 */
export async function readInSlices(
  input: string | Uint8Array,
  source: string,
): Promise<Uint8Array[] | undefined> {
  if (typeof input !== 'string' && input[0] === TAG.sequence) {
    const der = readInput(input, source, 'crl-malformed')
    return der instanceof Uint8Array ? [der] : undefined
  }
  const text = typeof input === 'string' ? input : Buffer.from(input).toString('latin1')
  const ders: Uint8Array[] = []
  let from = 0
  for (;;) {
    const begin = text.indexOf('-----BEGIN ', from)
    if (begin < 0) return ders.length === 0 ? undefined : ders
    const [, label = ''] =
      /^-----BEGIN ((?:X509 )?CRL)-----\r?\n/.exec(text.slice(begin, begin + 40)) ?? []
    const end = `-----END ${label}-----`
    const bodyEnd = text.indexOf(end, begin)
    if (label === '' || bodyEnd < 0 || (begin > 0 && text[begin - 1] !== '\n')) return undefined
    const der = await decodeInSlices(text.slice(text.indexOf('\n', begin) + 1, bodyEnd))
    if (der === undefined) return undefined
    ders.push(der)
    from = bodyEnd + end.length
  }
}

/** Each piece is a PEM of its own: what `parsePem` is strict about, it is strict about here. */
async function decodeInSlices(body: string): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = []
  for (let at = 0; at < body.length; ) {
    await nextTurn()
    const cut = body.lastIndexOf('\n', at + PIECE_CHARACTERS) + 1
    if (cut <= at) return undefined
    const piece = body.slice(at, cut)
    // Padding stands at the end of all, and nowhere else.
    if (cut < body.length && piece.includes('=')) return undefined
    try {
      const [block] = parsePem(`-----BEGIN CRL-----\n${piece}-----END CRL-----\n`, 'piece')
      if (block !== undefined) parts.push(block.der)
    } catch (error) {
      if (error instanceof X509Error) return undefined
      throw error
    }
    at = cut
  }
  return new Uint8Array(Buffer.concat(parts))
}

/**
 * Checks every entry, and makes the table of their serial numbers.
 *
 * @param content - of the SEQUENCE OF entries
 * @throws {@link X509Error} `crl-malformed`
 */
export async function indexInSlices(content: Uint8Array, source: string): Promise<CrlIndex> {
  const unknownCritical = new Set<string>()
  const list = DerReader.open(content, 'list', { maxBytes: content.length })
  let size = 0
  while (!list.isEmpty) {
    size += reading('crl-malformed', source, () => checkSome(list, unknownCritical))
    await nextTurn()
  }
  const places = emptyPlaces(size)
  for (let at = 0; at < content.length; ) {
    const until = performance.now() + SLICE_MS
    while (at < content.length && performance.now() < until) {
      at = addPlaces(places, content, at, STRIDE)
    }
    await nextTurn()
  }
  return { size, unknownCritical: [...unknownCritical], ...places }
}

/** As many entries as fit into a slice. */
function checkSome(list: DerReader, unknownCritical: Set<string>): number {
  const until = performance.now() + SLICE_MS
  let count = 0
  while (!list.isEmpty && (count % STRIDE !== 0 || count === 0 || performance.now() < until)) {
    for (const oid of readEntry(list).unknownCritical) unknownCritical.add(oid)
    count++
  }
  return count
}

/** Lets the event loop turn once. */
export async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve)
  })
}

/** Below, reading it all takes less than a slice. */
export const SLICED_BYTES: number = 64 * 1024
const SLICE_MS = 2
const STRIDE = 32
const PIECE_CHARACTERS = 128 * 1024
