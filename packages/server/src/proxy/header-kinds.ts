/**
 * What becomes of a header of a request, by its name.
 *
 * Many servers of applications (CGI, WSGI, PHP) fold names: `Client_Cert`, `client.cert` and `Client-Cert` end in one variable,
 * `HTTP_CLIENT_CERT`. So a name counts as what it folds to wherever that matters to anybody.
 *
 * @module
 */
import { ServerError } from '../errors.ts'

/** What becomes of a header. */
export type HeaderKind =
  | 'pass'
  /** Of this connection only (RFC 9110 §7.6.1), or one that only this server may send. */
  | 'drop'
  /** Only this server may send it; what a trusted proxy says by it is looked at. */
  | 'claim'
  | 'host'
  | 'content-length'
  | 'transfer-encoding'
  | 'connection'
  | 'te'
  | 'upgrade'
  | 'expect'
  | 'cookie'
  | 'authorization'

/** Tells the kinds apart; remembers the names it has seen. */
export class HeaderKinds {
  readonly #known = new Map<string, HeaderKind>()
  readonly #names = new Set<string>()
  readonly #beginnings: string[] = []

  /**
   * @param stripped - further names that only this server may send; `*` at the end stands for everything that begins so
   * @throws {@link ServerError} `option-invalid`
   */
  constructor(stripped: readonly string[]) {
    for (const given of [...OWN, ...stripped]) {
      const [, name = '', star] = /^([A-Za-z0-9!#$%&'+.^_`|~-]+)(\*?)$/.exec(given) ?? []
      if (name === '' || ESSENTIAL.has(fold(name))) {
        throw new ServerError(
          'option-invalid',
          `stripHeaders: ${JSON.stringify(given)} is no header that can be left out`,
          { option: 'stripHeaders', hint: "write 'x-remote-user' or 'x-ssl-*'" },
        )
      }
      if (star === '*') this.#beginnings.push(fold(name))
      else this.#names.add(fold(name))
    }
  }

  /** @param name - as it was sent */
  of(name: string): HeaderKind {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const kind = this.#judge(name.toLowerCase())
    // Whoever sends requests chooses the names.
    if (this.#known.size >= MOST_REMEMBERED) this.#known.clear()
    this.#known.set(name, kind)
    return kind
  }

  #judge(name: string): HeaderKind {
    if (name.startsWith(':')) return 'drop'
    const own = OWN_KINDS.get(name)
    if (own !== undefined) return own
    const folded = fold(name)
    if (CLAIMS.has(name)) return 'claim'
    if (OWN_KINDS.has(folded) || this.#names.has(folded)) return 'drop'
    return this.#beginnings.some((beginning) => folded.startsWith(beginning)) ? 'drop' : 'pass'
  }
}

/** The name as servers of applications fold it. */
export function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

/** What nobody may have left out by naming it in `Connection` (RFC 9110 §7.6.1): the request would become another. */
export const ESSENTIAL: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'cookie',
  'authorization',
  'expect',
])

/** What is stripped beside our own names: how other proxies tell who a client is. */
export const DEFAULT_STRIPPED: readonly string[] = [
  'x-ssl-*',
  'ssl-client-*',
  'x-client-cert*',
  'x-client-verify*',
  'x-client-dn*',
  'x-real-ip',
  'true-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'remote-user',
  'x-remote-user',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-original-forwarded-for',
  'x-arr-clientcert',
  'x-amzn-mtls-*',
  'x-auth-request-*',
]

/** What only this server says, whatever the options. */
const OWN: readonly string[] = [
  'forwarded',
  'x-forwarded-*',
  'client-cert',
  'client-cert-chain',
  'countersign-*',
  // httpoxy (CVE-2016-5385): it becomes HTTP_PROXY.
  'proxy',
]

const CLAIMS: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'client-cert',
  'client-cert-chain',
])

const OWN_KINDS: ReadonlyMap<string, HeaderKind> = new Map<string, HeaderKind>([
  ['host', 'host'],
  ['content-length', 'content-length'],
  ['transfer-encoding', 'transfer-encoding'],
  ['connection', 'connection'],
  ['te', 'te'],
  ['expect', 'expect'],
  ['cookie', 'cookie'],
  ['authorization', 'authorization'],
  ['keep-alive', 'drop'],
  ['proxy-connection', 'drop'],
  ['proxy-authorization', 'drop'],
  ['proxy-authenticate', 'drop'],
  ['upgrade', 'upgrade'],
  ['http2-settings', 'drop'],
])

const MOST_REMEMBERED = 1000
