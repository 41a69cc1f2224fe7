/**
 * The compact form of a signed token (RFC 7515 §7.1), read without believing any of it.
 *
 * @module
 */
import { decodeBase64url } from './base64url.ts'
import { type JsonFault, type JsonObject, parseJsonObject } from './json-object.ts'
import { type JwtRefusal, refuseJwt } from './verdict.ts'

/** A token taken apart; nothing of it is verified. */
export interface CompactToken {
  readonly header: JsonObject
  readonly claims: JsonObject
  /** What was signed: the first two parts as they stand. */
  readonly signed: Buffer
  readonly signature: Buffer
}

/** Characters a token may have: one with an ML-DSA-87 signature fits. */
const LONGEST_TOKEN = 8192

/** Takes a token apart, or says what is wrong with its text. */
export function readCompact(token: string): CompactToken | JwtRefusal {
  if (token.length > LONGEST_TOKEN) {
    return refuseJwt('too-large', `the token has more than ${LONGEST_TOKEN} characters`)
  }
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (
    first < 1 ||
    second < first + 2 ||
    second === token.length - 1 ||
    token.includes('.', second + 1)
  ) {
    return refuseJwt('malformed', 'the token does not have the three parts of a signed one')
  }
  const headerText = token.slice(0, first)
  const header = HEADERS.get(headerText) ?? readHeader(headerText)
  if (typeof header === 'string') return fault('header', header)
  const claims = readPart(token.slice(first + 1, second))
  if (typeof claims === 'string') return fault('claims', claims)
  const signature = decodeBase64url(token.slice(second + 1))
  if (signature === undefined) return fault('signature', 'not-canonical')
  return { header, claims, signed: Buffer.from(token.slice(0, second), 'latin1'), signature }
}

type PartFault = JsonFault | 'not-canonical'

function readPart(text: string): JsonObject | PartFault {
  const bytes = decodeBase64url(text)
  return bytes === undefined ? 'not-canonical' : parseJsonObject(bytes)
}

/** One issuer writes the same header before every token: it is read once. Full, the memory starts afresh. */
function readHeader(text: string): JsonObject | PartFault {
  const header = readPart(text)
  if (typeof header !== 'string' && text.length <= LONGEST_KEPT_HEADER) {
    if (HEADERS.size >= KEPT_HEADERS) HEADERS.clear()
    HEADERS.set(text, header)
  }
  return header
}

function fault(part: string, code: PartFault): JwtRefusal {
  return refuseJwt(code, FAULTS[code](part))
}

const FAULTS: Readonly<Record<PartFault, (part: string) => string>> = {
  'not-canonical': (part) => `the ${part} is no canonical base64url`,
  malformed: (part) => `the ${part} is no JSON object`,
  'duplicate-member': (part) => `a member of the ${part} appears twice`,
}

const HEADERS = new Map<string, JsonObject>()
const KEPT_HEADERS = 256
const LONGEST_KEPT_HEADER = 512
