/**
 * What somebody signs in with, as functions.
 *
 * @module
 */
import { request } from './request.ts'
import {
  readArray,
  readDate,
  readElementText,
  readNumber,
  readObject,
  readOptionalText,
  readText,
  type WireObject,
} from './wire.ts'

/** One factor as it is listed. Of recovery codes, which stand together, there is a number only. */
export interface FactorEntry {
  readonly id: string
  /** `totp`, `passkey`, `jwk`, `client_cert`, `recovery`, or one that is younger than this page. */
  readonly type: string
  readonly label: string | undefined
  readonly created: Date | undefined
  readonly lastUsed: Date | undefined
  readonly expires: Date | undefined
  readonly remaining: number | undefined
}

/** An app that waits for its first code. */
export interface AppEnrolment {
  readonly id: string
  readonly secret: string
  readonly uri: string
}

/** What has come of an addition. */
export interface AddedFactor {
  readonly label: string
  /** Made with the first second factor. */
  readonly recoveryCodes: readonly string[] | undefined
  /** Of a client certificate, PEM. */
  readonly chain: string | undefined
}

export async function fetchFactors(signal?: AbortSignal): Promise<FactorEntry[]> {
  return readArray(await request('GET', '/auth/factors', { signal }), (element) => {
    const factor = readObject(element)
    return {
      id: readText(factor, 'id'),
      type: readText(factor, 'type'),
      label: readOptionalText(factor, 'label'),
      created: readOptionalDate(factor, 'created'),
      lastUsed: readOptionalDate(factor, 'lastUsed'),
      expires: readOptionalDate(factor, 'expires'),
      remaining: factor['remaining'] === undefined ? undefined : readNumber(factor, 'remaining'),
    }
  })
}

export async function postApp(label: string): Promise<AppEnrolment> {
  const begun = await post({ type: 'totp', label })
  return {
    id: readText(begun, 'id'),
    secret: readText(begun, 'secret'),
    uri: readText(begun, 'uri'),
  }
}

export async function postAppCode(id: string, code: string): Promise<AddedFactor> {
  const path = `/auth/factors/${encodeURIComponent(id)}/confirm`
  return readAdded(readObject(await request('POST', path, { body: { code } })))
}

/** What the browser needs to make a passkey. */
export async function postPasskeyWish(): Promise<WireObject> {
  return readObject((await post({ type: 'passkey' }))['publicKey'])
}

export async function postPasskey(response: object, label: string): Promise<AddedFactor> {
  return readAdded(await post({ type: 'passkey', response, label }))
}

export async function postKey(jwk: object, label: string): Promise<AddedFactor> {
  return readAdded(await post({ type: 'jwk', jwk, label }))
}

export async function postSigningRequest(csr: string, label: string): Promise<AddedFactor> {
  return readAdded(await post({ type: 'client_cert', csr, label }))
}

/** Ten new codes; those there were end. */
export async function postRecoveryCodes(): Promise<string[]> {
  return readArray((await post({ type: 'recovery' }))['codes'], readElementText)
}

export async function deleteFactor(id: string): Promise<void> {
  await request('DELETE', `/auth/factors/${encodeURIComponent(id)}`)
}

/** Another password; every other session ends. */
export async function postPassword(current: string, next: string): Promise<void> {
  await request('POST', '/auth/password', { body: { current, new: next } })
}

async function post(body: object): Promise<WireObject> {
  return readObject(await request('POST', '/auth/factors', { body }))
}

function readAdded(added: WireObject): AddedFactor {
  const codes = added['recoveryCodes']
  return {
    label: readText(added, 'label'),
    recoveryCodes: codes === undefined ? undefined : readArray(codes, readElementText),
    chain: readOptionalText(added, 'chain'),
  }
}

function readOptionalDate(object: WireObject, name: string): Date | undefined {
  return readOptionalText(object, name) === undefined ? undefined : readDate(object, name)
}
