/**
 * The answer to a call. The head is there; the body is read on demand, once.
 *
 * @module
 */
import { type PlainCookies, plainCookies } from './cookies.ts'
import type { ConnectTimes } from './connect.ts'
import { type Bounds, type ByteSource, decoded, isEncoded, limited, tooLarge } from './decode.ts'
import { BodyError, StatusError } from './errors.ts'
import { type Elapsed, elapsedOf } from './elapsed.ts'
import type { Head, Progress, RawHeaders } from './exchange.ts'
import { type RequestFacts, refusedIdentity } from './failure.ts'
import { type IncomingBody, joined } from './incoming-body.ts'
import type { Peer } from './peer.ts'
import { shownUrl } from './url.ts'

/** What a response knows beside its head. */
export interface ResponseFacts {
  readonly method: string
  readonly url: URL
  readonly history: readonly ClientResponse[]
  /** When the call began. */
  readonly startedAt: number
  /** How long the connection took, where it was opened for this answer. */
  readonly connection: ConnectTimes | undefined
  readonly peer: Peer
  /** What was asked, and how the connection was secured. */
  readonly request: RequestFacts
  readonly bounds: Bounds
}

/**
 * An answer.
 *
 * Its connection is free again once the body is read, or {@link ClientResponse.close} was called; a small body is let in
 * without either, a large one that nobody reads is given up with the call's time-out at the latest.
 */
export class ClientResponse implements AsyncDisposable {
  readonly status: number
  readonly statusText: string
  /** The method of the request it answers; a redirect may have changed it. */
  readonly method: string
  /** Where it came from, after redirects. */
  readonly url: string
  /** The redirects that led here, first to last; their bodies are gone. */
  readonly history: readonly ClientResponse[]
  /** Milliseconds from the call until this head was there, redirects and connections included. */
  readonly elapsedMs: number
  /** Who answered. */
  readonly peer: Peer
  readonly #request: RequestFacts
  readonly #rawHeaders: RawHeaders
  readonly #body: IncomingBody
  readonly #bounds: Bounds
  readonly #startedAt: number
  readonly #connection: ConnectTimes | undefined
  readonly #progress: Progress
  readonly #target: URL
  #headers: Headers | undefined
  #stream: ReadableStream<Uint8Array> | undefined
  #claimed = false
  #loaded: Uint8Array | undefined

  constructor(head: Head, facts: ResponseFacts) {
    this.status = head.status
    this.statusText = head.statusText
    this.method = facts.method
    this.url = facts.url.href
    this.history = facts.history
    this.elapsedMs = head.progress.headAt - facts.startedAt
    this.peer = facts.peer
    this.#request = facts.request
    this.#rawHeaders = head.headers
    this.#body = head.body
    this.#bounds = facts.bounds
    this.#startedAt = facts.startedAt
    this.#connection = facts.connection
    this.#progress = head.progress
    this.#target = facts.url
    if (!head.body.settled) forgotten.register(this, head.body, this)
  }

  /** Whether the status is 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  get headers(): Headers {
    this.#headers ??= headersOf(this.#rawHeaders)
    return this.#headers
  }

  /** The fields that came after the body; none before it was read to its end. */
  get trailers(): Headers {
    return headersOf(this.#progress.trailers ?? {})
  }

  /** The `Link` fields of 103 Early Hints (RFC 8297) that came before the answer, in their order. */
  get earlyHints(): readonly string[] {
    return this.#progress.hints ?? []
  }

  /** How long each part took, in milliseconds. */
  get elapsed(): Elapsed {
    return elapsedOf(this.#startedAt, this.#progress, this.#connection)
  }

  /** The cookies this answer set, by name: to be passed on as `cookies` of another call. A session keeps them by itself. */
  get cookies(): PlainCookies {
    return plainCookies(listOf(this.#rawHeaders['set-cookie']))
  }

  /** Whether the body was read or given back. */
  get bodyUsed(): boolean {
    return this.#claimed
  }

  /**
   * The body as a stream of decoded bytes.
   *
   * @throws {@link BodyError} `body-used`; while it is read, any other of its codes
   */
  get body(): ReadableStream<Uint8Array> {
    this.#stream ??= ReadableStream.from(this.#claim())
    return this.#stream
  }

  /**
   * The whole body.
   *
   * @throws {@link BodyError} `body-used`, `body-too-large` above `maxBodyBytes`, `body-ratio`, `body-truncated`, `body-malformed`, `body-encoding`
   */
  async bytes(): Promise<Uint8Array> {
    if (this.#loaded !== undefined) return this.#loaded
    if (!this.#claimed && !isEncoded(this.#encoding)) {
      const all = this.#body.takeAll()
      if (all !== undefined) {
        this.#claimed = true
        const { maxBodyBytes } = this.#bounds
        if (all.length > maxBodyBytes) throw this.#located(tooLarge(maxBodyBytes))
        return all
      }
    }
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of this.#claim()) {
      chunks.push(chunk)
      length += chunk.length
    }
    return joined(chunks, length)
  }

  /**
   * The body as text, in the character set its content type names, else UTF-8.
   *
   * @throws {@link BodyError} as {@link ClientResponse.bytes}; `body-malformed` for a character set nobody knows
   */
  async text(): Promise<string> {
    const bytes = await this.bytes()
    const [, charset] = /;\s*charset="?([^";\s]+)/i.exec(this.#header('content-type') ?? '') ?? []
    try {
      return new TextDecoder(charset ?? 'utf-8').decode(bytes)
    } catch (error) {
      throw this.#located(
        new BodyError('body-malformed', `the character set "${charset}" is not known`, {
          cause: error,
          hint: 'read it with bytes()',
        }),
      )
    }
  }

  /**
   * The body as JSON.
   *
   * @param parse - turns it into what is expected, or throws: `response.json(schema.parse)`
   * @throws {@link BodyError} `json-invalid`; as {@link ClientResponse.bytes}; whatever `parse` throws
   */
  json(): Promise<unknown>
  json<T>(parse: (value: unknown) => T): Promise<T>
  json(): Promise<unknown>
  json<T>(parse: (value: unknown) => T): Promise<T>
  async json(parse?: (value: unknown) => unknown): Promise<unknown> {
    const value = this.#parseJson(await this.bytes())
    return parse === undefined ? value : parse(value)
  }

  /**
   * Does nothing for an answer below 400.
   *
   * @returns the response itself, so that it can stand before `.json()`
   * @throws {@link StatusError} otherwise; where the body is a problem document (RFC 9457), with its words;
   *   {@link IdentityError} where a server of ours says that it does not take our certificate, or wants one
   */
  raiseForStatus(): this {
    if (this.status < 400) return this
    const problem = this.#problem()
    const words = this.statusText === '' ? '' : ` ${this.statusText}`
    const detail = problem.detail === undefined ? '' : `: ${problem.detail}`
    const message = `${this.method} ${this.#shownUrl} answered ${this.status}${words}${detail}`
    const { hint, acceptedAuthorities } = problem
    if (this.status === 403 && acceptedAuthorities !== undefined) {
      throw refusedIdentity(this.#request, this.peer, { message, hint, acceptedAuthorities })
    }
    throw new StatusError(
      this.status < 500 ? 'status-client-error' : 'status-server-error',
      message,
      { status: this.status, url: this.#shownUrl, hint },
    )
  }

  /** Gives the body back unread, and with it the connection. Does nothing once it was read. */
  async close(): Promise<void> {
    if (this.#claimed) return
    this.#claimed = true
    forgotten.unregister(this)
    this.#body.discard()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Reads the body now and keeps it, so that the connection is free and the body can be read later, and again. */
  async load(): Promise<this> {
    this.#loaded = await this.bytes()
    return this
  }

  get #shownUrl(): string {
    return shownUrl(this.#target)
  }

  /** A header's first value, without making a `Headers` for it. */
  #header(name: string): string | undefined {
    const value = this.#rawHeaders[name]
    return typeof value === 'string' ? value : value?.[0]
  }

  /** All fields of that name: `identity` in the first hides nothing in the second. */
  get #encoding(): string {
    return listOf(this.#rawHeaders['content-encoding']).join(', ')
  }

  #claim(): ByteSource {
    if (this.#claimed) {
      throw this.#located(
        new BodyError('body-used', 'the body was read or given back before', {
          hint: 'keep what the first reading gave',
        }),
      )
    }
    this.#claimed = true
    forgotten.unregister(this)
    return this.#read()
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    const body = this.#body
    try {
      const encoding = this.#encoding
      if (!isEncoded(encoding)) {
        const { maxBodyBytes } = this.#bounds
        const length = Number(this.#header('content-length') ?? '0')
        if (this.method !== 'HEAD' && length > maxBodyBytes) throw tooLarge(maxBodyBytes)
        yield* limited(chunksOf(body), maxBodyBytes)
      } else yield* decoded(chunksOf(body), encoding, this.#bounds)
    } catch (error) {
      throw error instanceof BodyError ? this.#located(error) : error
    } finally {
      // A reader that stopped early, or a body that is too large: what is left of it is not wanted.
      if (!body.settled) body.abort(new BodyError('body-closed', 'its reader gave the body up'))
    }
  }

  #parseJson(bytes: Uint8Array): unknown {
    try {
      return JSON.parse(decodeUtf8(bytes))
    } catch (error) {
      const type = this.#header('content-type') ?? 'no content type'
      throw this.#located(
        new BodyError('json-invalid', `the body is not JSON (${type}, status ${this.status})`, {
          cause: error,
        }),
      )
    }
  }

  #problem(): ProblemWords {
    if (this.#header('content-type')?.startsWith('application/problem+json') !== true) return {}
    const bytes = this.#loaded ?? (this.#claimed ? undefined : this.#body.peek())
    if (bytes === undefined || bytes.length > LARGEST_PROBLEM) return {}
    try {
      const document: unknown = JSON.parse(decodeUtf8(bytes))
      return {
        detail: textOf(document, 'detail'),
        hint: textOf(document, 'hint'),
        acceptedAuthorities: textsOf(document, 'acceptedAuthorities'),
      }
    } catch {
      return {}
    }
  }

  /** The same error with the URL in its message. */
  #located(error: BodyError): BodyError {
    if (error.url !== undefined) return error
    return new BodyError(error.code, `${this.method} ${this.#shownUrl}: ${error.message}`, {
      hint: error.hint,
      cause: error.cause,
      nodeCode: error.nodeCode,
      url: this.#shownUrl,
    })
  }
}

function headersOf(raw: RawHeaders): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(raw)) {
    for (const one of listOf(value)) headers.append(name, one)
  }
  return headers
}

/** A field's values; none where it is absent. */
export function listOf(value: string | string[] | undefined): readonly string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}

async function* chunksOf(body: IncomingBody): AsyncGenerator<Uint8Array> {
  for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) yield chunk
}

/** What a problem document says (RFC 9457), and our servers say of client certificates. */
interface ProblemWords {
  readonly detail?: string | undefined
  readonly hint?: string | undefined
  readonly acceptedAuthorities?: readonly string[] | undefined
}

function textOf(document: unknown, member: string): string | undefined {
  const value = memberOf(document, member)
  return typeof value === 'string' ? value.slice(0, LONGEST_DETAIL) : undefined
}

function textsOf(document: unknown, member: string): string[] | undefined {
  const value = memberOf(document, member)
  if (!Array.isArray(value)) return undefined
  return value
    .filter((one: unknown) => typeof one === 'string')
    .slice(0, MOST_NAMES)
    .map((one) => one.slice(0, LONGEST_DETAIL))
}

function memberOf(document: unknown, member: string): unknown {
  if (typeof document !== 'object' || document === null) return undefined
  return Object.entries(document).find(([name]) => name === member)?.[1]
}

function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

const utf8 = new TextDecoder()

/** A response that nobody holds any more, with a body that nobody read, gives its connection back. */
const forgotten = new FinalizationRegistry<IncomingBody>((body) => body.discard())

const MOST_NAMES = 100
const LARGEST_PROBLEM = 64 * 1024
const LONGEST_DETAIL = 500
