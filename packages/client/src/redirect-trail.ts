/**
 * The redirects of one call: which are followed, and when they are too many or lead in a circle.
 *
 * @module
 */
import { RedirectError } from './errors.ts'
import type { Limits } from './options.ts'
import { type Hop, nextHop } from './redirect.ts'
import type { ClientResponse } from './response.ts'
import { shownUrl } from './url.ts'

/** Where a call has been. */
export class RedirectTrail {
  /** The answers that led on, first to last. */
  readonly history: ClientResponse[] = []
  readonly #first: URL
  readonly #limits: Pick<Limits, 'redirect' | 'maxRedirects'>
  /** Hops made, with their cookies: a page that sets one and redirects to itself is no loop. */
  #seen: Set<string> | undefined

  constructor(first: URL, limits: Pick<Limits, 'redirect' | 'maxRedirects'>) {
    this.#first = first
    this.#limits = limits
  }

  /**
   * Gives a response of a redirecting status back to its connection, unless it is the answer.
   *
   * @param cookiesFor - the `Cookie` header of a hop: what was sent with this one, what would go with the next
   * @returns the next hop, or `undefined` where the response is the answer
   * @throws {@link RedirectError}
   */
  async next(
    hop: Hop,
    response: ClientResponse,
    cookiesFor: (hop: Hop) => string | undefined,
  ): Promise<Hop | undefined> {
    const { redirect, maxRedirects } = this.#limits
    if (redirect === 'manual') return undefined
    const location = response.headers.get('location')
    if (location === null) return undefined
    await response.close()
    const detail = { status: response.status, location: '', url: shownUrl(hop.url) }
    if (redirect === 'error') {
      throw new RedirectError(
        'redirect-refused',
        `${shownUrl(hop.url)} redirects, and redirect is 'error'`,
        detail,
      )
    }
    const next = nextHop(hop, response.status, location, this.#first.origin)
    detail.location = shownUrl(next.url)
    if (this.history.length >= maxRedirects) {
      throw new RedirectError(
        'redirect-limit',
        `${shownUrl(this.#first)} redirects more than ${maxRedirects} times`,
        { ...detail, hint: 'raise maxRedirects if that is meant' },
      )
    }
    this.#seen ??= new Set()
    this.#seen.add(`${hop.method} ${hop.url.href} ${cookiesFor(hop)}`)
    if (this.#seen.has(`${next.method} ${next.url.href} ${cookiesFor(next)}`)) {
      throw new RedirectError(
        'redirect-loop',
        `${shownUrl(hop.url)} redirects in a loop, back to ${shownUrl(next.url)}`,
        detail,
      )
    }
    this.history.push(response)
    return next
  }
}
