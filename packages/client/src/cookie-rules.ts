/**
 * What a session may be told about its cookies beside the rules everybody has: the names of a private network, plain HTTP on
 * this machine, ports, and how many are kept.
 *
 * @module
 */
import { isIP } from 'node:net'
import { getPublicSuffix } from 'tough-cookie'
import { OptionError } from './errors.ts'
import { check, wholeNumber } from './option-checks.ts'

/** Rules of a cookie jar. */
export interface CookieRules {
  /**
   * Suffixes that one owner has as a whole: `corp` lets `sso.corp` set a cookie for `Domain=corp`, which every host below
   * `.corp` gets. @defaultValue none: a single label and every public suffix are refused
   */
  ownSuffixes?: readonly string[] | undefined
  /**
   * Suffixes below which every name is somebody else's, on top of the public suffix list: with `apps.internal` no
   * cookie of `a.apps.internal` reaches `b.apps.internal`. @defaultValue none
   */
  sharedSuffixes?: readonly string[] | undefined
  /**
   * Plain-HTTP origins of this machine that may set and get `Secure` cookies: `http://localhost:3000`. @defaultValue none
   */
  secureOrigins?: readonly (string | URL)[] | undefined
  /**
   * Keeps the cookies of a loopback host (`localhost`, `127.0.0.1`, `[::1]`) with the port that set them. Everywhere else,
   * and without this, a cookie is for every port of its host, as RFC 6265bis §8.5 has it. @defaultValue false
   */
  isolatePorts?: boolean | undefined
  /** The most cookies of one domain. @defaultValue 180 */
  maxPerDomain?: number | undefined
  /** The most cookies in all. @defaultValue 3000 */
  maxCookies?: number | undefined
}

/** The rules, checked and complete. */
export interface CheckedCookieRules {
  readonly isPublicSuffix: (domain: string) => boolean
  /** Whether `Secure` cookies go there. */
  readonly isSecure: (url: URL) => boolean
  /** The port that a cookie of that URL stays with. */
  readonly portOf: (url: URL) => number | undefined
  readonly maxPerDomain: number
  readonly maxCookies: number
}

/**
 * Checks rules.
 *
 * @throws {@link OptionError} `option-unknown`, `option-invalid`
 */
export function cookieRules(rules: CookieRules = {}): CheckedCookieRules {
  check(rules, COOKIE_RULES, 'cookieRules')
  const own = suffixes('ownSuffixes', rules.ownSuffixes)
  const shared = suffixes('sharedSuffixes', rules.sharedSuffixes)
  const origins = secureOrigins(rules.secureOrigins)
  const { isolatePorts = false } = rules
  if (typeof isolatePorts !== 'boolean') {
    throw new OptionError('option-invalid', 'cookieRules.isolatePorts must be true or false')
  }
  return {
    isPublicSuffix: (domain) => {
      if (shared.has(domain)) return true
      if (own.has(domain) || isIP(domain) !== 0) return false
      // The name below the suffix; of a suffix itself there is none.
      return getPublicSuffix(domain, { allowSpecialUseDomain: false, ignoreError: true }) == null
    },
    isSecure: (url) => url.protocol === 'https:' || origins.has(url.origin),
    portOf: (url) =>
      isolatePorts && isLoopback(url.hostname)
        ? Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
        : undefined,
    // RFC 6265bis §6.1: at least 50 of a domain and 3000 in all.
    maxPerDomain: atLeastOne(
      wholeNumber('cookieRules.maxPerDomain', rules.maxPerDomain, 180, MOST),
    ),
    maxCookies: atLeastOne(wholeNumber('cookieRules.maxCookies', rules.maxCookies, 3000, MOST)),
  }
}

function suffixes(name: string, given: readonly string[] | undefined): ReadonlySet<string> {
  if (given === undefined) return new Set()
  if (!Array.isArray(given) || !given.every((one) => typeof one === 'string')) {
    throw new OptionError('option-invalid', `cookieRules.${name} must be a list of domain suffixes`)
  }
  return new Set(
    given.map((one) => {
      const suffix = one.replace(/^\*?\./, '').toLowerCase()
      if (SUFFIX.test(suffix)) return suffix
      throw new OptionError(
        'option-invalid',
        `cookieRules.${name}: ${JSON.stringify(one)} is no domain suffix`,
        { hint: "write it as 'corp' or 'apps.internal'" },
      )
    }),
  )
}

function secureOrigins(given: readonly (string | URL)[] | undefined): ReadonlySet<string> {
  if (given === undefined) return new Set()
  if (!Array.isArray(given)) {
    throw new OptionError('option-invalid', 'cookieRules.secureOrigins must be a list of origins')
  }
  return new Set(
    given.map((one: unknown) => {
      const url = URL.parse(String(one))
      // On the way to another machine anybody could read it.
      if (url?.protocol === 'http:' && isLoopback(url.hostname)) return url.origin
      throw new OptionError(
        'option-invalid',
        'cookieRules.secureOrigins takes plain-HTTP origins of this machine only',
        { hint: "write them as 'http://localhost:3000'" },
      )
    }),
  )
}

/** Whether a host, as a URL has it, is this machine (RFC 6761 §6.3, RFC 1122 §3.2.1.3). */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
  )
}

function atLeastOne(number: number): number {
  return Math.max(1, number)
}

const COOKIE_RULES = Object.keys({
  ownSuffixes: true,
  sharedSuffixes: true,
  secureOrigins: true,
  isolatePorts: true,
  maxPerDomain: true,
  maxCookies: true,
} as const satisfies Record<keyof CookieRules, true>)

const SUFFIX = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const MOST = 100_000
