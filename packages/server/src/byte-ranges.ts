/**
 * `Range: bytes=…` (RFC 9110 §14.1.2): one part, several, or the whole after all.
 *
 * @module
 */

/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * Reads it.
 *
 * @returns the parts; `unsatisfiable` where none lies inside the file; `undefined` for what is no range, and for so many or such
 * overlapping ones that the whole file costs less (§14.2)
 */
export function byteRanges(
  header: string | undefined,
  size: number,
): ByteRange[] | 'unsatisfiable' | undefined {
  const [, list] = /^bytes=([\d\s,-]{1,1000})$/i.exec(header?.trim() ?? '') ?? []
  if (list === undefined) return undefined
  const parts = list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length === 0 || parts.length > MOST_PARTS) return undefined
  const ranges: ByteRange[] = []
  for (const part of parts) {
    const range = rangeOf(part, size)
    if (range === undefined) return undefined
    if (range !== 'unsatisfiable') ranges.push(range)
  }
  if (ranges.length === 0) return 'unsatisfiable'
  return ranges.length > 1 && overlap(ranges) ? undefined : ranges
}

function rangeOf(part: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^(\d{0,15})-(\d{0,15})$/.exec(part) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = ranges.toSorted((one, other) => one.start - other.start)
  return sorted.some((range, index) => {
    const next = sorted[index + 1]
    return next !== undefined && next.start <= range.end
  })
}

const MOST_PARTS = 16
