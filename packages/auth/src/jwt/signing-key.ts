/**
 * A key that signs tokens: one algorithm, its thumbprint for a name, its public half ready to be published.
 *
 * @module
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  sign,
} from 'node:crypto'
import { promisify } from 'node:util'
import { encodeBase64url } from './base64url.ts'
import type { JsonObject } from './json-object.ts'
import { jwkThumbprint } from './thumbprint.ts'

/** What tokens of this service are signed with. */
export type IssuingAlgorithm = 'ES256' | 'EdDSA' | 'ML-DSA-65'

/** The algorithms a service can sign with. */
export const ISSUING_ALGORITHMS: readonly IssuingAlgorithm[] = ['ES256', 'EdDSA', 'ML-DSA-65']

/** Signs tokens. */
export class SigningKey {
  readonly algorithm: IssuingAlgorithm
  /** RFC 7638. */
  readonly keyId: string
  /** The public half with `kid`, `alg` and `use`, as it is published. */
  readonly publicJwk: JsonObject
  readonly #key: KeyObject

  private constructor(algorithm: IssuingAlgorithm, key: KeyObject) {
    const jwk = { ...createPublicKey(key).export({ format: 'jwk' }) }
    const keyId = jwkThumbprint(jwk)
    if (keyId === undefined) throw new TypeError('a key without a thumbprint')
    this.algorithm = algorithm
    this.keyId = keyId
    this.publicJwk = Object.freeze({ ...jwk, kid: keyId, alg: algorithm, use: 'sig' })
    this.#key = key
  }

  /** Makes a key. */
  static async generate(algorithm: IssuingAlgorithm): Promise<SigningKey> {
    const { privateKey } = await GENERATORS[algorithm]()
    return new SigningKey(algorithm, privateKey)
  }

  /** Reads what {@link SigningKey.export} wrote. */
  static read(algorithm: IssuingAlgorithm, pkcs8: Uint8Array): SigningKey {
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    return new SigningKey(algorithm, key)
  }

  /** DER of the PKCS #8 form, in the clear: to be sealed at once. */
  export(): Uint8Array {
    return this.#key.export({ format: 'der', type: 'pkcs8' })
  }

  /** A signed token in the compact form. */
  sign(type: string, claims: JsonObject): string {
    const header = { alg: this.algorithm, typ: type, kid: this.keyId }
    const signed = `${encodeBase64url(JSON.stringify(header))}.${encodeBase64url(JSON.stringify(claims))}`
    const signature = sign(HASHES[this.algorithm], Buffer.from(signed), {
      key: this.#key,
      dsaEncoding: 'ieee-p1363',
    })
    return `${signed}.${encodeBase64url(signature)}`
  }
}

const generate = promisify(generateKeyPair)

const GENERATORS: Readonly<Record<IssuingAlgorithm, () => Promise<{ privateKey: KeyObject }>>> = {
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generate('ed25519', {}),
  'ML-DSA-65': () => generate('ml-dsa-65', {}),
}

const HASHES: Readonly<Record<IssuingAlgorithm, string | null>> = {
  ES256: 'sha256',
  EdDSA: null,
  'ML-DSA-65': null,
}
