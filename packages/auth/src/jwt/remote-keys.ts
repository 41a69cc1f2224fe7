/**
 * The keys that an issuer publishes at an address: fetched when they are needed, kept, and fetched again when a token names one
 * that is not among them, but never as often as strangers send such tokens.
 *
 * @module
 */
import { type Clock, errorMessage, systemClock } from '@countersign/core'
import { AuthError } from '../errors.ts'
import type { JwtAlgorithm } from './algorithms.ts'
import { type JsonObject, parseJsonObject } from './json-object.ts'
import { KeySet, type KeySource } from './key-source.ts'
import type { VerificationKey } from './verification-key.ts'
import { type JwtRefusal, refuseJwt } from './verdict.ts'

/** As much of an answer as is looked at: the platform's `Response` fits, and that of `@countersign/client`. */
export interface KeysResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: AsyncIterable<Uint8Array> | null
}

/** Fetches a set of keys: the platform's `fetch` fits, and so does one with other trust. It follows no redirect. */
export type FetchKeys = (
  url: string,
  init: { headers: Record<string, string>; redirect: 'error'; signal: AbortSignal },
) => Promise<KeysResponse>

/** How {@link RemoteKeys} fetches. */
export interface RemoteKeysOptions {
  /** `https:` only. */
  url: string
  fetch: FetchKeys
  algorithms: readonly JwtAlgorithm[]
  /** Milliseconds one fetch may take. @defaultValue 5000 */
  timeoutMs?: number | undefined
  clock?: Clock | undefined
}

/** The keys behind an address. */
export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeysOptions
  readonly #clock: Clock
  #kept: Kept | undefined
  #fetching: Promise<void> | undefined
  #triedAt = Number.NEGATIVE_INFINITY
  #fault = 'they were never fetched'

  /** @throws {@link AuthError} `option-invalid` for an address that is not https */
  constructor(options: RemoteKeysOptions) {
    if (!URL.canParse(options.url) || new URL(options.url).protocol !== 'https:') {
      throw new AuthError(
        'option-invalid',
        `keys are fetched over https only, not from ${options.url}`,
        {
          hint: 'give the https:// address of the set of keys',
        },
      )
    }
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  find(header: JsonObject): VerificationKey | JwtRefusal | Promise<VerificationKey | JwtRefusal> {
    const now = this.#clock().getTime()
    const fresh = this.#kept !== undefined && isWithin(now, this.#kept.from, this.#kept.freshUntil)
    const found = fresh ? this.#kept?.keys.find(header) : undefined
    if (found !== undefined && (!('ok' in found) || found.code !== 'key-unknown')) return found
    return this.#findLater(header, fresh)
  }

  async #findLater(header: JsonObject, fresh: boolean): Promise<VerificationKey | JwtRefusal> {
    await this.#refresh(fresh)
    const now = this.#clock().getTime()
    const kept = this.#kept
    if (kept !== undefined && isWithin(now, kept.from, kept.staleUntil))
      return kept.keys.find(header)
    return refuseJwt('keys-unavailable', `the keys of the issuer are not there: ${this.#fault}`)
  }

  /** One fetch at a time, and a pause after each: longer where there are keys already that only lack this name. */
  async #refresh(fresh: boolean): Promise<void> {
    const now = this.#clock().getTime()
    const pause = fresh ? PAUSE_FOR_UNKNOWN_MS : PAUSE_AFTER_FAULT_MS
    if (this.#fetching === undefined) {
      if (isWithin(now, this.#triedAt, this.#triedAt + pause)) return
      this.#triedAt = now
      this.#fetching = this.#fetch(now).finally(() => {
        this.#fetching = undefined
      })
    }
    await this.#fetching
  }

  async #fetch(now: number): Promise<void> {
    try {
      const { url, fetch, algorithms, timeoutMs = 5000 } = this.#options
      const response = await fetch(url, {
        headers: { accept: 'application/jwk-set+json, application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      })
      const bytes = await readBounded(response)
      if (response.status !== 200)
        throw new AuthError('jwks-invalid', `the answer was ${response.status}`)
      const set = bytes === undefined ? undefined : parseJsonObject(bytes)
      if (set === undefined)
        throw new AuthError('jwks-invalid', `the set is larger than ${MOST_BYTES} bytes`)
      if (typeof set === 'string')
        throw new AuthError('jwks-invalid', 'the answer is no JSON object')
      const keys = KeySet.read(set, algorithms)
      const freshMs = freshness(response.headers.get('cache-control'))
      this.#kept = {
        keys,
        from: now,
        freshUntil: now + freshMs,
        staleUntil: now + freshMs + STALE_MS,
      }
    } catch (error) {
      // Whatever went wrong, the keys of before serve a while longer; a token that needs others is refused with the reason.
      this.#fault = errorMessage(error)
    }
  }
}

interface Kept {
  readonly keys: KeySet
  readonly from: number
  readonly freshUntil: number
  /** Until here they serve where no others can be fetched. */
  readonly staleUntil: number
}

/** What `max-age` says, between one minute and a day; without it ten minutes. */
function freshness(cacheControl: string | null): number {
  const [, seconds] = /(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])/i.exec(cacheControl ?? '') ?? []
  if (seconds === undefined) return 600_000
  return Math.min(Math.max(Number(seconds) * 1000, 60_000), 86_400_000)
}

async function readBounded(response: KeysResponse): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > MOST_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Also false where the clock was set back. */
function isWithin(now: number, from: number, until: number): boolean {
  return now >= from && now < until
}

const MOST_BYTES = 262_144
const PAUSE_FOR_UNKNOWN_MS = 30_000
const PAUSE_AFTER_FAULT_MS = 2000
const STALE_MS = 3_600_000
