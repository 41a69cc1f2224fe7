/**
 * Calls without a session: the connections are shared, nothing else is.
 *
 * @module
 */
import type { RequestOptions } from './options.ts'
import type { ClientResponse } from './response.ts'
import { type MethodOptions, Session } from './session.ts'

/**
 * GETs a URL.
 *
 * @throws every {@link ClientError} but a StatusError: an answer of 404 is an answer
 */
export function get(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().get(url, callOptions)
}

/** Asks for the head of what a GET would answer; see {@link get}. */
export function head(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().head(url, callOptions)
}

/** Asks what can be done with a URL; see {@link get}. */
export function options(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().options(url, callOptions)
}

/** POSTs `json`, `form` or `body` to a URL; see {@link get}. */
export function post(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().post(url, callOptions)
}

/** PUTs `json`, `form` or `body` to a URL; see {@link get}. */
export function put(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().put(url, callOptions)
}

/** PATCHes a URL with `json`, `form` or `body`; see {@link get}. */
export function patch(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().patch(url, callOptions)
}

/** DELETEs a URL; see {@link get}. */
export function del(url: string | URL, callOptions?: RequestOptions): Promise<ClientResponse> {
  return defaultSession().del(url, callOptions)
}

/** Calls a URL with any method; see {@link get}. */
export function request(url: string | URL, callOptions?: MethodOptions): Promise<ClientResponse> {
  return defaultSession().request(url, callOptions)
}

/** The session behind these functions: made when first needed, without cookies. Its idle connections do not keep a process alive. */
export function defaultSession(): Session {
  shared ??= new Session({ cookies: false })
  return shared
}

let shared: Session | undefined
