/**
 * IP addresses as certificates hold them: 4 or 16 bytes, printed in one canonical way (RFC 5952).
 *
 * @module
 */
import { isIPv4, isIPv6 } from './ip-text.ts'

/** The bytes of an address, or `undefined` where the text is none; zones (`%eth0`) are none. */
export function ipToBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number))
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head = '', tail] = text.split('::')
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const bytes = new Uint8Array(16)
  for (const [index, group] of front.entries()) writeGroup(bytes, index, group)
  for (const [index, group] of back.entries()) writeGroup(bytes, 8 - back.length + index, group)
  return bytes
}

/** The canonical text of 4 or 16 bytes: `10.0.0.1`, `2001:db8::1`; `undefined` for any other length. */
export function bytesToIp(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return undefined
  const values = Array.from({ length: 8 }, (_, index) => readGroup(bytes, index))
  const { start, length } = longestZeroRun(values)
  const text = values.map((value) => value.toString(16))
  if (length < 2) return text.join(':')
  return `${text.slice(0, start).join(':')}::${text.slice(start + length).join(':')}`
}

/**
 * Reads an address range, `10.0.0.0/8`, `fd00::/8`, or one address.
 *
 * @returns address and mask, one after the other (RFC 5280 §4.2.1.10), or `undefined` where the text is no range or has
 * bits set outside its mask
 */
export function ipRangeToBytes(text: string): Uint8Array | undefined {
  const [address = '', prefix, ...more] = text.split('/')
  const bytes = ipToBytes(address)
  if (bytes === undefined || more.length > 0) return undefined
  const bits = bytes.length * 8
  if (prefix !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(prefix)) return undefined
  const ones = prefix === undefined ? bits : Number(prefix)
  if (ones > bits) return undefined
  const range = new Uint8Array(bytes.length * 2)
  range.set(bytes)
  for (let bit = 0; bit < ones; bit++) {
    const index = bytes.length + (bit >> 3)
    range[index] = (range[index] ?? 0) | (0x80 >> (bit & 7))
  }
  const isInside = bytes.every((byte, index) => (byte & ~(range[bytes.length + index] ?? 0)) === 0)
  return isInside ? range : undefined
}

/**
 * The text of a range of 8 or 32 bytes: `10.0.0.0/8`; a mask with holes is written out as an address.
 *
 * @returns `undefined` for any other length
 */
export function bytesToIpRange(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 8 && bytes.length !== 32) return undefined
  const half = bytes.length / 2
  const mask = bytes.subarray(half)
  const bits = Array.from(mask, (byte) => byte.toString(2).padStart(8, '0')).join('')
  const isPrefix = /^1*0*$/.test(bits)
  const size = isPrefix
    ? String(bits.indexOf('0') === -1 ? bits.length : bits.indexOf('0'))
    : bytesToIp(mask)
  return `${bytesToIp(bytes.subarray(0, half))}/${size}`
}

/** Groups of sixteen bits; an IPv4 address at the end counts two. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

function writeGroup(bytes: Uint8Array, index: number, value: number): void {
  bytes[index * 2] = value >> 8
  bytes[index * 2 + 1] = value & 0xff
}

function readGroup(bytes: Uint8Array, index: number): number {
  return (bytes[index * 2] ?? 0) * 256 + (bytes[index * 2 + 1] ?? 0)
}

function longestZeroRun(values: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (const [index, value] of values.entries()) {
    if (value !== 0) start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}
