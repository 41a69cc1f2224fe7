/**
 * The service as functions: what the page can ask, and what it gets.
 *
 * @module
 */
import { request } from './request.ts'
import {
  readArray,
  readBoolean,
  readDate,
  readElementText,
  readNumber,
  readObject,
  readOptionalText,
  readText,
} from './wire.ts'

/** Who is signed in, and until when. */
export interface SignedIn {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly sid: string
  readonly idleExpires: Date
  readonly expires: Date
}

/** One of the sessions of the person who is signed in. */
export interface SessionEntry {
  readonly sid: string
  readonly current: boolean
  readonly created: Date
  readonly lastSeen: Date
  readonly address: string | undefined
  readonly userAgent: string | undefined
}

/** One certificate of the ledger. */
export interface CertificateEntry {
  readonly serial: string
  readonly names: readonly string[]
  readonly profile: string
  readonly requester: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly revokedAt: Date | undefined
  readonly fingerprint: string
  readonly keyType: string
}

/** One page of the ledger. */
export interface CertificatePage {
  readonly certificates: readonly CertificateEntry[]
  /** Where the next page begins; `undefined` on the last one. */
  readonly next: string | undefined
}

/** Which certificates are asked for. */
export interface CertificateQuery {
  readonly text: string
  /** Only those that end within 14 days. */
  readonly expiring: boolean
  readonly after?: string | undefined
}

export async function fetchSession(): Promise<SignedIn> {
  return readSignedIn(await request('GET', '/auth/session'))
}

export async function postLogout(): Promise<void> {
  await request('POST', '/auth/logout')
}

/** Ends every other session; returns how many. */
export async function postLogoutOthers(): Promise<number> {
  return readNumber(readObject(await request('POST', '/auth/logout-others')), 'revoked')
}

export async function fetchSessions(signal?: AbortSignal): Promise<SessionEntry[]> {
  return readArray(await request('GET', '/auth/sessions', { signal }), (element) => {
    const session = readObject(element)
    return {
      sid: readText(session, 'sid'),
      current: readBoolean(session, 'current'),
      created: readDate(session, 'created'),
      lastSeen: readDate(session, 'lastSeen'),
      address: readOptionalText(session, 'address'),
      userAgent: readOptionalText(session, 'userAgent'),
    }
  })
}

export async function deleteSession(sid: string): Promise<void> {
  await request('DELETE', `/auth/sessions/${encodeURIComponent(sid)}`)
}

export async function fetchCertificates(
  query: CertificateQuery,
  signal?: AbortSignal,
): Promise<CertificatePage> {
  const parameters = new URLSearchParams({ limit: String(PAGE_SIZE) })
  if (query.after !== undefined) parameters.set('after', query.after)
  if (query.text !== '') parameters.set('q', query.text)
  if (query.expiring) parameters.set('expiring', '14d')
  const page = readObject(await request('GET', `/ca/certificates?${parameters}`, { signal }))
  return {
    certificates: readArray(page['certificates'], readCertificate),
    next: readOptionalText(page, 'next'),
  }
}

/** One certificate by its serial number, or `undefined` where the ledger has none. */
export async function fetchCertificate(
  serial: string,
  signal?: AbortSignal,
): Promise<CertificateEntry | undefined> {
  const { certificates } = await fetchCertificates({ text: serial, expiring: false }, signal)
  return certificates.find((certificate) => certificate.serial === serial)
}

/** Reads who is signed in. */
export function readSignedIn(value: unknown): SignedIn {
  const answer = readObject(value)
  const principal = readObject(answer['principal'])
  const session = readObject(answer['session'])
  return {
    id: readText(principal, 'id'),
    name: readText(principal, 'name'),
    roles: readArray(principal['roles'], readElementText),
    sid: readText(session, 'sid'),
    idleExpires: readDate(session, 'idleExpires'),
    expires: readDate(session, 'expires'),
  }
}

function readCertificate(value: unknown): CertificateEntry {
  const certificate = readObject(value)
  return {
    serial: readText(certificate, 'serial'),
    names: readArray(certificate['names'], readElementText),
    profile: readText(certificate, 'profile'),
    requester: readText(certificate, 'requester'),
    notBefore: readDate(certificate, 'notBefore'),
    notAfter: readDate(certificate, 'notAfter'),
    revokedAt:
      readOptionalText(certificate, 'revokedAt') === undefined
        ? undefined
        : readDate(certificate, 'revokedAt'),
    fingerprint: readText(certificate, 'fingerprint'),
    keyType: readText(certificate, 'keyType'),
  }
}

const PAGE_SIZE = 50
