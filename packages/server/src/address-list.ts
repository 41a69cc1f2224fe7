/**
 * Addresses and networks as they are written in options, and the network that an address counts for.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'
import { ServerError } from './errors.ts'

/**
 * Reads addresses and networks.
 *
 * @param given - `'10.0.0.7'`, `'2001:db8::/32'`; a list of Node's passes through
 * @param option - the option's name, for the message
 * @throws {@link ServerError} `option-invalid`
 */
export function addressList(given: BlockList | readonly string[], option: string): BlockList {
  if (BlockList.isBlockList(given)) return given
  if (!Array.isArray(given)) {
    throw new ServerError('option-invalid', `${option} is no list of addresses`, { option })
  }
  const list = new BlockList()
  for (const one of given) {
    const [, address = '', prefix] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(String(one)) ?? []
    const family = isIP(address)
    const longest = family === 6 ? 128 : 32
    if (family === 0 || (prefix !== undefined && Number(prefix) > longest)) {
      throw new ServerError(
        'option-invalid',
        `${option}: ${JSON.stringify(one)} is no address and no network`,
        { option, hint: "write '10.0.0.7' or '10.0.0.0/8'" },
      )
    }
    const length = prefix === undefined ? longest : Number(prefix)
    list.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

/** Whether an address is in a list; one that is none at all is not. */
export function isListed(list: BlockList, address: string): boolean {
  const family = isIP(address)
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** What an address counts for: itself, or the /64 of an IPv6 address, which one customer has to himself. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [left = '', right] = address.split('%', 1).join('').split('::')
  const before = left === '' ? [] : left.split(':')
  const after = right === undefined || right === '' ? [] : right.split(':')
  const zeros = right === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
