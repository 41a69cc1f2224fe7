/**
 * API tokens: what a program presents in `Authorization: Bearer`. Shown once, stored as a hash, always with an end.
 *
 * @module
 */
import { BlockList, isIP } from 'node:net'
import type { Clock } from '@countersign/core'
import type { AuthContext } from './context.ts'
import { type CredentialMethod, Rejection } from './credential-method.ts'
import type { CredentialRecord, Credentials } from './credentials.ts'
import { checksum } from './crc32-base62.ts'
import { AuthError } from './errors.ts'
import type { OnAuthEvent } from './events.ts'
import { bindingFault, type Gate, type PrincipalRecord } from './gate.ts'
import { isLabel, parseScopes } from './names.ts'
import type { AuthPeer } from './peer.ts'
import type { Principals } from './principals.ts'
import { RecentCache } from './recent-cache.ts'
import type { Revocations } from './revocations.ts'
import { digest, newToken } from './token.ts'

/** An API token to be made. */
export interface NewApiToken {
  /** What it is for, as its owner lists it: 1 to 64 characters. */
  label: string
  /** What it may be used for. @defaultValue `'*'`, everything the roles allow */
  scopes?: '*' | readonly string[] | undefined
  /** @defaultValue 90; at most 365 */
  days?: number | undefined
  /** Where it may be used from: addresses or networks, as in `10.0.0.0/8`. @defaultValue anywhere */
  networks?: readonly string[] | undefined
  /** base64url of the SHA-256 of the client certificate without which it is good for nothing. @defaultValue none */
  x5tS256?: string | undefined
}

/** An API token as it is listed. */
export interface ApiTokenInfo {
  id: string
  principalId: string
  label: string
  scopes: '*' | readonly string[]
  networks: readonly string[]
  x5tS256: string | undefined
  created: Date
  expires: Date
  lastUsed: Date | undefined
}

/** What {@link ApiTokens} is made of. */
export interface ApiTokensParts {
  serviceName: string
  clock: Clock
  onEvent: OnAuthEvent
  gate: Gate
  credentials: Credentials
  principals: Principals
  revocations: Revocations
}

/** Makes, lists, revokes and recognises API tokens. */
export class ApiTokens implements CredentialMethod<string> {
  readonly via = 'api_token'
  readonly source = 'authorization'
  readonly #parts: ApiTokensParts
  readonly #prefix: string
  readonly #cache = new RecentCache<Recognised>()

  constructor(parts: ApiTokensParts) {
    this.#parts = parts
    this.#prefix = `${parts.serviceName}_pat_`
    parts.revocations.listen(({ credentialId, principalId }) => {
      this.#cache.drop(
        ({ context }) =>
          context.credentialId === credentialId || context.principal.id === principalId,
      )
    })
    parts.revocations.onUnknown(() => {
      this.#cache.clear()
    })
  }

  /**
   * Makes a token for a principal.
   *
   * @returns the token, `SERVICE_pat_` and 49 characters: this is the only time it is known
   * @throws {@link AuthError} `token-option-invalid`, `scope-invalid`
   */
  async create(
    principal: PrincipalRecord,
    wanted: NewApiToken,
  ): Promise<{ token: string; info: ApiTokenInfo }> {
    const { clock, credentials, onEvent } = this.#parts
    const { label, days = DEFAULT_DAYS, networks = [], x5tS256 } = wanted
    checkLabel(label)
    if (!Number.isInteger(days) || days < 1 || days > MOST_DAYS) {
      throw invalid(`a token lives 1 to ${MOST_DAYS} days`)
    }
    blockListOf(networks)
    if (x5tS256 !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(x5tS256)) {
      throw invalid('x5tS256 is the SHA-256 of a certificate in base64url: 43 characters')
    }
    const scopes = wanted.scopes === undefined ? '*' : parseScopes(wanted.scopes)
    const secret = newToken()
    const token = `${this.#prefix}${secret}${checksum(secret)}`
    const time = clock()
    const record = await credentials.add({
      principalId: principal.id,
      kind: 'api_token',
      label,
      hash: digest(token),
      public: { networks, ...(x5tS256 === undefined ? {} : { x5tS256 }) },
      scopes,
      epoch: principal.epoch,
      expires: new Date(time.getTime() + days * DAY_MS),
    })
    onEvent({
      type: 'authn_token_created',
      time,
      name: principal.name,
      principalId: principal.id,
      subject: record.id,
    })
    return { token, info: infoOf(record) }
  }

  /** The tokens of a principal, or of everybody, that are still good for something; the latest first. */
  async list(principalId?: string): Promise<ApiTokenInfo[]> {
    const now = this.#parts.clock()
    const records = await this.#parts.credentials.list({ principalId, kinds: KINDS })
    return records.map(infoOf).filter(({ expires }) => expires > now)
  }

  /**
   * Revokes a token, at once in this process and within two seconds in others.
   *
   * @param principalId - whose it must be; without it anybody's
   * @returns whether there was one
   */
  async revoke(id: string, principalId?: string): Promise<boolean> {
    const { clock, credentials, onEvent, revocations } = this.#parts
    const record = await credentials.revoke(id, { principalId, kinds: KINDS })
    if (record === undefined) return false
    onEvent({
      type: 'authn_token_revoked',
      time: clock(),
      principalId: record.principalId,
      subject: id,
    })
    await revocations.publish([{ credentialId: id }])
    return true
  }

  /** Whether a text looks like a token of this service. */
  isOne(text: string): boolean {
    return text.startsWith(this.#prefix)
  }

  /**
   * What a token is good for at this moment, whoever asks: neither certificate nor address are looked at, which are for whoever
   * takes the token to hold against the connection it comes by.
   *
   * @returns `undefined` where it is good for nothing
   */
  async look(
    token: string,
  ): Promise<{ info: ApiTokenInfo; principal: PrincipalRecord } | undefined> {
    if (!this.isOne(token) || !this.#isWhole(token)) return undefined
    const { clock, credentials, gate, principals } = this.#parts
    const credential = await credentials.findByHash(digest(token))
    if (credential?.kind !== 'api_token' || credential.revokedAt !== undefined) return undefined
    const info = infoOf(credential)
    const principal = await principals.find(credential.principalId)
    if (principal === undefined || info.expires <= clock()) return undefined
    return gate.closedTo(principal, credential.epoch) === undefined
      ? { info, principal }
      : undefined
  }

  /**
   * Why a token is not good on this connection, whatever it is presented as: its networks, the certificate it is bound to.
   *
   * @returns `undefined` where it is; else the true reason
   */
  bindingFault(credential: CredentialRecord, peer: AuthPeer | undefined): string | undefined {
    const { networks, x5tS256 } = publicOf(credential)
    const fault = bindingFault(x5tS256 === undefined ? undefined : { x5tS256 }, peer)
    return fault ?? (isWithin(blockListOf(networks), peer?.address) ? undefined : OUTSIDE)
  }

  /** The thumbprint of the certificate that a token is bound to, where it is. */
  boundTo(credential: CredentialRecord): string | undefined {
    return publicOf(credential).x5tS256
  }

  presented(request: Request): string | undefined {
    const token = BEARER.exec(request.headers.get('authorization') ?? '')?.[1]
    return token !== undefined && this.isOne(token) ? token : undefined
  }

  verify(
    token: string,
    _request: Request,
    peer: AuthPeer | undefined,
  ): AuthContext | Rejection | Promise<AuthContext | Rejection> {
    const hash = digest(token)
    const recent = this.#cache.get(hash, this.#parts.clock().getTime())
    return recent === undefined ? this.#look(token, hash, peer) : this.#admit(recent, peer)
  }

  async #look(
    token: string,
    hash: string,
    peer: AuthPeer | undefined,
  ): Promise<AuthContext | Rejection> {
    if (!this.#isWhole(token)) return new Rejection('token-malformed')
    const { clock, credentials, principals } = this.#parts
    const now = clock().getTime()
    const { generation } = this.#cache
    const credential = await credentials.findByHash(hash)
    if (credential?.kind !== 'api_token') return new Rejection('token-unknown')
    const principal = await principals.find(credential.principalId)
    if (principal === undefined) return new Rejection('token-unknown')
    const recognised = this.#recognise(credential, principal, peer)
    if (recognised instanceof Rejection) return recognised
    await credentials.touch(credential)
    this.#cache.put(hash, recognised, now, generation, credential.expires?.getTime())
    return recognised.context
  }

  #recognise(
    credential: CredentialRecord,
    principal: PrincipalRecord,
    peer: AuthPeer | undefined,
  ): Recognised | Rejection {
    const { networks, x5tS256 } = publicOf(credential)
    const context = this.#parts.gate.admit(
      {
        via: 'api_token',
        credentialId: credential.id,
        authTime: credential.created,
        amr: [],
        aal: 1,
        scopes: credential.scopes,
        expires: credential.expires,
        revoked: credential.revokedAt !== undefined,
        epoch: credential.epoch,
        cnf: x5tS256 === undefined ? undefined : { x5tS256 },
      },
      principal,
      peer,
    )
    if (context instanceof Rejection) return context
    const recognised = { context, networks: blockListOf(networks) }
    const admitted = this.#admit(recognised, peer)
    return admitted instanceof Rejection ? admitted : recognised
  }

  /** What is asked on every request, whatever is remembered: end, certificate, address. */
  #admit({ context, networks }: Recognised, peer: AuthPeer | undefined): AuthContext | Rejection {
    const fault =
      this.#parts.gate.stillGood(context, peer) ??
      (isWithin(networks, peer?.address) ? undefined : OUTSIDE)
    return fault === undefined
      ? context
      : new Rejection(fault, 'credentials-invalid', context.principal)
  }

  #isWhole(token: string): boolean {
    const rest = token.slice(this.#prefix.length)
    const secret = rest.slice(0, SECRET_LENGTH)
    return /^[A-Za-z0-9_-]{43}$/.test(secret) && rest.slice(SECRET_LENGTH) === checksum(secret)
  }
}

interface Recognised {
  readonly context: AuthContext
  readonly networks: BlockList | undefined
}

function infoOf(record: CredentialRecord): ApiTokenInfo {
  const { id, principalId, label, scopes, created, expires = created, lastUsed } = record
  const { networks, x5tS256 } = publicOf(record)
  return {
    id,
    principalId,
    label,
    scopes,
    networks,
    x5tS256,
    created,
    expires,
    lastUsed,
  }
}

function publicOf(record: CredentialRecord): {
  networks: readonly string[]
  x5tS256: string | undefined
} {
  const value = record.public
  if (typeof value !== 'object' || value === null) return { networks: [], x5tS256: undefined }
  const networks: unknown = Reflect.get(value, 'networks')
  const x5tS256: unknown = Reflect.get(value, 'x5tS256')
  return {
    networks: Array.isArray(networks) ? networks.map(String) : [],
    x5tS256: typeof x5tS256 === 'string' ? x5tS256 : undefined,
  }
}

/** The networks as Node looks them up; `undefined` is anywhere. */
function blockListOf(networks: readonly string[]): BlockList | undefined {
  if (networks.length === 0) return undefined
  if (networks.length > MOST_NETWORKS) throw invalid(`at most ${MOST_NETWORKS} networks`)
  const list = new BlockList()
  for (const network of networks) {
    const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(network) ?? []
    const kind = isIP(address)
    const most = kind === 4 ? 32 : 128
    const prefix = bits === undefined ? most : Number(bits)
    // A prefix of 0 is everywhere, which is what leaving it out says.
    if (kind === 0 || prefix < 1 || prefix > most) {
      throw invalid(`"${network}" is neither an address nor a network such as 10.0.0.0/8`)
    }
    list.addSubnet(address, prefix, kind === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

function isWithin(networks: BlockList | undefined, address: string | undefined): boolean {
  if (networks === undefined) return true
  const kind = isIP(address ?? '')
  return kind !== 0 && networks.check(address ?? '', kind === 4 ? 'ipv4' : 'ipv6')
}

function checkLabel(label: string): void {
  if (isLabel(label)) return
  throw invalid('a token has a label of 1 to 64 characters that can be seen')
}

function invalid(message: string): AuthError {
  return new AuthError('token-option-invalid', message)
}

/** RFC 6750 §2.1; the name of a scheme has no case (RFC 9110 §11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i
const KINDS = ['api_token'] as const
const OUTSIDE = 'address-outside'
const SECRET_LENGTH = 43
const DEFAULT_DAYS = 90
const MOST_DAYS = 365
const MOST_NETWORKS = 16
const DAY_MS = 86_400_000
