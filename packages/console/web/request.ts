/**
 * One request to the service: JSON out, JSON in, a time limit, and every fault as an `ApiError`.
 *
 * @module
 */
import { ApiError, withoutRoutes } from './api-error.ts'
import { passwordHint } from './password-words.ts'
import { readObject, readOptionalText, type WireObject } from './wire.ts'

/** What a request may carry. */
export interface RequestOptions {
  body?: object | undefined
  /** Gives the request up; it then throws the signal's reason. */
  signal?: AbortSignal | undefined
}

/**
 * Asks the service.
 *
 * @returns the JSON of the answer, `undefined` for one without a body
 */
export async function request(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  options: RequestOptions = {},
): Promise<unknown> {
  const response = await answer(method, path, options)
  if (!response.ok) throw await problem(response)
  const text = await response.text()
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiError(
      response.status,
      'not-json',
      'the service gave an answer that is not JSON',
      ADDRESS,
    )
  }
}

async function answer(method: string, path: string, options: RequestOptions): Promise<Response> {
  const { body, signal } = options
  const limit = AbortSignal.timeout(LIMIT_MS)
  try {
    return await fetch(path, {
      method,
      headers: {
        accept: 'application/json, application/problem+json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
    })
  } catch (error) {
    if (signal?.aborted === true) throw error
    if (limit.aborted) {
      const seconds = LIMIT_MS / 1000
      throw new ApiError(0, 'no-answer', `there was no answer within ${seconds} seconds`, RUNNING)
    }
    throw new ApiError(0, 'unreachable', 'the service cannot be reached', RUNNING)
  }
}

/** The problem document (RFC 9457) of a refusal; a proxy between us may answer with anything else. */
async function problem(response: Response): Promise<ApiError> {
  const { status } = response
  const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
  if (isJson) {
    try {
      const document = readObject(await response.json())
      const detail =
        readOptionalText(document, 'detail') ?? readOptionalText(document, 'title') ?? plain(status)
      const reason = readOptionalText(document, 'reason')
      return new ApiError(
        status,
        readOptionalText(document, 'code') ?? `http-${status}`,
        reason === undefined ? detail : `${detail}: ${reason}`,
        hintOf(response, document),
        document,
      )
    } catch {
      // Not what it said it was: told below by its status.
    }
  }
  return new ApiError(status, `http-${status}`, plain(status), waitHint(response))
}

/** The service names the header of its answer; whoever looks at the page sees no header. */
function hintOf(response: Response, document: WireObject): string | undefined {
  const hint = readOptionalText(document, 'hint')
  const told = hint === undefined ? passwordHint(document['reasons']) : withoutRoutes(hint)
  const wait = waitHint(response)
  return response.status === 429 ? (wait ?? told) : (told ?? wait)
}

function waitHint(response: Response): string | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  if (!Number.isFinite(seconds) || seconds <= 0) return undefined
  return seconds < 120
    ? `try again in ${Math.ceil(seconds)} seconds`
    : `try again in ${Math.ceil(seconds / 60)} minutes`
}

function plain(status: number): string {
  return STATUS_WORDS.get(status) ?? `the service answered with status ${status}`
}

const LIMIT_MS = 15_000
const RUNNING = 'check that the service is running, then try again'
const ADDRESS = 'check that the address in the browser is the one of the service'
const STATUS_WORDS = new Map([
  [401, 'you are not signed in'],
  [403, 'your account may not do this'],
  [404, 'the service does not know what was asked for'],
  [429, 'there were too many tries'],
  [500, 'the service met a fault of its own'],
  [502, 'the service behind the proxy cannot be reached'],
  [503, 'the service cannot answer just now'],
])
