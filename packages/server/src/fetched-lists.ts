/**
 * The fetched revocation lists, as the terms of sites see them; whoever fetches none loads nothing for it.
 *
 * @module
 */
import type { TlsContext } from '@countersign/tls'
import type { Certificate } from '@countersign/x509'
import type { TermsSource } from './context-source.ts'
import { type CrlFetching, type CrlFetchOptions, resolveCrlFetching } from './crl-fetch-options.ts'
import type { ServerError } from './errors.ts'
import type { ListFeeds } from './list-feeds.ts'
import type { LoadedList } from './list-reader.ts'
import { isListUrl } from './list-url.ts'

/** The lists that one server fetches. */
export class FetchedLists implements AsyncDisposable {
  readonly #fetching: CrlFetching
  readonly #now: () => number
  readonly #report: (problem: ServerError) => void
  #feeds: ListFeeds | undefined
  #onChange: () => void = () => {}

  /** @throws CoreError `option-unknown`; ServerError `option-invalid` */
  constructor(options: CrlFetchOptions, now: () => number, report: (problem: ServerError) => void) {
    this.#fetching = resolveCrlFetching(options)
    this.#now = now
    this.#report = report
  }

  /** The last good ones. */
  get lists(): readonly LoadedList[] {
    return this.#feeds?.lists ?? []
  }

  /** @param onChange - called when another list counts, and once now where there are any */
  start(onChange: () => void): void {
    this.#onChange = onChange
    if (this.#feeds !== undefined) onChange()
  }

  /** Whether a site is judged by them. */
  areWantedBy({ sources, fixed }: TermsSource, context: TlsContext): boolean {
    if (context.clientCertificates === 'none' || sources.context !== undefined) return false
    return fixed.clientCertificates !== 'none' && this.#follows(sources.crl)
  }

  /**
   * Fetches what a site wants that is not there yet.
   *
   * @throws ServerError `crl-unavailable`, `crl-refused`, `option-invalid`
   */
  async prepare(source: TermsSource, context: TlsContext): Promise<void> {
    if (!this.areWantedBy(source, context)) return
    const { crl } = source.sources
    const above = context.chain.slice(1)
    this.#feeds ??= await this.#open()
    await this.#feeds.follow({
      urls: oneByOne(crl).filter((one) => isListUrl(one)),
      certificates: [...context.chain, ...context.trust.certificates],
      authorities: [...context.trust.certificates, ...above],
    })
  }

  /** Nobody has the list of a verified certificate: it may say itself where that is. */
  learn(certificate: Certificate): void {
    this.#feeds?.learn(certificate)
  }

  /** Asks for all of them now. */
  async refresh(): Promise<void> {
    await this.#feeds?.refresh()
  }

  async close(): Promise<void> {
    await this.#feeds?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #follows(crl: TermsSource['sources']['crl']): boolean {
    return this.#fetching.hosts.size > 0 || oneByOne(crl).some((one) => isListUrl(one))
  }

  async #open(): Promise<ListFeeds> {
    const { ListFeeds } = await import('./list-feeds.ts')
    return new ListFeeds({
      fetching: this.#fetching,
      now: this.#now,
      onProblem: this.#report,
      onChange: () => this.#onChange(),
    })
  }
}

/** Sources that are read as files, for whoever reads or watches them. */
export function withoutUrls(crl: TermsSource['sources']['crl']): TermsSource['sources']['crl'] {
  const all = oneByOne(crl)
  const left = all.filter((one) => !isListUrl(one))
  return left.length === all.length ? crl : left.length === 0 ? undefined : left
}

function oneByOne(crl: TermsSource['sources']['crl']): readonly (string | Uint8Array)[] {
  if (crl === undefined) return []
  return typeof crl === 'string' || crl instanceof Uint8Array ? [crl] : crl
}
