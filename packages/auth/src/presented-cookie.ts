/**
 * The session's token in a `Cookie` header and its hash, remembered for as long as a connection repeats the header: to find and
 * to hash the same token for every request of a page would cost more than everything else a guard does.
 *
 * What is remembered is what a header says, never whether it is good: that is asked on every request. It is forgotten with the
 * object of the connection, which a server drops when the connection closes.
 *
 * @module
 */
import { DUPLICATE, findCookie } from './cookies.ts'
import type { AuthPeer } from './peer.ts'
import { digest } from './token.ts'

/** What a `Cookie` header says about the session. */
export interface PresentedCookie {
  readonly header: string
  /** The cookie that was looked for. */
  readonly name: string
  /** {@link DUPLICATE} where the name appears twice, `undefined` where it does not. */
  readonly token: string | typeof DUPLICATE | undefined
  /** Of the whole token. */
  readonly hash: string | undefined
}

/** Reads the session's cookie. */
export class CookieReader {
  // By the object that stands for a connection: a peer that is made anew for every request only remembers nothing.
  readonly #last = new WeakMap<AuthPeer, PresentedCookie>()

  /** What the header says about the cookie of this name. */
  read(header: string, name: string, peer: AuthPeer | undefined): PresentedCookie {
    const last = peer === undefined ? undefined : this.#last.get(peer)
    if (last !== undefined && last.header === header && last.name === name) return last
    const token: PresentedCookie['token'] = findCookie(header, name)
    const hash = typeof token === 'string' ? digest(token) : undefined
    const presented: PresentedCookie = { header, name, token, hash }
    if (peer !== undefined && hash !== undefined) this.#last.set(peer, presented)
    return presented
  }
}
