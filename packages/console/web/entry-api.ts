/**
 * What somebody can ask who is not signed in, or proves once more who they are.
 *
 * @module
 */
import { ApiError } from './api-error.ts'
import { fetchSession, readSignedIn, type SignedIn } from './api.ts'
import { createdPasskey, provedPasskey } from './passkey.ts'
import { request } from './request.ts'
import { readArray, readElementText, readObject, readText, type WireObject } from './wire.ts'

/** What a second factor is called where it is asked for. */
export type ProofWay = 'password' | 'totp' | 'recovery' | 'webauthn'

/** A sign-in that lacks its second factor. Neither a session nor a secret that is worth anything without its cookie. */
export interface SecondStep {
  readonly challenge: string
  readonly ways: readonly ProofWay[]
  /** What the browser needs to prove a passkey. */
  readonly passkeyOptions: WireObject | undefined
}

export async function fetchSetupNeeded(): Promise<boolean> {
  return readObject(await request('GET', '/auth/setup'))['needed'] === true
}

export async function postSetup(
  code: string,
  username: string,
  password: string,
): Promise<SignedIn> {
  await request('POST', '/auth/setup', { body: { code, username, password } })
  return await fetchSession()
}

/** Signs in, or says what is still needed. */
export async function postLogin(
  username: string,
  password: string,
): Promise<SignedIn | SecondStep> {
  try {
    return readSignedIn(await request('POST', '/login', { body: { username, password } }))
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'mfa-required') throw error
    return readSecondStep(error.facts)
  }
}

/** The second step: a code, or whatever the browser can prove. */
export async function postSecondStep(
  { challenge, passkeyOptions }: SecondStep,
  way: ProofWay,
  code: string,
): Promise<SignedIn> {
  const proof = way === 'webauthn' ? await provedPasskey(passkeyOptions ?? {}) : code
  return readSignedIn(await request('POST', '/login/mfa', { body: { challenge, [way]: proof } }))
}

/** A passkey instead of a name and a password. */
export async function postPasskeyLogin(): Promise<SignedIn> {
  const options = await publicKeyOf('/login/passkey/options')
  const response = await provedPasskey(options)
  return readSignedIn(await request('POST', '/login/passkey', { body: { response } }))
}

/** Proves once more who is signed in. */
export async function postStepUp(way: ProofWay, code: string): Promise<void> {
  const proof =
    way === 'webauthn' ? await provedPasskey(await publicKeyOf('/auth/step-up/options')) : code
  await request('POST', '/auth/step-up', { body: { [way]: proof } })
}

/** Sets a password with a one-time code. */
export async function postNewPassword(token: string, password: string): Promise<void> {
  await request('POST', '/auth/reset/confirm', { body: { token, new: password } })
}

/** Asks for such a code; the answer is the same whoever exists. */
export async function postResetWish(username: string): Promise<void> {
  await request('POST', '/auth/reset', { body: { username } })
}

/** Makes a passkey of what the service asked for, as JSON for it. */
export async function makePasskey(options: unknown): Promise<object> {
  return await createdPasskey(readObject(options))
}

async function publicKeyOf(path: string): Promise<WireObject> {
  return readObject(readObject(await request('POST', path))['publicKey'])
}

function readSecondStep(facts: WireObject): SecondStep {
  const given = new Set(readArray(facts['methods'], readElementText))
  const options = facts['webauthn']
  return {
    challenge: readText(facts, 'challenge'),
    ways: SECOND_WAYS.filter((way) => given.has(way)),
    passkeyOptions: options === undefined ? undefined : readObject(options),
  }
}

/** In the order in which they are offered. */
const SECOND_WAYS = ['totp', 'webauthn', 'recovery'] as const
