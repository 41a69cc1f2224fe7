/**
 * Tokens that bring the certificate of their key (`x5c`, RFC 7515 §4.1.6): used only where it chains to roots that are given, and
 * bears the one name that is given; any certificate of an authority would be too many signers.
 *
 * @module
 */
import {
  Certificate,
  type CertificateInput,
  type CrlInput,
  type ReferenceName,
  type TrustAnchors,
  verifyChain,
  X509Error,
} from '@countersign/x509'
import { type Clock, checkOptions } from '@countersign/core'
import { AuthError } from '../errors.ts'
import type { JwtAlgorithm } from './algorithms.ts'
import type { JsonObject } from './json-object.ts'
import type { KeySource } from './key-source.ts'
import { VerificationKey } from './verification-key.ts'
import { type JwtRefusal, refuseJwt } from './verdict.ts'

/** Whose certificates may sign. */
export interface SigningCertificates {
  roots: TrustAnchors | CertificateInput | readonly CertificateInput[]
  /** The name that the signer's certificate bears. */
  name: ReferenceName
  /** Revocation lists; with them the leaf has to be on none. */
  crls?: readonly CrlInput[] | undefined
}

/** Keys from certificates that tokens bring; another source for tokens that bring none. */
export class CertificateKeys implements KeySource {
  readonly #certificates: SigningCertificates
  readonly #algorithms: readonly JwtAlgorithm[]
  readonly #clock: Clock
  readonly #otherwise: KeySource | undefined

  constructor(
    certificates: SigningCertificates,
    algorithms: readonly JwtAlgorithm[],
    clock: Clock,
    otherwise: KeySource | undefined,
  ) {
    checkOptions(certificates, ['roots', 'name', 'crls'], 'createJwtVerifier: certificates')
    this.#certificates = certificates
    this.#algorithms = algorithms
    this.#clock = clock
    this.#otherwise = otherwise
  }

  find(header: JsonObject): ReturnType<KeySource['find']> {
    const { x5c } = header
    if (x5c !== undefined) return this.#verify(x5c, header['alg'])
    return (
      this.#otherwise?.find(header) ?? refuseJwt('key-unknown', 'the token brings no certificate')
    )
  }

  #verify(x5c: unknown, alg: unknown): VerificationKey | JwtRefusal {
    const chain = readChain(x5c)
    const [leaf, ...intermediates] = chain ?? []
    if (leaf === undefined) return refused('they are not those of a chain')
    const { roots, name, crls } = this.#certificates
    const verdict = verifyChain({
      leaf,
      intermediates,
      roots,
      name,
      purpose: 'any',
      time: this.#clock(),
      ...(crls === undefined ? {} : { crls, revocation: 'leaf' }),
    })
    if (!verdict.ok) return refused(verdict.message)
    try {
      const key = VerificationKey.fromKeyObject(leaf.publicKey.keyObject, this.#algorithms)
      if (key.algorithms.some((each) => each === alg)) return key
    } catch (error) {
      if (error instanceof AuthError || error instanceof X509Error) return refused(error.message)
      throw error
    }
    return refuseJwt(
      'algorithm-refused',
      'the token is not signed as the key of its certificate is used',
    )
  }
}

/** Base64, not base64url, of DER: RFC 7515 §4.1.6. */
function readChain(x5c: unknown): Certificate[] | undefined {
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > LONGEST_CHAIN) return undefined
  const chain: Certificate[] = []
  for (const text of x5c) {
    if (typeof text !== 'string') return undefined
    const der = Buffer.from(text, 'base64')
    if (der.toString('base64') !== text) return undefined
    try {
      chain.push(Certificate.parse(der))
    } catch (error) {
      if (error instanceof X509Error) return undefined
      throw error
    }
  }
  return chain
}

function refused(fault: string): JwtRefusal {
  return refuseJwt('certificate-refused', `the certificates of the token are refused: ${fault}`)
}

const LONGEST_CHAIN = 6
