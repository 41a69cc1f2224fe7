/**
 * Functions of the caller that are told what a call does, and may add headers to what it sends.
 *
 * Those of the session run first, then those of the call. What one throws comes out of the call.
 *
 * @module
 */
import { type ClientError, OptionError } from './errors.ts'
import { type HeaderList, hasHeader, headerList, mayTravel, without } from './headers.ts'
import type { Hop } from './redirect.ts'
import type { ClientResponse } from './response.ts'

/** A request about to be sent: the first one of a call, or one after a retry or redirect. */
export interface OutgoingRequest {
  readonly method: string
  /** The whole URL, query included: think twice before it goes into a log. */
  readonly url: string
  /** May be changed. Where the call left its origin, only what is harmless anywhere is sent of it. */
  readonly headers: Headers
  /** 0 for the first request of the call, 1 for the next one, whatever it was repeated for. */
  readonly attempt: number
  /** Whether a redirect led to another origin than the call was made to. */
  readonly away: boolean
}

/** A request that will be repeated. */
export interface Retry {
  readonly method: string
  /** Without its query string. */
  readonly url: string
  /** 1 for the first repetition. */
  readonly attempt: number
  readonly waitMs: number
  /** The answer it is repeated for; `undefined` where there was none. */
  readonly status: number | undefined
  /** The failure it is repeated for. */
  readonly error: ClientError | undefined
}

/** The hooks of a call or a session. */
export interface HookOptions {
  /** Called before every request; may change its headers, to sign it for example. @defaultValue none */
  onRequest?: ((request: OutgoingRequest) => void | Promise<void>) | undefined
  /** Called with the answer before the caller gets it. @defaultValue none */
  onResponse?: ((response: ClientResponse) => void | Promise<void>) | undefined
  /** Called before the wait that comes before a repetition. @defaultValue none */
  onRetry?: ((retry: Retry) => void) | undefined
}

/** The hooks that run for a call, in order. */
export interface Hooks {
  readonly request: readonly NonNullable<HookOptions['onRequest']>[]
  readonly response: readonly NonNullable<HookOptions['onResponse']>[]
  readonly retry: readonly NonNullable<HookOptions['onRetry']>[]
}

/**
 * The hooks of a call, on top of those of its session.
 *
 * @returns `undefined` where there are none: the common call pays nothing for them
 * @throws {@link OptionError} `option-invalid`
 */
export function hooksOf(options: HookOptions, base: Hooks | undefined): Hooks | undefined {
  const { onRequest, onResponse, onRetry } = options
  if (onRequest === undefined && onResponse === undefined && onRetry === undefined) return base
  for (const [name, hook] of Object.entries({ onRequest, onResponse, onRetry })) {
    if (hook !== undefined && typeof hook !== 'function') {
      throw new OptionError('option-invalid', `${name} must be a function`)
    }
  }
  return {
    request: [...(base?.request ?? []), ...(onRequest === undefined ? [] : [onRequest])],
    response: [...(base?.response ?? []), ...(onResponse === undefined ? [] : [onResponse])],
    retry: [...(base?.retry ?? []), ...(onRetry === undefined ? [] : [onRetry])],
  }
}

/**
 * Lets the hooks change the headers of a request; what they add for another origin has to be harmless like everything else.
 *
 * @throws {@link OptionError} `header-invalid`; whatever a hook throws
 */
export async function beforeRequest(
  hooks: Hooks,
  { method, url, away }: Hop,
  list: HeaderList,
  attempt: number,
): Promise<HeaderList> {
  if (hooks.request.length === 0) return list
  const headers = new Headers()
  for (let index = 0; index < list.length; index += 2) {
    headers.append(list[index] ?? '', list[index + 1] ?? '')
  }
  for (const hook of hooks.request) await hook({ method, url: url.href, headers, attempt, away })
  const changed = headerList(headers)
  if (!away) return changed
  // What is there for this origin, its cookies, a hook may take away, but not write anew: it does not know whom it is for.
  return [
    ...without(changed, (name) => !mayTravel(name)),
    ...without(list, (name) => mayTravel(name) || !hasHeader(changed, name)),
  ]
}

/** Hands an answer to the hooks before the caller gets it. */
export async function afterResponse(hooks: Hooks, response: ClientResponse): Promise<void> {
  try {
    for (const hook of hooks.response) await hook(response)
  } catch (error) {
    await response.close()
    throw error
  }
}
