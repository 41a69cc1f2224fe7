/**
 * What validation may reach: addresses on a list, found through one resolver. A name is looked up once, its addresses are held against
 * the list, and the connection is made to one of those addresses and no other, so that nothing can change in between.
 *
 * @module
 */
import type { Resolver } from 'node:dns/promises'
import { errorCode } from '@countersign/core'
import { bytesToIp, ipToBytes } from '@countersign/x509'
import { AuthorityError } from '../errors.ts'
import { type IpRange, ipRangeContains, parseIpRange } from '../ip-range.ts'
import { AcmeProblem } from './problem.ts'

/** The networks of private use, where this authority's clients are (RFC 1918, RFC 6598, RFC 4193). */
export const PRIVATE_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
]

/** This machine, for an authority that only this machine reaches. */
export const LOOPBACK_NETWORKS: readonly string[] = ['127.0.0.0/8', '::1']

/** Looks names up and knows what may be reached. */
export class Networks {
  readonly #ranges: readonly IpRange[]
  readonly #server: string | undefined

  /**
   * @param allow - in CIDR notation
   * @param server - the resolver, `ADDRESS:PORT`; the system's where it is `undefined`
   * @throws {@link AuthorityError} `option-invalid`
   */
  constructor(allow: readonly string[], server: string | undefined) {
    this.#ranges = allow.map((text) => {
      const range = parseIpRange(text)
      if (range !== undefined) return range
      throw new AuthorityError('option-invalid', `allow: "${text}" is no network`, {
        hint: 'write 10.0.0.0/8 or fd00::/8; no bits are set behind the prefix',
      })
    })
    this.#server = server
    if (server !== undefined) resolverFor(server)
  }

  /**
   * The addresses of a host that may be connected to, at most two: the first of IPv6, then the first of IPv4.
   *
   * @throws AcmeProblem `dns` where it has none, `connection` where none may be reached
   */
  async addressesOf(host: string, signal: AbortSignal): Promise<string[]> {
    const found = await this.#lookUp(host, signal)
    const reachable = found.filter((address) => this.permits(address))
    if (reachable.length === 0) {
      throw new AcmeProblem(
        'connection',
        `${host} is at ${found.join(', ')}, outside of the networks that validation may reach; the operator lists them with --acme-allow`,
      )
    }
    const first = [16, 4].map((bytes) =>
      reachable.find((address) => ipToBytes(address)?.length === bytes),
    )
    return first.filter((address) => address !== undefined)
  }

  /** Whether an address may be connected to. An IPv4 address in the clothes of IPv6 is what is inside. */
  permits(address: string): boolean {
    const bytes = plainAddress(address)
    return bytes !== undefined && this.#ranges.some((range) => ipRangeContains(range, bytes))
  }

  /**
   * The texts at a name, through at most eight aliases.
   *
   * @throws AcmeProblem `dns`
   */
  async textsOf(name: string, signal: AbortSignal): Promise<string[]> {
    return await this.#asking(signal, async (resolver) => {
      let at = name
      for (let hops = 0; hops <= MOST_ALIASES; hops++) {
        const texts = await answered(resolver.resolveTxt(at), `TXT of ${at}`)
        if (texts.length > 0) return texts.map((chunks) => chunks.join(''))
        // A resolver that follows aliases has done so; one that does not leaves them to us.
        const [next] = await answered(resolver.resolveCname(at), `CNAME of ${at}`)
        if (next === undefined) return []
        at = next
      }
      throw new AcmeProblem(
        'dns',
        `${name} is an alias of an alias, more than ${MOST_ALIASES} times`,
      )
    })
  }

  async #lookUp(host: string, signal: AbortSignal): Promise<string[]> {
    if (ipToBytes(host) !== undefined) return [host]
    // RFC 6761 §6.3: it is never asked for.
    if (host === 'localhost' || host.endsWith('.localhost')) return ['::1', '127.0.0.1']
    return await this.#asking(signal, async (resolver) => {
      const [six, four] = await Promise.all([
        answered(resolver.resolve6(host), `AAAA of ${host}`),
        answered(resolver.resolve4(host), `A of ${host}`),
      ])
      const found = [...six, ...four]
      if (found.length > 0) return found
      throw new AcmeProblem('dns', `${host} has no address`)
    })
  }

  async #asking<T>(signal: AbortSignal, work: (resolver: Resolver) => Promise<T>): Promise<T> {
    const resolver = resolverFor(this.#server)
    const stop = (): void => resolver.cancel()
    signal.addEventListener('abort', stop)
    try {
      signal.throwIfAborted()
      return await work(resolver)
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}

function resolverFor(server: string | undefined): Resolver {
  // Loaded here: whoever issues from the command line looks no name up.
  const dns = process.getBuiltinModule('node:dns/promises')
  const resolver = new dns.Resolver({ timeout: 2000, tries: 2 })
  if (server === undefined) return resolver
  try {
    resolver.setServers([server])
  } catch (error) {
    throw new AuthorityError(
      'option-invalid',
      `resolver: "${server}" is no address of a resolver`,
      {
        hint: 'write ADDRESS:PORT, as in 10.0.0.53:53 or [fd00::53]:53',
        cause: error,
      },
    )
  }
  return resolver
}

/** What a resolver found; nothing where there is nothing. @throws AcmeProblem `dns` */
async function answered<T>(query: Promise<T[]>, what: string): Promise<T[]> {
  try {
    return await query
  } catch (error) {
    const code = errorCode(error) ?? 'UNKNOWN'
    if (code === 'ENODATA' || code === 'ENOTFOUND') return []
    throw new AcmeProblem('dns', `the ${what} could not be looked up (${code})`)
  }
}

function plainAddress(address: string): Uint8Array | undefined {
  const bytes = ipToBytes(address)
  if (bytes?.length !== 16) return bytes
  const text = bytesToIp(bytes)
  const isMapped = text !== undefined && Buffer.compare(bytes.subarray(0, 12), MAPPED) === 0
  return isMapped ? bytes.subarray(12) : bytes
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)
const MOST_ALIASES = 8
