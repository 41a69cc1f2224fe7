/**
 * Certificates put together by hand, for what the builder refuses to build.
 *
 * @module
 */
import {
  asciiString,
  bitString,
  context,
  type DerNode,
  element,
  encodeDer,
  integer,
  octetString,
  oid,
  sequence,
  setOf,
  time,
  utf8String,
} from '../src/der-writer.ts'
import { boolean } from '../src/der-writer.ts'
import { PrivateKey } from '../src/private-key.ts'

/** Parts that differ from a plain, self-signed P-256 certificate. */
export interface HandMadeParts {
  version?: DerNode
  serialNumber?: DerNode
  algorithm?: DerNode
  innerAlgorithm?: DerNode
  issuer?: DerNode
  validity?: DerNode
  subject?: DerNode
  spki?: DerNode
  /** Behind the public key, before the extensions. */
  uniqueIds?: DerNode[]
  extensions?: DerNode[]
  signature?: DerNode
}

export const handKey: PrivateKey = PrivateKey.generateSync('p256')

/** DER of a certificate whose parts are taken as they are; the signature fits. */
export function handMade(parts: HandMadeParts = {}): Uint8Array {
  const signer = handKey.signer()
  const algorithm = parts.algorithm ?? signer.signatureAlgorithm
  const extensions = parts.extensions ?? []
  const tbs = encodeDer(
    sequence(
      parts.version ?? context(0, integer(2)),
      parts.serialNumber ?? integer(1),
      parts.innerAlgorithm ?? algorithm,
      parts.issuer ?? name([attribute('2.5.4.3', utf8String('hand-made'))]),
      parts.validity ?? sequence(time(new Date(1e12)), time(new Date(2e12))),
      parts.subject ?? name([attribute('2.5.4.3', utf8String('hand-made'))]),
      parts.spki ?? handKey.publicKey.spki,
      ...(parts.uniqueIds ?? []),
      ...(extensions.length === 0 ? [] : [context(3, sequence(...extensions))]),
    ),
  )
  return encodeDer(sequence(tbs, algorithm, parts.signature ?? bitString(signer.sign(tbs))))
}

/** A name of relative names. */
export function name(...rdns: DerNode[][]): DerNode {
  return sequence(...rdns.map((rdn) => setOf(...rdn)))
}

/** An attribute of a name. */
export function attribute(type: string, value: DerNode): DerNode {
  return sequence(oid(type), value)
}

/** A string of any tag. */
export function text(tag: number, value: string | Uint8Array): DerNode {
  return typeof value === 'string' ? asciiString(value, tag) : element(tag, value)
}

/** An extension. */
export function extension(dotted: string, value: DerNode, critical = false): DerNode {
  return sequence(oid(dotted), ...(critical ? [boolean(true)] : []), octetString(value))
}
