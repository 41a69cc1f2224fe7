/** A small ACME client for tests: every request can be spoilt before it is signed, and afterwards. */
import { createHmac, generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import type { Acme } from '@countersign/authority'

/** Where the tests' server says it is. */
export const ORIGIN = 'https://ca.test'

/** A key that signs requests. */
export interface DriverKey {
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, string>>
  readonly algorithm: string
  readonly thumbprint: string
}

/** A request as it is sent. */
export interface SentJws {
  protected: string
  payload: string
  signature: string
}

/** Changes of a request: of its header, or of the whole that is sent. */
export interface Spoil {
  /** Laid over the protected header; `undefined` removes a member. */
  header?: Record<string, unknown>
  /** Makes of the signed request what is sent. */
  sent?: (jws: SentJws) => unknown
  /** Signed as it is instead of the payload in JSON. */
  payload?: string
  contentType?: string
  method?: string
}

/** An answer, its body read. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** A member of the JSON answer, by its path: `identifiers.0.value`; `undefined` where there is none. */
  at(path: string): unknown
  /** The same for a text. */
  textAt(path: string): string
  /** The type of the problem behind its prefix. */
  readonly problem: string | undefined
}

type KeyKind = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa' | 'rsa1024'

/** Makes a key of a kind that accounts can have. */
export function driverKey(kind: KeyKind = 'p256'): DriverKey {
  const { privateKey, publicKey } = generate(kind)
  const exported = publicKey.export({ format: 'jwk' })
  const names = MEMBERS[String(exported.kty)] ?? []
  const jwk = Object.fromEntries(names.map((name) => [name, String(Reflect.get(exported, name))]))
  const thumbprint = hash('sha256', JSON.stringify(jwk), 'base64url')
  return { privateKey, jwk, algorithm: ALGORITHMS[kind], thumbprint }
}

/** Signs a flattened JWS. */
export function signJws(
  header: Record<string, unknown>,
  payload: string,
  key: DriverKey | Uint8Array,
): SentJws {
  const parts = { protected: encode(JSON.stringify(header)), payload: encode(payload) }
  const input = Buffer.from(`${parts.protected}.${parts.payload}`)
  const algorithm = key instanceof Uint8Array ? String(header['alg']) : key.algorithm
  const digest = DIGESTS[algorithm]
  const signature =
    key instanceof Uint8Array
      ? createHmac(digest ?? 'sha256', key)
          .update(input)
          .digest()
      : sign(digest, input, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return { ...parts, signature: signature.toString('base64url') }
}

/** One client of a server. */
export class Driver {
  readonly acme: Pick<Acme, 'routes'>
  key: DriverKey
  /** The address of the account, once there is one. */
  kid: string | undefined
  /** Where its connections come from. */
  address = '192.0.2.7'
  #nonce: string | undefined

  constructor(acme: Pick<Acme, 'routes'>, key: DriverKey = driverKey()) {
    this.acme = acme
    this.key = key
  }

  /** A fresh nonce. */
  async nonce(): Promise<string> {
    const response = await this.acme.routes.request(`${ORIGIN}/acme/new-nonce`, { method: 'HEAD' })
    return response.headers.get('replay-nonce') ?? ''
  }

  /** Asks for a nonce again: the one at hand may be too old. */
  forgetNonce(): void {
    this.#nonce = undefined
  }

  /** Sends a signed request: with the account where there is one, else with the key. */
  async post(target: string, payload?: object, spoil: Spoil = {}): Promise<Answer> {
    const url = target.startsWith('/') ? `${ORIGIN}/acme${target}` : target
    const header = {
      alg: this.key.algorithm,
      nonce: this.#nonce ?? (await this.nonce()),
      url,
      ...(this.kid === undefined ? { jwk: this.key.jwk } : { kid: this.kid }),
      ...spoil.header,
    }
    this.#nonce = undefined
    const text = spoil.payload ?? (payload === undefined ? '' : JSON.stringify(payload))
    const signed = signJws(header, text, this.key)
    const sent = spoil.sent === undefined ? signed : spoil.sent(signed)
    const answer = await this.send(
      url,
      typeof sent === 'string' ? sent : JSON.stringify(sent),
      spoil,
    )
    this.#nonce = answer.headers.get('replay-nonce') ?? undefined
    return answer
  }

  /** Sends anything. */
  async send(url: string, body: string, spoil: Spoil = {}): Promise<Answer> {
    const { contentType = 'application/jose+json', method = 'POST' } = spoil
    const response = await this.acme.routes.request(
      url,
      { method, headers: { 'content-type': contentType }, body },
      { peer: { address: this.address } },
    )
    return await readAnswer(response)
  }

  /** Fetches without a signature. */
  async get(target: string): Promise<Answer> {
    return await readAnswer(await this.acme.routes.request(`${ORIGIN}/acme${target}`))
  }

  /** Makes an account, and uses it from now on. */
  async register(payload: object = {}): Promise<Answer> {
    const answer = await this.post('/new-account', payload)
    this.kid = answer.headers.get('location') ?? undefined
    return answer
  }

  /** Orders host names, or addresses where they look like it. */
  async order(names: readonly string[], more: object = {}): Promise<Answer> {
    const identifiers = names.map((value) => ({
      type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns',
      value,
    }))
    return await this.post('/new-order', { identifiers, ...more })
  }

  /** What proves a token. */
  keyAuthorization(token: string): string {
    return `${token}.${this.key.thumbprint}`
  }

  /** Signs the binding to an external account. */
  binding(kid: string, hmacKey: string, header: Record<string, unknown> = {}): SentJws {
    const url = `${ORIGIN}/acme/new-account`
    const secret = new Uint8Array(Buffer.from(hmacKey, 'base64url'))
    return signJws({ alg: 'HS256', kid, url, ...header }, JSON.stringify(this.key.jwk), secret)
  }
}

async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  const body: unknown = isJson ? JSON.parse(text) : undefined
  const at = (path: string): unknown => {
    let value = body
    for (const name of path.split('.')) {
      value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    }
    return value
  }
  const type = at('type')
  return {
    status: response.status,
    headers: response.headers,
    text,
    at,
    textAt: (path) => String(at(path)),
    problem:
      response.status >= 400 && typeof type === 'string'
        ? type.replace('urn:ietf:params:acme:error:', '')
        : undefined,
  }
}

function generate(kind: KeyKind): { privateKey: KeyObject; publicKey: KeyObject } {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519')
  if (kind === 'rsa' || kind === 'rsa1024') {
    return generateKeyPairSync('rsa', { modulusLength: kind === 'rsa' ? 2048 : 1024 })
  }
  return generateKeyPairSync('ec', { namedCurve: kind.replace('p', 'P-') })
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
}
const ALGORITHMS: Readonly<Record<KeyKind, string>> = {
  p256: 'ES256',
  p384: 'ES384',
  p521: 'ES512',
  ed25519: 'EdDSA',
  rsa: 'RS256',
  rsa1024: 'RS256',
}
const DIGESTS: Readonly<Record<string, string | undefined>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  RS256: 'sha256',
  HS256: 'sha256',
  HS384: 'sha384',
  HS512: 'sha512',
}
