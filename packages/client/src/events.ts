/**
 * What the client tells `node:diagnostics_channel`. Nothing is made, and nothing costs, while nobody listens.
 *
 * Every payload has `call`, a number that all events of one call share, and `method` and `url` without query string and
 * credentials. No payload holds a header, a cookie or a body.
 *
 * @module
 */
import { type Channel, channel } from 'node:diagnostics_channel'
import type { ConnectTimes } from './connect.ts'
import type { ClientError } from './errors.ts'

/** What all events of a call have. */
export interface CallEvent {
  readonly call: number
  readonly method: string
  readonly url: string
}

/** `countersign:client:request`: a request is about to be sent. */
export interface RequestEvent extends CallEvent {
  /** 0 for the first request of the call. */
  readonly attempt: number
  /** The proxy it goes through, without credentials. */
  readonly proxy: string | undefined
}

/** `countersign:client:response`: the head of an answer came in. */
export interface ResponseEvent extends CallEvent {
  readonly attempt: number
  readonly status: number
  /** From sending the request to the head. */
  readonly firstByteMs: number
}

/** `countersign:client:complete`: an exchange is over; its body is whole, or `error` says why not. */
export interface CompleteEvent extends CallEvent {
  readonly attempt: number
  readonly status: number | undefined
  readonly error: Error | undefined
}

/** `countersign:client:retry`: a request will be repeated. */
export interface RetryEvent extends CallEvent {
  readonly attempt: number
  readonly waitMs: number
  readonly status: number | undefined
  readonly error: ClientError | undefined
}

/** `countersign:client:redirect`: an answer leads elsewhere, and is followed. */
export interface RedirectEvent extends CallEvent {
  readonly status: number
  readonly location: string
}

/** `countersign:client:error`: the call failed. */
export interface ErrorEvent extends CallEvent {
  readonly error: unknown
}

/** `countersign:client:connect`: a connection was opened. */
export interface ConnectEvent {
  readonly origin: string
  readonly proxy: string | undefined
  readonly address: string | undefined
  readonly protocol: string | undefined
  readonly times: ConnectTimes
}

/** The channels by name; each payload is the interface of that name above. */
const events: Readonly<Record<keyof Payloads, Channel>> = {
  request: channel('countersign:client:request'),
  response: channel('countersign:client:response'),
  complete: channel('countersign:client:complete'),
  retry: channel('countersign:client:retry'),
  redirect: channel('countersign:client:redirect'),
  error: channel('countersign:client:error'),
  connect: channel('countersign:client:connect'),
}

/** Whether somebody listens: only then is a payload worth making. */
export function isHeard(name: keyof Payloads): boolean {
  return events[name].hasSubscribers
}

/** Publishes an event. */
export function publish<Name extends keyof Payloads>(name: Name, payload: Payloads[Name]): void {
  events[name].publish(payload)
}

interface Payloads {
  readonly request: RequestEvent
  readonly response: ResponseEvent
  readonly complete: CompleteEvent
  readonly retry: RetryEvent
  readonly redirect: RedirectEvent
  readonly error: ErrorEvent
  readonly connect: ConnectEvent
}
