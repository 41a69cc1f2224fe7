/**
 * The cookies of one session: what may be kept (RFC 6265bis §5.7), what goes along (§5.8), and how many there may be (§6.1).
 *
 * Dates, paths and domains are matched by tough-cookie, whose public suffix list is used as well; the storing is done here,
 * because its own jar knows no bounds and is a draft behind (docs/design/cookies.md).
 *
 * @module
 */
import { canonicalDomain, defaultPath, domainMatch, pathMatch } from 'tough-cookie'
import { type CheckedCookieRules, type CookieRules, cookieRules } from './cookie-rules.ts'
import { cookiePairs, type PlainCookies } from './cookies.ts'
import {
  CONTROL,
  LONGEST_ATTRIBUTE,
  LONGEST_LIFE_MS,
  LONGEST_PAIR,
  parseSetCookie,
  type SameSite,
} from './set-cookie.ts'

/** A cookie that is kept. */
export interface StoredCookie {
  /** May be empty: then the value stands alone in the header. */
  readonly name: string
  readonly value: string
  /** In its canonical form. */
  readonly domain: string
  /** Only for that very host; else for those below it as well. */
  readonly hostOnly: boolean
  readonly path: string
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: SameSite
  /** Milliseconds since 1970; `undefined` for as long as the session lasts. */
  readonly expires: number | undefined
  /** The only port it goes to, where ports are kept apart. */
  readonly port: number | undefined
}

/** Cookies by domain, within bounds. */
export class CookieJar {
  readonly #rules: CheckedCookieRules
  readonly #now: () => number
  readonly #domains = new Map<string, Map<string, Entry>>()
  #size = 0
  /** Counts what happens: a creation or an access is before another one whatever the clock does. */
  #moment = 0

  /**
   * @param now - milliseconds since 1970
   * @throws {@link OptionError} `option-unknown`, `option-invalid`
   */
  constructor(rules: CookieRules = {}, now: () => number = Date.now) {
    this.#rules = cookieRules(rules)
    this.#now = now
  }

  /** Keeps what an answer set; what the rules refuse is dropped, as every client does. */
  store(url: URL, setCookie: readonly string[]): void {
    for (const text of setCookie) this.#receive(url, text)
  }

  /**
   * Puts cookies in by hand, for one host only.
   *
   * @throws {@link OptionError} `cookie-invalid`
   */
  set(url: URL, cookies: PlainCookies): void {
    for (const [name, value] of cookiePairs(cookies)) {
      this.#insert({
        name,
        value,
        domain: hostOf(url),
        hostOnly: true,
        path: '/',
        secure: url.protocol === 'https:',
        httpOnly: false,
        sameSite: 'default',
        expires: undefined,
        port: this.#rules.portOf(url),
      })
    }
  }

  /**
   * Puts back a cookie that was saved.
   *
   * @returns `false` for one that the rules refuse: expired, too long, for a public suffix, a prefix that it does not keep
   */
  put(cookie: StoredCookie): boolean {
    const { name, value, path } = cookie
    const domain = canonicalDomain(cookie.domain) ?? ''
    const fits =
      name.length + value.length > 0 &&
      name.length + value.length <= LONGEST_PAIR &&
      !CONTROL.test(name + value) &&
      !/[=;]/.test(name) &&
      !value.includes(';') &&
      path.startsWith('/') &&
      path.length <= LONGEST_ATTRIBUTE &&
      !CONTROL.test(path) &&
      domain !== '' &&
      domain.length <= LONGEST_ATTRIBUTE &&
      (cookie.hostOnly || !this.#rules.isPublicSuffix(domain)) &&
      keepsItsPrefix(cookie, true)
    if (!fits) return false
    const latest = this.#now() + LONGEST_LIFE_MS
    const expires = cookie.expires === undefined ? undefined : Math.min(cookie.expires, latest)
    if (expires !== undefined && expires <= this.#now()) return false
    this.#insert({ ...cookie, domain, expires })
    return true
  }

  /**
   * What goes to that URL, in the order of the `Cookie` header: longer paths first, then older cookies (RFC 6265bis §5.8.3).
   */
  pairsFor(url: URL): [name: string, value: string][] {
    if (this.#size === 0) return []
    const host = hostOf(url)
    const secure = this.#rules.isSecure(url)
    const port = this.#rules.portOf(url)
    const found: Entry[] = []
    for (const domain of domainsOf(host)) {
      for (const entry of this.#living(domain)) {
        const { cookie } = entry
        if (
          (!cookie.hostOnly || domain === host) &&
          (!cookie.secure || secure) &&
          (cookie.port === undefined || cookie.port === port) &&
          pathMatch(url.pathname, cookie.path)
        ) {
          found.push(entry)
        }
      }
    }
    found.sort((a, b) => b.cookie.path.length - a.cookie.path.length || a.created - b.created)
    const moment = ++this.#moment
    return found.map((entry) => {
      entry.accessed = moment
      return [entry.cookie.name, entry.cookie.value]
    })
  }

  /** Every cookie that has not expired, oldest first. */
  all(): StoredCookie[] {
    return [...this.#domains.keys()]
      .flatMap((domain) => this.#living(domain))
      .toSorted((a, b) => a.created - b.created)
      .map(({ cookie }) => cookie)
  }

  clear(): void {
    this.#domains.clear()
    this.#size = 0
  }

  /** RFC 6265bis §5.7, step by step. */
  #receive(url: URL, text: string): void {
    const now = this.#now()
    const received = parseSetCookie(text, now)
    if (received === undefined) return
    const host = hostOf(url)
    const secureOrigin = this.#rules.isSecure(url)
    let { domain } = received
    if (NOT_ASCII.test(domain)) return
    if (domain !== '' && this.#rules.isPublicSuffix(domain)) {
      if (domain !== host) return
      domain = ''
    }
    if (domain !== '' && domainMatch(host, domain, false) !== true) return
    const cookie: StoredCookie = {
      ...received,
      domain: domain === '' ? host : domain,
      hostOnly: domain === '',
      path: received.path ?? defaultPath(url.pathname),
      port: this.#rules.portOf(url),
    }
    if (cookie.secure && !secureOrigin) return
    if (!cookie.secure && !secureOrigin && this.#hidesSecure(cookie)) return
    if (cookie.sameSite === 'none' && !cookie.secure) return
    if (!keepsItsPrefix(cookie, received.path !== undefined)) return
    if (cookie.expires !== undefined && cookie.expires <= now) this.#remove(cookie)
    else this.#insert(cookie)
  }

  /**
   * Whether a cookie that came over plain HTTP would take the place of a secure one, or stand before it: whoever can
   * change what comes over HTTP could put somebody into a session of his own (RFC 6265bis §5.7 step 16).
   */
  #hidesSecure(given: StoredCookie): boolean {
    for (const domain of this.#domains.keys()) {
      const isNear =
        domainMatch(domain, given.domain, false) === true ||
        domainMatch(given.domain, domain, false) === true
      if (!isNear) continue
      for (const { cookie } of this.#living(domain)) {
        if (cookie.secure && cookie.name === given.name && pathMatch(given.path, cookie.path)) {
          return true
        }
      }
    }
    return false
  }

  #insert(cookie: StoredCookie): void {
    let entries = this.#domains.get(cookie.domain)
    if (entries === undefined) {
      entries = new Map()
      this.#domains.set(cookie.domain, entries)
    }
    const key = keyOf(cookie)
    const old = entries.get(key)
    const moment = ++this.#moment
    if (old === undefined) this.#size++
    entries.set(key, { cookie, created: old?.created ?? moment, accessed: moment })
    if (entries.size > this.#rules.maxPerDomain) this.#evict(this.#living(cookie.domain), true)
    if (this.#size > this.#rules.maxCookies) {
      this.#evict(
        [...this.#domains.keys()].flatMap((domain) => this.#living(domain)),
        false,
      )
    }
  }

  /** Makes room for one, unless what had expired was enough (RFC 6265bis §5.7, "remove excess cookies"). */
  #evict(entries: readonly Entry[], insideDomain: boolean): void {
    const most = insideDomain ? this.#rules.maxPerDomain : this.#rules.maxCookies
    if (entries.length <= most) return
    const [oldest] = entries.toSorted(
      (a, b) =>
        (insideDomain ? Number(a.cookie.secure) - Number(b.cookie.secure) : 0) ||
        a.accessed - b.accessed,
    )
    if (oldest !== undefined) this.#remove(oldest.cookie)
  }

  #remove(cookie: StoredCookie): void {
    const entries = this.#domains.get(cookie.domain)
    if (entries?.delete(keyOf(cookie)) !== true) return
    this.#size--
    if (entries.size === 0) this.#domains.delete(cookie.domain)
  }

  /** The cookies of a domain; what has expired is gone afterwards. */
  #living(domain: string): Entry[] {
    const entries = this.#domains.get(domain)
    if (entries === undefined) return []
    const now = this.#now()
    const living: Entry[] = []
    for (const entry of entries.values()) {
      const { expires } = entry.cookie
      if (expires === undefined || expires > now) living.push(entry)
      else this.#remove(entry.cookie)
    }
    return living
  }
}

interface Entry {
  readonly cookie: StoredCookie
  readonly created: number
  accessed: number
}

/** The conditions that a name sets (RFC 6265bis §5.4), in whatever case it is written. */
function keepsItsPrefix(
  cookie: Pick<StoredCookie, 'name' | 'value' | 'secure' | 'hostOnly' | 'path'>,
  pathWasGiven: boolean,
): boolean {
  const name = cookie.name.toLowerCase()
  if (name === '') {
    // In the header such a value would look like a name with its prefix.
    const value = cookie.value.toLowerCase()
    return !value.startsWith('__secure-') && !value.startsWith('__host-')
  }
  if (name.startsWith('__secure-')) return cookie.secure
  if (!name.startsWith('__host-')) return true
  return cookie.secure && cookie.hostOnly && pathWasGiven && cookie.path === '/'
}

function keyOf(cookie: StoredCookie): string {
  return `${cookie.name}\n${cookie.path}\n${cookie.hostOnly ? 1 : 0}\n${cookie.port ?? ''}`
}

function hostOf(url: URL): string {
  return canonicalDomain(url.hostname.replace(/^\[(.*)\]$/, '$1')) ?? url.hostname
}

/** A host and every domain above it; a cookie of an address is for that address alone. */
function domainsOf(host: string): string[] {
  const domains = [host]
  for (let at = host.indexOf('.'); at >= 0; at = host.indexOf('.', at + 1)) {
    const domain = host.slice(at + 1)
    if (domain !== '' && domainMatch(host, domain, false) === true) domains.push(domain)
  }
  return domains
}

const NOT_ASCII = /[\u0080-\uffff]/
