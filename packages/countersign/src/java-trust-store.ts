/**
 * A Java trust store (JKS) that holds certificates and no key: what `-Djavax.net.ssl.trustStore` takes, made without Java.
 *
 * PKCS#12 would do as well, but Java passes over certificates in it that do not carry an attribute of Oracle's own. Java 8 and
 * later read JKS whatever their default type is (`keystore.type.compat`).
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Certificate } from '@countersign/x509'

/** The password of the store. It guards nothing: everything in it is public, and Java wants one. */
export const JAVA_STORE_PASSWORD = 'changeit'

/** The store as a file. */
export function javaTrustStore(certificates: readonly Certificate[], now: Date): Uint8Array {
  const entries = certificates.map((certificate) =>
    Buffer.concat([
      uint32(TRUSTED_CERTIFICATE),
      text(certificate.fingerprint),
      uint64(now.getTime()),
      text('X.509'),
      uint32(certificate.der.length),
      certificate.der,
    ]),
  )
  const content = Buffer.concat([
    uint32(MAGIC),
    uint32(VERSION),
    uint32(entries.length),
    ...entries,
  ])
  // The format's own check of integrity: SHA-1 over the password in UTF-16BE, a phrase and the content.
  const digest = createHash('sha1')
    .update(Buffer.from(JAVA_STORE_PASSWORD, 'utf16le').swap16())
    .update('Mighty Aphrodite')
    .update(content)
    .digest()
  return Buffer.concat([content, digest])
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

function uint64(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64BE(BigInt(value))
  return buffer
}

/** ASCII with its length before it. */
function text(value: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(value.length)
  return Buffer.concat([length, Buffer.from(value, 'ascii')])
}

const MAGIC = 0xfe_ed_fe_ed
const VERSION = 2
const TRUSTED_CERTIFICATE = 2
