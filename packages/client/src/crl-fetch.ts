/**
 * Fetches revocation lists, over plain HTTP: they are signed, and over https they could need themselves to be fetched
 * (RFC 5280 §8). Bounded in size and time, follows no redirect, and keeps a list until the next one is due.
 *
 * @module
 */
import * as http from 'node:http'
import { errorMessage } from '@countersign/core'
import { CertificateRevocationList } from '@countersign/x509'

/** A list, or why there is none. */
export type FetchedList =
  | { readonly list: CertificateRevocationList }
  | { readonly list: undefined; readonly problem: string }

/** The lists that were fetched, by URL. */
export class ListCache {
  readonly #known = new Map<string, { readonly fetched: FetchedList; readonly until: number }>()
  readonly #underWay = new Map<string, Promise<FetchedList>>()

  /** What is known and still current. */
  current(url: string): FetchedList | undefined {
    const known = this.#known.get(url)
    return known !== undefined && Date.now() < known.until ? known.fetched : undefined
  }

  /** The list behind a URL, which several callers share; where it cannot be had, the last one that could. */
  fetch(url: string): Promise<FetchedList> {
    let underWay = this.#underWay.get(url)
    if (underWay === undefined) {
      underWay = this.#fetch(url).finally(() => this.#underWay.delete(url))
      this.#underWay.set(url, underWay)
    }
    return underWay
  }

  async #fetch(url: string): Promise<FetchedList> {
    const before = this.#known.get(url)?.fetched
    let fetched: FetchedList
    try {
      fetched = { list: CertificateRevocationList.parse(await download(url), url) }
    } catch (error) {
      fetched = { list: undefined, problem: errorMessage(error) }
    }
    const kept = fetched.list === undefined && before?.list !== undefined ? before : fetched
    if (this.#known.size >= MOST_LISTS) this.#known.clear()
    this.#known.set(url, { fetched: kept, until: untilOf(fetched) })
    return kept
  }
}

/** A list holds until the next one is due; what failed, or is late, is not asked for again at once. */
function untilOf({ list }: FetchedList): number {
  const soon = Date.now() + RETRY_MS
  return Math.max(list?.nextUpdate?.getTime() ?? 0, soon)
}

function download(url: string): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const request = http.get(url, { agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) })
  const fail = (problem: string): void => {
    reject(new Error(`${url}: ${problem}`))
    request.destroy()
  }
  request.on('error', (error) => {
    fail(error.name === 'AbortError' ? `no answer within ${TIMEOUT_MS} ms` : errorMessage(error))
  })
  request.on('response', (response) => {
    // A redirect included: it could lead anywhere.
    if (response.statusCode !== 200) {
      fail(`answered ${response.statusCode}`)
      return
    }
    const chunks: Buffer[] = []
    let length = 0
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > MOST_BYTES) fail(`is larger than ${MOST_BYTES} bytes`)
      else chunks.push(chunk)
    })
    response.on('error', (error) => fail(errorMessage(error)))
    response.on('end', () => resolve(Buffer.concat(chunks, length)))
  })
  return promise
}

const TIMEOUT_MS = 5_000
const MOST_BYTES = 16 * 1024 * 1024
const MOST_LISTS = 64
const RETRY_MS = 10_000
