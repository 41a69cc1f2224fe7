/**
 * Signed requests to an ACME server (RFC 8555 §6): nonces, signatures, and another try where a nonce was refused.
 *
 * @module
 */
import { hash, sign } from 'node:crypto'
import { errorMessage } from '@countersign/core'
import type { PrivateKey } from '@countersign/x509'
import { EXIT, ProgramError } from '../errors.ts'

/** An answer, its body read. */
export interface AcmeAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/** Sends one request; given by whoever knows whom to trust. */
export type AcmeFetch = (
  method: 'GET' | 'HEAD' | 'POST',
  url: string,
  body?: string,
) => Promise<AcmeAnswer>

/** A JSON object as it came, its members by name. */
export type Document = ReadonlyMap<string, unknown>

/** A server with its directory, and the account that asks. */
export class AcmeConnection {
  readonly directory: Document
  readonly thumbprint: string
  readonly #fetch: AcmeFetch
  readonly #key: PrivateKey
  readonly #jwk: Readonly<Record<string, string>>
  /** The address of the account, once it is known. */
  account: string | undefined
  #nonce: string | undefined

  private constructor(fetch: AcmeFetch, directory: Document, key: PrivateKey) {
    this.#fetch = fetch
    this.directory = directory
    this.#key = key
    this.#jwk = publicJwk(key)
    this.thumbprint = hash('sha256', JSON.stringify(this.#jwk), 'base64url')
  }

  /**
   * Reads the directory of a server.
   *
   * @param key - of the account: a P-256 key
   * @throws ProgramError `acme-invalid`; what `fetch` throws
   */
  static async open(fetch: AcmeFetch, url: string, key: PrivateKey): Promise<AcmeConnection> {
    return new AcmeConnection(fetch, await readDirectory(fetch, url), key)
  }

  /** The public key as it is sent. */
  get jwk(): Readonly<Record<string, string>> {
    return this.#jwk
  }

  /** The address of a resource. @throws ProgramError `acme-invalid` where the server has none */
  resource(name: string): string {
    const url = this.directory.get(name)
    if (typeof url === 'string') return url
    throw invalid(`the directory has no ${name}`)
  }

  /** A member of the directory's meta. */
  meta(name: string): unknown {
    const meta = this.directory.get('meta')
    return typeof meta === 'object' && meta !== null ? Reflect.get(meta, name) : undefined
  }

  /**
   * Asks with a signature; without a payload it only looks (POST-as-GET).
   *
   * @throws ProgramError `acme-refused` for every problem but a refused nonce, which is tried again
   */
  async post(url: string, payload?: object): Promise<AcmeAnswer> {
    for (let attempt = 1; ; attempt++) {
      const nonce = await this.#takeNonce()
      const header = {
        alg: 'ES256',
        nonce,
        url,
        ...(this.account === undefined ? { jwk: this.#jwk } : { kid: this.account }),
      }
      const text = payload === undefined ? '' : JSON.stringify(payload)
      const answer = await this.#fetch('POST', url, JSON.stringify(this.#sign(header, text)))
      this.#nonce = answer.headers.get('replay-nonce') ?? undefined
      if (answer.status < 400) return answer
      const problem = problemOf(answer)
      if (problem.type !== 'badNonce' || attempt >= MOST_NONCES) throw refused(url, problem)
    }
  }

  async #takeNonce(): Promise<string> {
    const kept = this.#nonce
    this.#nonce = undefined
    if (kept !== undefined) return kept
    const { headers } = await this.#fetch('HEAD', this.resource('newNonce'))
    const fresh = headers.get('replay-nonce')
    if (fresh === null) throw invalid('the server gives no nonce')
    return fresh
  }

  #sign(header: object, payload: string): object {
    const parts = { protected: base64url(JSON.stringify(header)), payload: base64url(payload) }
    const signature = sign('sha256', Buffer.from(`${parts.protected}.${parts.payload}`), {
      key: this.#key.keyObject,
      dsaEncoding: 'ieee-p1363',
    })
    return { ...parts, signature: signature.toString('base64url') }
  }
}

/** The directory of a server. @throws ProgramError `acme-invalid`; what `fetch` throws */
export async function readDirectory(fetch: AcmeFetch, url: string): Promise<Document> {
  const answer = await fetch('GET', url)
  if (answer.status !== 200) throw invalid(`${url} answered ${answer.status}`, HINT)
  const directory = documentOf(answer)
  if (typeof directory.get('newOrder') === 'string') return directory
  throw invalid(`${url} is no ACME directory`, HINT)
}

/** The body of an answer as a JSON object. @throws ProgramError `acme-invalid` */
export function documentOf({ body }: AcmeAnswer): Document {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(body))
  } catch (error) {
    throw invalid(`the server does not answer with JSON: ${errorMessage(error)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the server does not answer with a JSON object')
  }
  return new Map(Object.entries(value))
}

/** A member that must be a text. @throws ProgramError `acme-invalid` */
export function textOf(document: Document, name: string): string {
  const value = document.get(name)
  if (typeof value === 'string') return value
  throw invalid(`an answer of the server has no ${name}`)
}

/** What a problem says, for people. */
export interface AcmeRefusal {
  /** Without its prefix. */
  readonly type: string
  readonly detail: string
}

/** Reads a problem document, whole or as a member of another. */
export function refusalOf(value: unknown): AcmeRefusal {
  const facts =
    typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined
  const type = String(facts?.get('type') ?? 'unknown').replace('urn:ietf:params:acme:error:', '')
  const more: unknown = facts?.get('subproblems')
  const below = Array.isArray(more) ? more.map((one) => refusalOf(one).detail) : []
  return { type, detail: [String(facts?.get('detail') ?? type), ...below].join('; ') }
}

/** A server that does not speak as it should. */
export function invalid(message: string, hint?: string): ProgramError {
  return new ProgramError('acme-invalid', message, { hint })
}

/** A server that refuses. */
export function refused(what: string, { type, detail }: AcmeRefusal): ProgramError {
  // Many servers begin with the name themselves.
  const said = detail.startsWith(`${what} `) ? detail : `${what}: ${detail}`
  return new ProgramError('acme-refused', `${said} (${type})`, {
    hint: HINTS.get(type),
    exit: EXIT.refused,
  })
}

function problemOf(answer: AcmeAnswer): AcmeRefusal {
  try {
    return refusalOf(Object.fromEntries(documentOf(answer)))
  } catch {
    return { type: 'unknown', detail: `status ${answer.status}` }
  }
}

function publicJwk(key: PrivateKey): Record<string, string> {
  const { crv = '', kty = '', x = '', y = '' } = key.publicKey.keyObject.export({ format: 'jwk' })
  return { crv, kty, x, y }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

const HINT = 'give the address of its directory, as in https://ca.corp.internal:8443/acme/directory'
const HINTS: ReadonlyMap<string, string> = new Map([
  ['dns', 'the server looks the name up itself: put it into the DNS that it asks'],
  [
    'externalAccountRequired',
    'give the key that its operator made for you: --acme-eab-kid and --acme-eab-key-file',
  ],
  ['rateLimited', 'wait before you try again'],
])
/** Some servers refuse a share of good nonces on purpose. */
const MOST_NONCES = 10
