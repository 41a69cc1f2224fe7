/**
 * Browsers that somebody has signed in from (OWASP: device cookies): strangers who guess at the name do not slow them down.
 *
 * The cookie lets nobody in. It says that whoever holds it has known the password of one name once; ten failures make its holder
 * a stranger again. It is signed, so nothing is stored for it, and no cookie can be made for a name that nobody has.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { findCookie } from './cookies.ts'
import { normalizeName } from './names.ts'
import type { AuthPeer } from './peer.ts'
import type { SecretBox } from './secret-box.ts'
import { digest } from './token.ts'

/** Makes and recognises device cookies. */
export class Devices {
  readonly #secrets: SecretBox
  readonly #plain: string

  constructor(secrets: SecretBox, serviceName: string) {
    this.#secrets = secrets
    this.#plain = `${serviceName}-dev`
  }

  /** The name of the cookie on this connection. */
  cookieName(peer: AuthPeer | undefined): string {
    return peer?.encrypted === true ? `__Host-${this.#plain}` : this.#plain
  }

  /** The cookie of a request, as it is. */
  presented(header: string | undefined, peer: AuthPeer | undefined): string | undefined {
    const value = header === undefined ? undefined : findCookie(header, this.cookieName(peer))
    return typeof value === 'string' && value.length <= LONGEST ? value : undefined
  }

  /** A cookie for the browser of somebody who has just proved that this name is theirs. */
  issue(name: string): { value: string; maxAgeSeconds: number } | undefined {
    const nonce = randomBytes(16).toString('base64url')
    const signature = this.#sign(name, nonce, this.#secrets.keyId)
    if (signature === undefined) return undefined
    return {
      value: [nonce, this.#secrets.keyId, signature].join('.'),
      maxAgeSeconds: LIFE_SECONDS,
    }
  }

  /**
   * The key under which attempts of this browser are counted.
   *
   * @returns `undefined` for no cookie, and for one that was not made for this name
   */
  keyOf(name: string, cookie: string | undefined): string | undefined {
    const [nonce, keyId, signature, ...rest] = cookie?.split('.') ?? []
    if (nonce === undefined || keyId === undefined || signature === undefined) return undefined
    if (rest.length > 0) return undefined
    const expected = this.#sign(name, nonce, keyId)
    if (expected === undefined || expected.length !== signature.length) return undefined
    const same = timingSafeEqual(Buffer.from(expected), Buffer.from(signature))
    return same ? digest(nonce) : undefined
  }

  #sign(name: string, nonce: string, keyId: string): string | undefined {
    return this.#secrets.mac('device', `${nonce}\n${normalizeName(name)}`, keyId)
  }
}

const LIFE_SECONDS = 180 * 86_400
const LONGEST = 128
