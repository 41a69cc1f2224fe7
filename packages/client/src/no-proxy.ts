/**
 * `NO_PROXY`: for which hosts a proxy is passed by.
 *
 * ```
 * example.com        the host and every host below it
 * .example.com       every host below it, not itself; *.example.com is the same
 * 10.0.0.0/8         addresses in it; 192.168.1.7 and ::1 are themselves
 * host:8443          only on that port; [::1]:8443
 * *                  everything
 * ```
 *
 * Rules are separated by commas or white space. A name is not looked up: an address rule is for URLs that hold an address.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'

/** What is passed by; made once, asked for every call. */
export class NoProxy {
  readonly #rules: readonly Rule[]

  /** @param text - the rules; what is no rule is skipped, as every program does */
  constructor(text: string) {
    this.#rules = text
      .split(/[\s,]+/)
      .filter((part) => part !== '')
      .slice(0, MOST_RULES)
      .map(ruleOf)
  }

  /** @param host - lower case, without brackets */
  matches(host: string, port: number): boolean {
    return this.#rules.some((rule) => (rule.port ?? port) === port && rule.matches(host))
  }
}

/** Whether a host is this very machine: the environment's proxies are never asked for it. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return isIP(host) !== 0 && loopback.check(host, familyOf(host))
}

interface Rule {
  readonly port: number | undefined
  matches(host: string): boolean
}

function ruleOf(text: string): Rule {
  if (text === '*') return { port: undefined, matches: () => true }
  const { host, port } = hostAndPort(text.toLowerCase())
  const subnet = subnetOf(host)
  if (subnet !== undefined) {
    return {
      port,
      matches: (given) => isIP(given) !== 0 && subnet.check(given, familyOf(given)),
    }
  }
  const name = host.replace(/^\*/, '').replace(/\.$/, '')
  if (name.startsWith('.')) return { port, matches: (given) => plain(given).endsWith(name) }
  return { port, matches: (given) => plain(given) === name || plain(given).endsWith(`.${name}`) }
}

function hostAndPort(text: string): { host: string; port: number | undefined } {
  const [, bracketed, digits] = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? []
  if (bracketed !== undefined) return { host: bracketed, port: portOf(digits) }
  const [, name = text, after] = /^([^:]*):(\d{1,5})$/.exec(text) ?? []
  return { host: name, port: portOf(after) }
}

function portOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits)
}

/** An address is a subnet of one. */
function subnetOf(text: string): BlockList | undefined {
  const [address = '', bits, more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more !== undefined) return undefined
  const most = version === 4 ? 32 : 128
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return undefined
  const prefix = bits === undefined ? most : Number(bits)
  if (prefix > most) return undefined
  const list = new BlockList()
  list.addSubnet(address, prefix, familyOf(address))
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

/** Without the dot of a name written in full. */
function plain(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const MOST_RULES = 1000
