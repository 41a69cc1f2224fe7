/**
 * The integrity check of PKCS#12 (RFC 7292 §4 MacData and appendix B): an HMAC under a key derived from the password.
 *
 * @module
 */
import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { type DerNode, integer, nullValue, octetString, oid, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'

/** MacData over `content`: HMAC-SHA-256 with 16 bytes of salt. */
export function makeMac(content: Uint8Array, password: string, iterations: number): DerNode {
  const salt = randomBytes(16)
  const key = deriveMacKey(SHA256, bmpPassword(password), salt, iterations)
  const digest = createHmac('sha256', key).update(content).digest()
  const digestInfo = sequence(sequence(oid(OID.sha256), nullValue()), octetString(digest))
  return sequence(digestInfo, octetString(salt), integer(iterations))
}

/**
 * Checks MacData over `content`.
 *
 * @param mac - inside MacData; read to its end
 * @returns false where the password is wrong or the content was changed: the two cannot be told apart
 * @throws {@link X509Error} `pkcs12-invalid` for an unknown digest or more work than is allowed
 */
export function checkMac(mac: DerReader, content: Uint8Array, password: string): boolean {
  const digestInfo = mac.sequence('mac digest')
  const algorithm = digestInfo.sequence('mac digest algorithm')
  const algorithmOid = algorithm.oid('mac digest algorithm')
  const expected = digestInfo.octetString('mac digest value')
  digestInfo.finish('mac digest')
  const salt = mac.octetString('mac salt')
  const iterations = mac.has(TAG.integer) ? mac.smallInteger('mac iterations') : 1
  mac.finish('mac')
  const digest = DIGESTS.get(algorithmOid)
  if (digest === undefined) {
    const name = oidName(algorithmOid) ?? algorithmOid
    throw new X509Error('pkcs12-invalid', `bundle: protected with ${name}, which is not supported`)
  }
  if (iterations < 1 || iterations > MAX_MAC_ITERATIONS || salt.length > MAX_SALT) {
    throw new X509Error(
      'pkcs12-invalid',
      `bundle: ${iterations} iterations over ${salt.length} bytes of salt, more than is allowed`,
    )
  }
  // Some write an empty password as no bytes at all, some as its terminator.
  const passwords = [bmpPassword(password), ...(password === '' ? [new Uint8Array()] : [])]
  return passwords.some((bytes) => {
    const key = deriveMacKey(digest, bytes, salt, iterations)
    const actual = createHmac(digest.name, key).update(content).digest()
    return actual.length === expected.length && timingSafeEqual(actual, expected)
  })
}

interface Digest {
  name: string
  /** Bytes of its input blocks. */
  block: number
}

/** The key derivation of RFC 7292 appendix B.2 for a key as long as the digest: one block of output. */
function deriveMacKey(
  digest: Digest,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Uint8Array {
  const diversifier = new Uint8Array(digest.block).fill(MAC_KEY_ID)
  const seed = [diversifier, fill(salt, digest.block), fill(password, digest.block)]
  let key = hash(digest.name, Buffer.concat(seed), 'buffer')
  for (let round = 1; round < iterations; round++) key = hash(digest.name, key, 'buffer')
  return key
}

/** Copies of `bytes` up to the next multiple of `block`; nothing for nothing. */
function fill(bytes: Uint8Array, block: number): Uint8Array {
  const filled = new Uint8Array(Math.ceil(bytes.length / block) * block)
  for (let index = 0; index < filled.length; index++) {
    filled[index] = bytes[index % bytes.length] ?? 0
  }
  return filled
}

/** A password as a BMPString with its terminator (RFC 7292 appendix B.1). */
function bmpPassword(password: string): Uint8Array {
  return Buffer.from(`${password}\0`, 'utf16le').swap16()
}

const SHA256: Digest = { name: 'sha256', block: 64 }
const DIGESTS: ReadonlyMap<string, Digest> = new Map([
  [OID.sha1, { name: 'sha1', block: 64 }],
  [OID.sha224, { name: 'sha224', block: 64 }],
  [OID.sha256, SHA256],
  [OID.sha384, { name: 'sha384', block: 128 }],
  [OID.sha512, { name: 'sha512', block: 128 }],
])

/** The purpose byte of the key derivation: 3 is integrity. */
const MAC_KEY_ID = 3
/** About a second of work. */
export const MAX_MAC_ITERATIONS = 1_000_000
const MAX_SALT = 1024
