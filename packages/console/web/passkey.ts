/**
 * Passkeys between the service's JSON and the browser's own objects (WebAuthn Level 3, §5.1).
 *
 * By hand: `parseCreationOptionsFromJSON` and `toJSON` are younger than many browsers that have passkeys.
 *
 * @module
 */
import { ApiError } from './api-error.ts'
import { readArray, readNumber, readObject, readText, type WireObject } from './wire.ts'

/** Why there can be no passkeys here, or `undefined`. */
export function passkeyObstacle(): string | undefined {
  if (!isSecureContext || !('PublicKeyCredential' in globalThis)) {
    return 'This browser, at this address, has no passkeys.'
  }
  // A passkey belongs to a name; addresses have none (WebAuthn §5.1.3).
  if (/^(?:[\d.]+|\[.*\])$/.test(location.hostname)) {
    return 'Passkeys belong to a name: open this page by the name of the machine, not by its number.'
  }
  return undefined
}

/** Makes one, as JSON for the service. */
export async function createdPasskey(options: WireObject): Promise<object> {
  const site = readObject(options['rp'])
  const user = readObject(options['user'])
  const publicKey: PublicKeyCredentialCreationOptions = {
    rp: { id: readText(site, 'id'), name: readText(site, 'name') },
    user: {
      id: bytesOf(readText(user, 'id')),
      name: readText(user, 'name'),
      displayName: readText(user, 'name'),
    },
    challenge: bytesOf(readText(options, 'challenge')),
    pubKeyCredParams: readArray(options['pubKeyCredParams'], (each) => ({
      type: 'public-key',
      alg: readNumber(readObject(each), 'alg'),
    })),
    excludeCredentials: identifiersOf(options['excludeCredentials']),
    authenticatorSelection: {
      residentKey: 'required',
      requireResidentKey: true,
      userVerification: 'required',
    },
    attestation: 'none',
    timeout: TIMEOUT_MS,
  }
  const made = await asked(() => navigator.credentials.create({ publicKey }))
  const { response } = made
  if (!(response instanceof AuthenticatorAttestationResponse)) throw none()
  return asJson(made, {
    clientDataJSON: textOf(response.clientDataJSON),
    attestationObject: textOf(response.attestationObject),
  })
}

/** Proves one, as JSON for the service. */
export async function provedPasskey(options: WireObject): Promise<object> {
  const publicKey: PublicKeyCredentialRequestOptions = {
    rpId: readText(options, 'rpId'),
    challenge: bytesOf(readText(options, 'challenge')),
    allowCredentials: identifiersOf(options['allowCredentials']),
    userVerification: 'required',
    timeout: TIMEOUT_MS,
  }
  const proved = await asked(() => navigator.credentials.get({ publicKey }))
  const { response } = proved
  if (!(response instanceof AuthenticatorAssertionResponse)) throw none()
  return asJson(proved, {
    clientDataJSON: textOf(response.clientDataJSON),
    authenticatorData: textOf(response.authenticatorData),
    signature: textOf(response.signature),
  })
}

async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  const obstacle = passkeyObstacle()
  if (obstacle !== undefined) throw new ApiError(0, 'passkey-impossible', obstacle)
  let credential: Credential | null
  try {
    credential = await ask()
  } catch (error) {
    const name = error instanceof DOMException ? error.name : ''
    if (name === 'InvalidStateError') {
      throw new ApiError(0, 'passkey-known', 'this device has a passkey for this account already')
    }
    if (name === 'SecurityError') {
      throw new ApiError(0, 'passkey-impossible', 'the browser takes no passkey at this address')
    }
    throw none()
  }
  if (!(credential instanceof PublicKeyCredential)) throw none()
  return credential
}

/** Refused, dismissed or too late: browsers tell these apart for nobody. */
function none(): ApiError {
  return new ApiError(0, 'passkey-none', 'the browser gave no passkey', 'try again, or another way')
}

function asJson({ id, type }: PublicKeyCredential, response: object): object {
  return { id, rawId: id, type, response, clientExtensionResults: {} }
}

function identifiersOf(value: unknown): PublicKeyCredentialDescriptor[] {
  return readArray(value ?? [], (each) => ({
    type: 'public-key',
    id: bytesOf(readText(readObject(each), 'id')),
  }))
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}

function textOf(buffer: ArrayBuffer): string {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('')
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

const TIMEOUT_MS = 120_000
