/**
 * Keys that both sides know beforehand, instead of certificates (RFC 8446 §2.2, RFC 5489).
 *
 * @module
 */
import { hash } from 'node:crypto'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { TlsError } from './errors.ts'

/** One key and the name it goes by. */
export interface PreSharedKey {
  /** Sent in the clear; 1 to 128 bytes of UTF-8. */
  identity: string
  /** 16 to 256 random bytes; a password is not enough, it can be guessed off-line. */
  key: Uint8Array
}

/** A server's keys, by the identity a client sends; `undefined` where it is not known. */
export type PreSharedKeys = (identity: string) => Uint8Array | undefined

/** The keys of one context. */
export class Psk {
  readonly #own: PreSharedKey | undefined
  readonly #lookup: PreSharedKeys
  /** What clients sent; it is proved only where the key took part in the handshake. */
  readonly #claimed = new WeakMap<TLSSocket, string>()

  /**
   * @throws {@link TlsError} `option-invalid`
   */
  constructor(source: PreSharedKey | PreSharedKeys, purpose: 'server-auth' | 'client-auth') {
    if (typeof source === 'function') {
      if (purpose === 'server-auth') throw invalid('a client has one identity and key', undefined)
      this.#lookup = source
      return
    }
    const { identity, key } = source
    const length = Buffer.byteLength(identity)
    if (length === 0 || length > LONGEST_IDENTITY || identity.includes('\0')) {
      throw invalid(`the identity has ${length} bytes`, `1 to ${LONGEST_IDENTITY}, no NUL`)
    }
    checkKey(key)
    this.#own = { identity, key: Uint8Array.from(key) }
    this.#lookup = (name) => (name === identity ? this.#own?.key : undefined)
  }

  /** What the trust epoch counts: a digest of the key, nothing of a lookup. */
  get digest(): string {
    const own = this.#own
    return own === undefined ? 'psk' : `psk ${own.identity} ${hash('sha256', own.key, 'hex')}`
  }

  /** The key of an identity that a client sent; remembers who claims to have it. */
  keyOf(socket: TLSSocket, identity: string): Uint8Array | undefined {
    const key = this.#lookup(identity)
    if (key === undefined) return undefined
    checkKey(key)
    this.#claimed.set(socket, identity)
    return key
  }

  clientOptions(): Pick<ConnectionOptions, 'pskCallback'> {
    const own = this.#own
    return own === undefined
      ? {}
      : { pskCallback: () => ({ psk: own.key, identity: own.identity }) }
  }

  /** Whose key the handshake was done with; `undefined` where it was done with certificates after all. */
  identityOf(socket: TLSSocket): string | undefined {
    const identity = this.#own?.identity ?? this.#claimed.get(socket)
    return identity !== undefined && isUsedIn(socket) ? identity : undefined
  }
}

/**
 * OpenSSL asks for the key before it decides to use it. In TLS 1.3 a key looks like a resumed session; contexts with keys give and
 * take no sessions.
 */
function isUsedIn(socket: TLSSocket): boolean {
  return socket.getProtocol() === 'TLSv1.3'
    ? socket.isSessionReused()
    : socket.getCipher().name.includes('PSK')
}

function checkKey(key: Uint8Array): void {
  if (key.length >= SHORTEST_KEY && key.length <= LONGEST_KEY) return
  throw invalid(`the key has ${key.length} bytes`, `${SHORTEST_KEY} to ${LONGEST_KEY} random bytes`)
}

function invalid(what: string, hint: string | undefined): TlsError {
  return new TlsError('option-invalid', `option psk: ${what}`, { source: 'psk', hint })
}

/** Suites of TLS 1.2 that use a key with forward secrecy and without CBC. */
export const PSK_CIPHERS = 'ECDHE-PSK-CHACHA20-POLY1305'

/** OpenSSL's PSK_MAX_IDENTITY_LEN was 128 until 3.0. */
const LONGEST_IDENTITY = 128
/** 128 bits. */
const SHORTEST_KEY = 16
const LONGEST_KEY = 256
