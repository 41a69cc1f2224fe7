/**
 * The revocation list of one URL: fetched, checked before it counts, kept on disk, and fetched again in time.
 *
 * @module
 */
import { hash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { ensurePrivateFolder, errorMessage, writeFileAtomic } from '@countersign/core'
import type { Certificate, CertificateRevocationList } from '@countersign/x509'
import { boundedRequest } from './bounded-request.ts'
import type { CrlFetching } from './crl-fetch-options.ts'
import { ServerError, type ServerErrorCode } from './errors.ts'
import { type ListInput, type LoadedList, readLists } from './list-reader.ts'
import { halfLife, Upkeep, type UpkeepResult } from './upkeep.ts'

/** What a feed works with. */
export interface FeedParts {
  readonly url: URL
  readonly fetching: CrlFetching
  /** Whose lists are believed. */
  readonly authorities: () => readonly Certificate[]
  readonly now: () => number
  /** Another list counts now. */
  readonly onChange: () => void
  /** Something is wrong, told once for each fault. */
  readonly onProblem: (problem: ServerError) => void
}

/** Follows one URL until it is closed. */
export class ListFeed implements AsyncDisposable {
  readonly #parts: FeedParts
  readonly #upkeep: Upkeep
  #current: LoadedList | undefined
  /** The newest of each key: who swaps the lists of two authorities must not bring an older one back. */
  readonly #newest = new Map<string, CertificateRevocationList>()
  #etag: string | undefined
  #problem: ServerError | undefined
  #told: string | undefined

  constructor(parts: FeedParts) {
    this.#parts = parts
    this.#upkeep = new Upkeep((signal) => this.#refresh(signal), parts.now)
  }

  /** The last good list; it may be out of date, which is for whoever uses it to decide. */
  get current(): LoadedList | undefined {
    return this.#current
  }

  /** Why the last attempt came to nothing. */
  get problem(): ServerError | undefined {
    return this.#problem
  }

  /** Takes up the list of the disk, and asks for a newer one; resolves when there is an answer, good or bad. */
  async start(): Promise<void> {
    const { folder } = this.#parts.fetching
    if (folder !== undefined && this.#current === undefined) await this.#takeKept(folder)
    await this.#upkeep.run()
  }

  /** Asks now. */
  async refresh(): Promise<void> {
    await this.#upkeep.run()
  }

  async close(): Promise<void> {
    await this.#upkeep.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #refresh(signal: AbortSignal): Promise<UpkeepResult> {
    const { url, fetching, now } = this.#parts
    const answer = await boundedRequest({
      url,
      mostBytes: fetching.maxBytes,
      timeoutMs: fetching.timeoutMs,
      signal,
      context: fetching.context,
      headers: this.#etag === undefined ? {} : { 'if-none-match': this.#etag },
    })
    if (signal.aborted) return FAILED
    if (answer.kind === 'failed') {
      return this.#fail('crl-unavailable', `cannot fetch ${url.href}: ${answer.problem}`)
    }
    if (answer.kind === 'body') {
      const fault = await this.#take({ data: answer.body })
      if (signal.aborted) return FAILED
      if (fault !== undefined) return this.#fail('crl-refused', `${url.href} ${fault}`)
      this.#etag = answer.etag
    }
    const list = this.#current?.list
    // 304 to a request without condition.
    if (list === undefined) return this.#fail('crl-unavailable', `${url.href} answered 304`)
    const { nextUpdate, thisUpdate } = list
    if (nextUpdate !== undefined && nextUpdate.getTime() < now()) {
      return this.#fail(
        'crl-outdated',
        `the list of ${url.href} is out of date: the next was due on ${nextUpdate.toISOString()}`,
      )
    }
    this.#problem = undefined
    this.#told = undefined
    const often = now() + fetching.everyMs
    const half =
      nextUpdate === undefined ? often : halfLife(thisUpdate.getTime(), nextUpdate.getTime(), now())
    return { ok: true, dueAt: Math.min(often, half) }
  }

  /** @returns what is wrong with it, where it does not count */
  async #take(input: ListInput): Promise<string | undefined> {
    const { url, authorities, fetching } = this.#parts
    const candidates = authorities()
    let lists: LoadedList[]
    try {
      lists = await readLists(input, url.href, candidates)
    } catch (error) {
      return `gives no revocation list: ${errorMessage(error)}`
    }
    const [next, ...others] = lists
    if (next === undefined || others.length > 0) return `gives ${lists.length} lists, not one`
    const now = this.#parts.now()
    const signer = candidates.find((one) => next.isIssuedBy(one))
    const fault = faultOf(next, signer, candidates, now)
    if (fault !== undefined || signer === undefined) return fault
    const key = Buffer.from(signer.publicKey.keyId()).toString('hex')
    const newest = this.#newest.get(key)
    const swapped =
      (newest && olderThan(newest, next.list)) ?? swappedFor(this.#current?.list, next.list, now)
    if (swapped !== undefined || next.sha256 === this.#current?.sha256) return swapped
    this.#current = next
    this.#newest.set(key, next.list)
    this.#parts.onChange()
    if (fetching.folder !== undefined && 'data' in input) await this.#keep(fetching.folder, next)
    return undefined
  }

  async #takeKept(folder: string): Promise<void> {
    const file = this.#fileIn(folder)
    const status = await stat(file).catch(() => undefined)
    if (status === undefined) return
    const fault = await this.#take({ path: file, size: status.size })
    if (fault !== undefined) this.#fail('crl-refused', `${file} ${fault}`)
  }

  async #keep(folder: string, { list }: LoadedList): Promise<void> {
    try {
      ensurePrivateFolder(folder)
      await writeFileAtomic(this.#fileIn(folder), list.der)
    } catch (error) {
      // It counts all the same; a start without the authority is what would miss it.
      this.#fail('crl-not-kept', errorMessage(error))
    }
  }

  #fileIn(folder: string): string {
    return path.join(folder, `${hash('sha256', this.#parts.url.href).slice(0, 32)}.crl`)
  }

  /** Told once, not at every attempt; a list that runs out meanwhile is another fault. */
  #fail(code: ServerErrorCode, message: string): UpkeepResult {
    const list = this.#current?.list
    const ended = list?.nextUpdate !== undefined && list.nextUpdate.getTime() < this.#parts.now()
    const { host } = this.#parts.url
    this.#problem = new ServerError(code, message, { option: 'crl', host, hint: HINTS.get(code) })
    const told = `${code} ${message} ${ended}`
    if (told !== this.#told) this.#parts.onProblem(this.#problem)
    this.#told = told
    return FAILED
  }
}

/** What is wrong with a list, whatever came before (RFC 5280 §5.2.3, §6.3.3). */
function faultOf(
  { list }: LoadedList,
  signer: Certificate | undefined,
  authorities: readonly Certificate[],
  now: number,
): string | undefined {
  if (list.isDelta || list.issuingDistributionPoint?.indirect === true) {
    return 'gives a list that is not whole: a delta, or one of several authorities'
  }
  if (list.unknownCriticalExtensions.length > 0) {
    return `gives a list with critical extensions nobody knows here: ${list.unknownCriticalExtensions.join(', ')}`
  }
  if (signer === undefined) {
    const issuer = nameOf(list)
    return authorities.some((one) => list.claimsIssuer(one))
      ? `gives a list in the name of ${issuer} that it has not signed`
      : `gives a list of ${issuer}, which is no authority that this server holds`
  }
  if (list.thisUpdate.getTime() > now + CLOCKS_APART_MS) {
    return `gives a list of a time to come, ${list.thisUpdate.toISOString()}`
  }
  return undefined
}

/** Of one key: an authority that was made anew counts from the beginning. */
function olderThan(
  before: CertificateRevocationList,
  next: CertificateRevocationList,
): string | undefined {
  if (!before.issuer.equals(next.issuer)) return undefined
  if (before.number !== undefined && next.number !== undefined && next.number !== before.number) {
    if (next.number > before.number) return undefined
    return `gives an older list: number ${next.number}, after ${before.number}`
  }
  if (next.thisUpdate >= before.thisUpdate) return undefined
  return `gives an older list: of ${next.thisUpdate.toISOString()}, after ${before.thisUpdate.toISOString()}`
}

/** The list of another authority, genuine as it is, would leave everybody of the one before without. */
function swappedFor(
  before: CertificateRevocationList | undefined,
  next: CertificateRevocationList,
  now: number,
): string | undefined {
  if (before === undefined || before.issuer.equals(next.issuer)) return undefined
  if (before.nextUpdate !== undefined && before.nextUpdate.getTime() < now) return undefined
  return `gives a list of ${nameOf(next)}, where that of ${nameOf(before)} still counts`
}

function nameOf({ issuer }: CertificateRevocationList): string {
  return issuer.toString().slice(0, 200)
}

const HINTS: ReadonlyMap<ServerErrorCode, string> = new Map([
  ['crl-unavailable', 'see whether curl gets the list from this machine'],
  ['crl-refused', 'add the authority that signs this list to ca, or take its URL out of crl'],
  ['crl-outdated', 'let the authority publish a new list'],
  ['crl-not-kept', 'name a folder that this process may write to'],
])
const FAILED = { ok: false } as const
const CLOCKS_APART_MS = 300_000
