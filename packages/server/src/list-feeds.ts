/**
 * All revocation lists that a server fetches: those of the URLs in its options, and those that certificates name.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'
import type { CrlFetching } from './crl-fetch-options.ts'
import type { ServerError } from './errors.ts'
import { ListFeed } from './list-feed.ts'
import type { LoadedList } from './list-reader.ts'
import { checkedUrl } from './list-url.ts'

/** What feeds work with. */
export interface FeedsParts {
  readonly fetching: CrlFetching
  readonly now: () => number
  readonly onProblem: (problem: ServerError) => void
  /** Another list counts. */
  readonly onChange: () => void
}

/** What a site wants of the feeds. */
export interface FollowRequest {
  /** In its options: without any of them it does not start. */
  readonly urls: readonly string[]
  /** Whose distribution points may be followed as well. */
  readonly certificates: readonly Certificate[]
  /** Whose lists are believed. */
  readonly authorities: readonly Certificate[]
}

/** The feeds of one server. */
export class ListFeeds implements AsyncDisposable {
  readonly #parts: FeedsParts
  readonly #feeds = new Map<string, ListFeed>()
  readonly #authorities = new Map<string, Certificate>()
  #closed = false

  constructor(parts: FeedsParts) {
    this.#parts = parts
  }

  /** The last good lists. */
  get lists(): readonly LoadedList[] {
    return [...this.#feeds.values()].flatMap(({ current }) => current ?? [])
  }

  /**
   * Follows what a site wants from now on, and resolves once each was asked for.
   *
   * @throws {@link ServerError} `option-invalid`; `crl-unavailable` or `crl-refused` for a URL of the options of which there is no
   * list, unless a start without is wanted
   */
  async follow({ urls, certificates, authorities }: FollowRequest): Promise<void> {
    for (const one of authorities) this.#authorities.set(one.fingerprint, one)
    const wanted = urls.map((text) => checkedUrl(text, 'crl').href)
    const pointed = certificates.flatMap((one) => this.#pointsOf(one))
    const feeds = new Set([...wanted, ...pointed].map((url) => this.#feedOf(url)))
    await Promise.all([...feeds].map(async (feed) => feed?.current ?? feed?.start()))
    if (this.#parts.fetching.atStart === 'refuse-clients') return
    for (const url of wanted) {
      const feed = this.#feeds.get(url)
      if (feed?.current !== undefined || feed?.problem === undefined) continue
      this.#feeds.delete(url)
      await feed.close()
      throw feed.problem
    }
  }

  /** A verified certificate of which nobody has the list: it may say where that is. */
  learn(certificate: Certificate): void {
    for (const url of this.#pointsOf(certificate)) {
      if (!this.#feeds.has(url)) void this.#feedOf(url)?.start()
    }
  }

  /** Asks for every list now. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#feeds.values()].map(async (feed) => feed.refresh()))
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#feeds.values()].map(async (feed) => feed.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #feedOf(href: string): ListFeed | undefined {
    const known = this.#feeds.get(href)
    if (known !== undefined || this.#closed || this.#feeds.size >= MOST_FEEDS) return known
    const { fetching, now, onProblem, onChange } = this.#parts
    const feed = new ListFeed({
      url: new URL(href),
      fetching,
      authorities: () => [...this.#authorities.values()],
      now,
      onChange,
      onProblem,
    })
    this.#feeds.set(href, feed)
    return feed
  }

  /** Where a certificate says that its list is, as far as that may be asked. */
  #pointsOf({ extensions }: Certificate): string[] {
    const { hosts } = this.#parts.fetching
    if (hosts.size === 0) return []
    return (extensions.crlDistributionPoints ?? [])
      .flatMap(({ fullName }) => fullName ?? [])
      .flatMap((name) => {
        if (name.type !== 'uri' || !/^https?:\/\//i.test(name.value)) return []
        if (!URL.canParse(name.value)) return []
        const url = new URL(name.value)
        if (!hosts.has(url.host) || url.username !== '' || url.password !== '') return []
        url.hash = ''
        return [url.href]
      })
      .slice(0, MOST_POINTS)
  }
}

const MOST_FEEDS = 64
const MOST_POINTS = 4
