/**
 * Whether a server's certificate, or one of its issuers, was revoked: asked after the handshake and before a byte is sent,
 * for resumed connections too. The lists are those that were given and, for authorities that were named, those that the
 * certificates point to.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { isReasonCode, type ReasonCode, TrustStore } from '@countersign/tls'
import {
  Certificate,
  type CertificateRevocationList,
  TrustAnchors,
  type Verdict,
  verifyChain,
} from '@countersign/x509'
import { ListCache } from './crl-fetch.ts'
import { readLists } from './crl-source.ts'
import type { RevocationPlan } from './revocation-plan.ts'

/** A connection that is not used: its chain is revoked, or nobody can say whether it is. */
export class Refusal extends Error {
  readonly code: ReasonCode
  readonly hint: string
  /** DER of the lists that were consulted. */
  readonly lists: readonly Uint8Array[]

  constructor(
    code: ReasonCode,
    message: string,
    hint: string,
    lists: readonly CertificateRevocationList[] = [],
  ) {
    super(message)
    this.code = code
    this.hint = hint
    this.lists = lists.map(({ der }) => der)
  }
}

/** The revocation check of one set of options. */
export class RevocationCheck {
  /** Equal for equal lists and options. */
  readonly id: string
  readonly #mode: RevocationPlan['mode']
  readonly #lists: readonly CertificateRevocationList[]
  readonly #authorities: TrustStore | undefined
  readonly #cache = new ListCache()
  /** Chains that were found good: until when that holds without looking again, and until when the lists do. */
  readonly #good = new Map<string, { readonly until: number; readonly due: number }>()

  /** @throws {@link TlsError} for a list or an authority that cannot be read */
  constructor(plan: RevocationPlan) {
    const { depth, chains, acceptStale, fetch } = plan.mode
    this.#mode = plan.mode
    this.#lists = readLists(plan.lists)
    this.#authorities =
      fetch === undefined ? undefined : TrustStore.resolve({ ca: fetch, env: false })
    const lists = this.#lists.map(({ fingerprint }) => fingerprint).toSorted()
    const words = [depth, chains, acceptStale, this.#authorities?.sha256, ...lists]
    this.id = hash('sha256', words.join('\n')).slice(0, 16)
  }

  /**
   * @param chain - DER of what the server presented, leaf first
   * @param trust - what the chain was verified against
   * @returns `undefined` where the connection may be used; a promise only where something has to be fetched
   */
  check(
    chain: readonly Uint8Array[],
    trust: TrustStore,
  ): Refusal | undefined | Promise<Refusal | undefined> {
    const key = keyOf(chain)
    if ((this.#good.get(key)?.until ?? 0) > Date.now()) return undefined
    const verified = verifiedPath(chain, trust)
    if (!verified.ok) return refusalOf(verified, [], [])
    const path = verified.chain
    // A leaf that is trusted by itself has nobody above it who could revoke it.
    if (path.length < 2 || !this.#concerns(path)) return undefined
    const depth = this.#depthFor(path)
    if (depth === 'off') return undefined
    const urls = this.#isFetched(path) ? this.#checked(path, depth).flatMap(urlsOf) : []
    const missing = [...new Set(urls)].filter((url) => this.#cache.current(url) === undefined)
    if (missing.length === 0) return this.#judge(path, depth, urls, key)
    return Promise.all(missing.map((url) => this.#cache.fetch(url))).then(() =>
      this.#judge(path, depth, urls, key),
    )
  }

  /** Until when a chain that was found good may be used, in milliseconds since 1970; then its lists have to be asked again. */
  dueAt(chain: readonly Uint8Array[]): number {
    const due = this.#mode.acceptStale ? undefined : this.#good.get(keyOf(chain))?.due
    return due ?? Number.POSITIVE_INFINITY
  }

  #judge(
    path: readonly Certificate[],
    depth: 'leaf' | 'chain',
    urls: readonly string[],
    key: string,
  ): Refusal | undefined {
    const fetched = urls.flatMap((url) => this.#cache.current(url) ?? [])
    const lists = [...this.#lists, ...fetched.flatMap(({ list }) => list ?? [])]
    const [leaf, ...above] = path
    const anchor = above.at(-1)
    if (leaf === undefined || anchor === undefined) return undefined
    const verdict = verifyChain({
      leaf,
      intermediates: above.slice(0, -1),
      roots: anchor,
      crls: lists,
      revocation: depth,
      staleCrls: this.#mode.acceptStale ? 'accept' : 'refuse',
    })
    if (!verdict.ok) {
      const problems = fetched.flatMap((one) => ('problem' in one ? [one.problem] : []))
      const silent =
        this.#isFetched(path) && this.#checked(path, depth).some((one) => urlsOf(one).length === 0)
      if (silent && verdict.code === 'crl-missing') problems.push(SILENT)
      return refusalOf(verdict, problems, lists)
    }
    const due = Math.min(...lists.map(({ nextUpdate }) => nextUpdate?.getTime() ?? 0))
    if (this.#good.size >= MOST_CHAINS) this.#good.clear()
    this.#good.set(key, { until: Math.min(Date.now() + LONGEST_GOOD_MS, due), due })
    return undefined
  }

  #concerns(path: readonly Certificate[]): boolean {
    if (this.#mode.chains === 'every' || this.#isFetched(path)) return true
    return path.some(({ issuer }) => this.#lists.some((list) => list.issuer.equals(issuer)))
  }

  /** By key: an authority that was certified again, by itself or by another, is the same authority. */
  #isFetched(path: readonly Certificate[]): boolean {
    const authorities = this.#authorities
    if (authorities === undefined) return false
    return path
      .slice(1)
      .some(({ subject, publicKey }) =>
        authorities
          .findBySubject(subject)
          .some((one) => Buffer.compare(one.publicKey.spki, publicKey.spki) === 0),
      )
  }

  /** Who only asks where somebody tells: a certificate that names no list is no reason to refuse it. */
  #depthFor(path: readonly Certificate[]): RevocationPlan['mode']['depth'] {
    const { depth, chains } = this.#mode
    if (depth === 'off' || chains !== 'telling') return depth
    for (const wanted of [depth, 'leaf'] as const) {
      if (this.#checked(path, wanted).every((one) => urlsOf(one).length > 0)) return wanted
    }
    return 'off'
  }

  #checked(path: readonly Certificate[], depth: 'leaf' | 'chain'): readonly Certificate[] {
    return depth === 'leaf' ? path.slice(0, 1) : path.slice(0, -1)
  }
}

/** Where the list is that a certificate would be on: over plain HTTP, as RFC 5280 §4.2.1.13 wants it. */
function urlsOf({ extensions }: Certificate): string[] {
  return (extensions.crlDistributionPoints ?? [])
    .flatMap(({ fullName }) => fullName ?? [])
    .flatMap((name) =>
      name.type === 'uri' && name.value.startsWith('http://') ? [name.value] : [],
    )
    .filter((url) => URL.canParse(url))
    .slice(0, MOST_URLS)
}

/**
 * The path that really leads to the store. What Node shows is not it: certificates link up there by their names alone, so a
 * server could put one of its own in an issuer's place.
 */
function verifiedPath(chain: readonly Uint8Array[], trust: TrustStore): Verdict {
  const [leaf = new Uint8Array(), ...intermediates] = chain
  const options = { leaf, intermediates, roots: anchorsOf(trust) }
  const strict = verifyChain(options)
  // Node took it by OpenSSL's rules; here it is only about who issued what.
  return strict.ok ? strict : verifyChain({ ...options, profile: 'openssl' })
}

function keyOf(chain: readonly Uint8Array[]): string {
  return hash('sha256', Buffer.concat(chain))
}

function anchorsOf(trust: TrustStore): TrustAnchors {
  let known = anchors.get(trust)
  if (known === undefined) {
    known = new TrustAnchors(trust.certificates)
    anchors.set(trust, known)
  }
  return known
}

function refusalOf(
  verdict: Verdict & { ok: false },
  problems: readonly string[],
  lists: readonly CertificateRevocationList[],
): Refusal {
  const { code, message } = verdict
  const tail = problems.length === 0 ? '' : `; ${problems.join('; ')}`
  const reason = isReasonCode(code) ? code : 'rejected-by-policy'
  const hint = HINTS.get(reason) ?? 'let its owner renew the certificate'
  return new Refusal(reason, `${message}${tail}`, hint, lists)
}

const anchors = new WeakMap<TrustStore, TrustAnchors>()

const HINTS = new Map<ReasonCode, string>([
  [
    'revoked',
    'let the owner of the server replace the certificate; do not send anything to it until then',
  ],
  [
    'crl-missing',
    'pass the list as crl, or its authority as revocation: { fetch } where its certificates say where the list is',
  ],
  [
    'crl-stale',
    "let the authority publish a new list; revocation: { stale: 'accept' } goes on with the last one",
  ],
])

/** What fetching lists runs into. */
const SILENT = 'a certificate of the chain does not say where its list is'
const MOST_CHAINS = 256
const MOST_URLS = 3
/** A list that was put there by hand is looked at again after this time at the latest. */
const LONGEST_GOOD_MS = 60_000
