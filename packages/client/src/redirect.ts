/**
 * What a redirect may do: where it leads, with which method, and what stays at home.
 *
 * @module
 */
import { OptionError, RedirectError, type RedirectErrorCode } from './errors.ts'
import { type HeaderList, mayTravel, without } from './headers.ts'
import { isReplayable, type RequestBody } from './request-body.ts'
import { checkTarget, shownUrl } from './url.ts'

/** One request of a call: the first, or one a redirect led to. */
export interface Hop {
  readonly method: string
  readonly url: URL
  /** Without cookies: those are chosen for every hop. */
  readonly headers: HeaderList
  readonly body: RequestBody | undefined
  /** Whether the call left its first origin, even if it came back: then nothing secret goes along any more. */
  readonly away: boolean
}

/** Whether an answer of that status, with a `Location`, is a redirect to follow. */
export function isRedirect(status: number): boolean {
  return FOLLOWED.has(status)
}

/**
 * The request a redirect leads to (RFC 9110 §15.4): 303 becomes GET, and 301 or 302 make a POST a GET, as every client does.
 *
 * @param origin - the origin the call was made to
 * @throws {@link RedirectError} `redirect-invalid`, `redirect-downgrade` from https to http, `redirect-body` for a body that
 *   would go to another origin or cannot be sent again
 */
export function nextHop(hop: Hop, status: number, location: string, origin: string): Hop {
  const url = targetOf(hop.url, status, location)
  const refuse = (code: RedirectErrorCode, message: string, hint: string): RedirectError =>
    new RedirectError(code, message, {
      hint,
      status,
      location: shownUrl(url),
      url: shownUrl(hop.url),
    })
  if (hop.url.protocol === 'https:' && url.protocol === 'http:') {
    throw refuse(
      'redirect-downgrade',
      `${hop.url.origin} redirects to plain HTTP: ${shownUrl(url)}`,
      'let the server redirect to an https URL; everything sent over plain HTTP can be read and changed on the way',
    )
  }
  const away = hop.away || url.origin !== origin
  const toGet =
    (status === 303 && hop.method !== 'HEAD') ||
    ((status === 301 || status === 302) && hop.method === 'POST')
  const body = toGet ? undefined : hop.body
  if (body !== undefined && url.origin !== hop.url.origin) {
    throw refuse(
      'redirect-body',
      `${hop.url.origin} redirects a ${hop.method} with its body to another origin, ${url.origin}`,
      `if that is meant, call ${shownUrl(url)} itself`,
    )
  }
  if (!isReplayable(body)) {
    throw refuse(
      'redirect-body',
      `${hop.url.origin} redirects a ${hop.method} whose body is a stream and cannot be sent again`,
      `call ${shownUrl(url)} itself, or send text or bytes`,
    )
  }
  return {
    method: toGet ? 'GET' : hop.method,
    url,
    headers: without(
      hop.headers,
      (name) =>
        (away && !mayTravel(name)) ||
        // The body's headers go with the body.
        (toGet && (name.startsWith('content-') || name === 'host')) ||
        (name === 'host' && url.origin !== hop.url.origin),
    ),
    body,
    away,
  }
}

function targetOf(from: URL, status: number, location: string): URL {
  const url = URL.parse(location, from.href)
  const invalid = (message: string, cause?: unknown): RedirectError =>
    new RedirectError('redirect-invalid', `${shownUrl(from)} redirects to ${message}`, {
      cause,
      status,
      location: url === null ? '' : shownUrl(url),
      url: shownUrl(from),
    })
  if (url === null) throw invalid('what is not a URL')
  try {
    checkTarget(url)
  } catch (error) {
    if (error instanceof OptionError)
      throw invalid(`where it must not lead: ${error.message}`, error)
    throw error
  }
  url.hash = ''
  return url
}

const FOLLOWED = new Set([301, 302, 303, 307, 308])
