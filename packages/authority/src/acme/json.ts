/**
 * JSON from a client, member by member: each is of the kind it must have, or the request is malformed.
 *
 * @module
 */
import { malformed } from './problem.ts'

/** The members of a JSON object. */
export type Members = ReadonlyMap<string, unknown>

/**
 * Reads a JSON object in UTF-8.
 *
 * @param what - for the message
 * @throws AcmeProblem `malformed`
 */
export function parseObject(text: Uint8Array | string, what: string): Members {
  let value: unknown
  try {
    const decoded =
      typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text)
    value = JSON.parse(decoded)
  } catch {
    throw malformed(`${what} is not JSON in UTF-8`)
  }
  return members(value, what)
}

/** The members of a value that must be an object. @throws AcmeProblem `malformed` */
export function members(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`${what} is not a JSON object`)
  }
  return new Map(Object.entries(value))
}

/** A member that must be a text. @throws AcmeProblem `malformed` */
export function requiredText(from: Members, name: string, what: string): string {
  const value = optionalText(from, name, what)
  if (value === undefined) throw malformed(`${what} has no "${name}"`)
  return value
}

/** A member that is a text where it is there. @throws AcmeProblem `malformed` */
export function optionalText(from: Members, name: string, what: string): string | undefined {
  const value = from.get(name)
  if (value === undefined) return undefined
  if (typeof value === 'string') return value
  throw malformed(`"${name}" of ${what} must be a string`)
}

/** A member that is true or false where it is there. @throws AcmeProblem `malformed` */
export function optionalBoolean(from: Members, name: string, what: string): boolean {
  const value = from.get(name)
  if (value === undefined) return false
  if (typeof value === 'boolean') return value
  throw malformed(`"${name}" of ${what} must be true or false`)
}

/** A member that is a list where it is there. @throws AcmeProblem `malformed` */
export function optionalList(
  from: Members,
  name: string,
  what: string,
): readonly unknown[] | undefined {
  const value = from.get(name)
  if (value === undefined) return undefined
  if (Array.isArray(value)) return value
  throw malformed(`"${name}" of ${what} must be an array`)
}

/**
 * Bytes in base64url without padding (RFC 8555 §6.1), strictly.
 *
 * @throws AcmeProblem `malformed`
 */
export function fromBase64Url(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  // The decoder skips what it does not know; a text that is not what its bytes are written as is none.
  if (bytes.toString('base64url') !== text) throw malformed(`${what} is not base64url`)
  return bytes
}
