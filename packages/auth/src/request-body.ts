/**
 * The fields of a small request, from JSON or a form: bounded, strictly UTF-8, nothing guessed.
 *
 * @module
 */
import { readBoundedBody } from '@countersign/core'
import type { RefusalCode } from './problems.ts'

/** What was sent. */
export interface Fields {
  form: boolean
  /** Not yet checked: an object of whatever, or no object at all. */
  values: unknown
}

/** Bytes a body may have. */
const MAX_BODY_BYTES = 16_384

/**
 * Reads the body of a request.
 *
 * @returns the fields, or the code of the refusal: `unsupported-media-type`, `body-too-large` or `malformed-request`
 */
export async function readFields(request: Request): Promise<Fields | RefusalCode> {
  const kind = mediaType(request.headers.get('content-type') ?? '')
  if (kind === undefined) return 'unsupported-media-type'
  const bytes = await readBoundedBody(request, MAX_BODY_BYTES)
  if (bytes === undefined) return 'body-too-large'
  try {
    const text = UTF8.decode(bytes)
    const form = kind === 'form'
    return { form, values: form ? parseForm(text) : JSON.parse(text) }
  } catch {
    // Whatever is broken about it, the answer is the same; what was sent may hold a password and is not repeated.
    return 'malformed-request'
  }
}

/**
 * Reads `application/x-www-form-urlencoded` (WHATWG URL §5.1), but refuses what that reads leniently: broken percent encoding,
 * broken UTF-8, a name twice.
 */
function parseForm(text: string): Record<string, string> {
  const fields = new Map<string, string>()
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodePart(equals === -1 ? pair : pair.slice(0, equals))
    if (fields.has(name)) throw new SyntaxError('a form field appears twice')
    fields.set(name, equals === -1 ? '' : decodePart(pair.slice(equals + 1)))
  }
  return Object.fromEntries(fields)
}

function decodePart(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

/** The two media types that are taken; any charset but UTF-8 is a third. */
function mediaType(header: string): 'form' | 'json' | undefined {
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase())
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset)) return undefined
  if (type === 'application/json') return 'json'
  if (type === 'application/x-www-form-urlencoded') return 'form'
  return undefined
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })
