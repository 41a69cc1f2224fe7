/**
 * Whether a text is an IP address, as `node:net` says. Most texts are host names: for those neither is the module loaded nor its
 * pattern of IPv6 compiled, which take milliseconds each.
 *
 * @module
 */

/** Whether a text is an IPv4 address with dots. */
export function isIPv4(text: string): boolean {
  return /^[\d.]+$/.test(text) && process.getBuiltinModule('node:net').isIPv4(text)
}

/** Whether a text is an IPv6 address, with or without a zone. */
export function isIPv6(text: string): boolean {
  return text.includes(':') && process.getBuiltinModule('node:net').isIPv6(text)
}

/** Whether a text is an IP address of either kind. */
export function isIP(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}
