/**
 * Ranges of IP addresses in CIDR notation, and whether an address lies in one.
 *
 * Not `net.BlockList`: it takes `::ffff:10.0.0.1` for `10.0.0.1`, while those who verify a name constraint compare
 * the 16 bytes (RFC 5280 §4.2.1.10), so the check before signing would promise what they refuse.
 *
 * @module
 */
import { bytesToIp, ipToBytes } from '@countersign/x509'

/** A range of addresses of one family. */
export interface IpRange {
  /** The first address, 4 or 16 bytes; the bits behind the prefix are zero. */
  readonly address: Uint8Array
  /** How many leading bits count: 0 to 32 or 128. */
  readonly prefix: number
}

/**
 * Reads `10.0.0.0/8`, `fd00::/8`, or a single address.
 *
 * @returns the range, or `undefined` where the text is none or has bits set behind its prefix
 */
export function parseIpRange(text: string): IpRange | undefined {
  const [host = '', length, more] = text.split('/')
  const address = ipToBytes(host)
  if (address === undefined || more !== undefined) return undefined
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined
  const prefix = length === undefined ? address.length * 8 : Number(length)
  if (prefix > address.length * 8) return undefined
  return Buffer.compare(mask(address, prefix), address) === 0 ? { address, prefix } : undefined
}

/** The range as it is written: `10.0.0.0/8`. */
export function formatIpRange(range: IpRange): string {
  return `${bytesToIp(range.address)}/${range.prefix}`
}

/** Whether the address lies in the range; never where the families differ. */
export function ipRangeContains(range: IpRange, address: Uint8Array): boolean {
  return (
    address.length === range.address.length &&
    Buffer.compare(mask(address, range.prefix), range.address) === 0
  )
}

/** Every IPv4 address, for constraints that shut the whole kind out. */
export const ALL_IPV4: IpRange = { address: new Uint8Array(4), prefix: 0 }
/** Every IPv6 address. */
export const ALL_IPV6: IpRange = { address: new Uint8Array(16), prefix: 0 }

function mask(address: Uint8Array, prefix: number): Uint8Array {
  return address.map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefix - 8 * index))
    return byte & (0xff00 >> bits) & 0xff
  })
}
