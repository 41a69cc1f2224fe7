/**
 * The integrity check of PKCS#12 (RFC 7292 §4 MacData and appendix B): an HMAC under a key derived from the password.
 *
 * @module
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { type DerNode, integer, nullValue, octetString, oid, sequence } from './der-writer.ts'
import { X509Error } from './errors.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'
import {
  bmpPassword,
  derivePkcs12Key,
  PKCS12_PURPOSE,
  type Pkcs12Digest,
  type Pkcs12KeyInput,
  SHA1,
  SHA256,
} from './pkcs12-kdf.ts'

/** MacData over `content`: an HMAC with 16 bytes of salt. */
export function makeMac(
  content: Uint8Array,
  password: string,
  iterations: number,
  digest: Pkcs12Digest = SHA256,
): DerNode {
  const salt = randomBytes(16)
  const id = digest === SHA1 ? OID.sha1 : OID.sha256
  const input = { digest, password: bmpPassword(password), salt, iterations }
  const mac = macOf(input, content)
  const digestInfo = sequence(sequence(oid(id), nullValue()), octetString(mac))
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
    const actual = macOf({ digest, password: bytes, salt, iterations }, content)
    return actual.length === expected.length && timingSafeEqual(actual, expected)
  })
}

function macOf(input: Omit<Pkcs12KeyInput, 'purpose'>, content: Uint8Array): Buffer {
  const purpose = PKCS12_PURPOSE.mac
  const { name, length } = input.digest
  const key = derivePkcs12Key({ ...input, purpose }, length)
  return createHmac(name, key).update(content).digest()
}

const DIGESTS: ReadonlyMap<string, Pkcs12Digest> = new Map([
  [OID.sha1, SHA1],
  [OID.sha224, { name: 'sha224', block: 64, length: 28 }],
  [OID.sha256, SHA256],
  [OID.sha384, { name: 'sha384', block: 128, length: 48 }],
  [OID.sha512, { name: 'sha512', block: 128, length: 64 }],
])

/** About a second of work. */
export const MAX_MAC_ITERATIONS = 1_000_000
const MAX_SALT = 1024
