/**
 * A passkey in software: an ES256 key that answers as a browser and its authenticator would (WebAuthn Level 3 §6.1, §6.5).
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** What a test may get wrong on purpose. */
export interface PasskeyFaults {
  origin?: string
  rpId?: string
  counter?: number
  /** User present and verified. @defaultValue 0x05 */
  flags?: number
  challenge?: string
  type?: string
  /** Signs with another key. */
  foreignKey?: boolean
}

/** One credential on one device. */
export class PasskeyDevice {
  readonly id: string = randomBytes(24).toString('base64url')
  counter = 1
  readonly #origin: string
  readonly #privateKey: KeyObject
  readonly #publicKey: KeyObject

  constructor(origin: string) {
    this.#origin = origin
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#privateKey = pair.privateKey
    this.#publicKey = pair.publicKey
  }

  /** `navigator.credentials.create`. */
  create(options: { challenge: string }, faults: PasskeyFaults = {}): object {
    const id = Buffer.from(this.id, 'base64url')
    const { x = '', y = '' } = this.#publicKey.export({ format: 'jwk' })
    const key = Buffer.concat([
      // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
      Buffer.from('a5010203262001', 'hex'),
      Buffer.from('215820', 'hex'),
      Buffer.from(x, 'base64url'),
      Buffer.from('225820', 'hex'),
      Buffer.from(y, 'base64url'),
    ])
    const length = Buffer.alloc(2)
    length.writeUInt16BE(id.length)
    const data = this.#authenticatorData(faults, 0x40, [Buffer.alloc(16), length, id, key])
    const attestationObject = Buffer.concat([
      Buffer.from([0xa3]),
      text('fmt'),
      text('none'),
      text('attStmt'),
      Buffer.from([0xa0]),
      text('authData'),
      Buffer.from([0x58, data.length]),
      data,
    ])
    return this.#credential({
      clientDataJSON: this.#clientData('webauthn.create', options.challenge, faults),
      attestationObject: attestationObject.toString('base64url'),
    })
  }

  /** `navigator.credentials.get`. */
  get(options: { challenge: string }, faults: PasskeyFaults = {}): Record<string, unknown> {
    this.counter += 1
    const data = this.#authenticatorData(faults, 0, [])
    const clientDataJSON = this.#clientData('webauthn.get', options.challenge, faults)
    const signed = Buffer.concat([data, sha256(Buffer.from(clientDataJSON, 'base64url'))])
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const key = faults.foreignKey === true ? foreign : this.#privateKey
    return this.#credential({
      clientDataJSON,
      authenticatorData: data.toString('base64url'),
      signature: sign('sha256', signed, key).toString('base64url'),
    })
  }

  #credential(response: object): Record<string, unknown> {
    return {
      id: this.id,
      rawId: this.id,
      type: 'public-key',
      response,
      clientExtensionResults: {},
    }
  }

  #authenticatorData(faults: PasskeyFaults, more: number, rest: Buffer[]): Buffer {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(faults.counter ?? this.counter)
    const rpId = faults.rpId ?? new URL(this.#origin).hostname
    const flags = Buffer.from([(faults.flags ?? 0x05) | more])
    return Buffer.concat([sha256(Buffer.from(rpId)), flags, counter, ...rest])
  }

  #clientData(type: string, challenge: string, faults: PasskeyFaults): string {
    const data = {
      type: faults.type ?? type,
      challenge: faults.challenge ?? challenge,
      origin: faults.origin ?? this.#origin,
      crossOrigin: false,
    }
    return Buffer.from(JSON.stringify(data)).toString('base64url')
  }
}

/** CBOR: a text of less than 24 bytes. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)])
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
