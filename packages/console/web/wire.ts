/**
 * What comes over the wire, read once into values of known types.
 *
 * @module
 */
import { ApiError } from './api-error.ts'

/** A JSON object whose members are not yet known. */
export type WireObject = Readonly<Record<string, unknown>>

/** Reads an object. */
export function readObject(value: unknown): WireObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return unexpected('an object')
  return Object.fromEntries(Object.entries(value))
}

/** Reads an array, each element with `read`. */
export function readArray<T>(value: unknown, read: (element: unknown) => T): T[] {
  return Array.isArray(value)
    ? value.map((element: unknown) => read(element))
    : unexpected('a list')
}

/** Reads a member that is a text. */
export function readText(object: WireObject, name: string): string {
  const value = object[name]
  return typeof value === 'string' ? value : unexpected(`a text "${name}"`)
}

/** Reads a member that is a text or is not there. */
export function readOptionalText(object: WireObject, name: string): string | undefined {
  const value = object[name]
  return value === undefined || value === null ? undefined : readText(object, name)
}

/** Reads a member that is true or false. */
export function readBoolean(object: WireObject, name: string): boolean {
  const value = object[name]
  return typeof value === 'boolean' ? value : unexpected(`true or false as "${name}"`)
}

/** Reads a member that is a number. */
export function readNumber(object: WireObject, name: string): number {
  const value = object[name]
  return typeof value === 'number' ? value : unexpected(`a number "${name}"`)
}

/** Reads a member that is a time as ISO text. */
export function readDate(object: WireObject, name: string): Date {
  const date = new Date(readText(object, name))
  return Number.isNaN(date.getTime()) ? unexpected(`a time "${name}"`) : date
}

/** Reads one text of a list. */
export function readElementText(value: unknown): string {
  return typeof value === 'string' ? value : unexpected('a text')
}

function unexpected(expected: string): never {
  throw new ApiError(
    0,
    'unexpected-answer',
    `the service gave an answer without ${expected}`,
    'load the page again: it may be older than the service',
  )
}
