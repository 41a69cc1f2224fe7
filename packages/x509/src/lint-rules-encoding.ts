/**
 * Lint rules about how a certificate is written: version, serial number, times, algorithms, defaults that were spelt out.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { TAG } from './der-tags.ts'
import { X509Error } from './errors.ts'
import { hexSerial } from './extension-readers.ts'
import { type CertificateEncoding, encodedExtensions, type EncodedTime } from './lint-encoding.ts'
import { ALL, type EncodingRule, LEAVES } from './lint-rule.ts'
import { OID } from './oid.ts'
import { oidName } from './oid-names.ts'

/** The rules of this file. */
export const ENCODING_RULES: readonly EncodingRule[] = [
  {
    id: 'version-below-3',
    severity: 'error',
    profiles: ALL,
    about: 'not version 3: it has no extensions, so no names, no purpose and no basic constraints',
    citation: 'RFC 5280 §4.1.2.1',
    fix: 'Issue it as version 3; with openssl x509 -req that takes -extfile.',
    findInEncoding: ({ version, extensionElements: extensions }) =>
      version !== undefined && version < 3 && extensions === undefined
        ? `version ${version}: it has no extensions, so no names, no purpose and no basic constraints`
        : undefined,
  },
  {
    id: 'version-without-extensions',
    severity: 'error',
    profiles: ALL,
    about: 'extensions in a certificate that is not version 3',
    citation: 'RFC 5280 §4.1.2.1',
    fix: 'Issue it as version 3.',
    findInEncoding: ({ version, extensionElements: extensions }) =>
      version !== undefined && version < 3 && extensions !== undefined
        ? `extensions in a certificate of version ${version}`
        : undefined,
  },
  {
    id: 'serial-zero',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'the serial number is 0',
    citation: 'RFC 5280 §4.1.2.2',
    fix: 'Issue it with a positive, random serial number of 16 bytes.',
    findInEncoding: ({ serialNumber }) =>
      serialNumber !== undefined &&
      serialNumber.length > 0 &&
      serialNumber.every((byte) => byte === 0),
  },
  {
    id: 'serial-negative',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'the serial number is negative',
    citation: 'RFC 5280 §4.1.2.2',
    fix: 'Issue it with a positive serial number: clear the top bit of random bytes.',
    findInEncoding: ({ serialNumber }) =>
      serialNumber !== undefined && (serialNumber[0] ?? 0) >= 0x80
        ? `the serial number ${hexSerial(serialNumber).slice(0, 48)} is negative`
        : undefined,
  },
  {
    id: 'serial-too-long',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'the serial number has more than 20 octets',
    citation: 'RFC 5280 §4.1.2.2',
    fix: 'Issue it with 16 random bytes; 20 with the top bit set are encoded as 21.',
    findInEncoding: ({ serialNumber }) =>
      serialNumber !== undefined && serialNumber.length > 20
        ? `the serial number has ${serialNumber.length} octets, more than 20`
        : undefined,
  },
  {
    id: 'serial-short',
    varies: true,
    severity: 'warning',
    profiles: [...LEAVES, 'issuer'],
    about: 'the serial number has fewer than 8 octets: it can be guessed, and will be used again',
    citation: 'CA/Browser Forum BR §7.1',
    fix: 'Issue it with 16 random bytes; browsers refuse a serial number that an issuer used twice.',
    findInEncoding: ({ serialNumber }) =>
      serialNumber !== undefined && serialNumber.length < 8
        ? `the serial number has ${octets(serialNumber.length)}: it can be guessed, and will be used again`
        : undefined,
  },
  {
    id: 'validity-fraction',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a time with fractions of a second',
    citation: 'RFC 5280 §4.1.2.5.2',
    fix: 'Cut the times to whole seconds.',
    findInEncoding: (encoding) =>
      aboutTimes(encoding, (_, text) => (/[.,]/.test(text) ? 'has a fraction' : undefined)),
  },
  {
    id: 'validity-form',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a time without seconds or not in UTC',
    citation: 'RFC 5280 §4.1.2.5',
    fix: 'Write YYMMDDHHMMSSZ through 2049 and YYYYMMDDHHMMSSZ from 2050.',
    findInEncoding: (encoding) =>
      aboutTimes(encoding, (tag, text) => {
        const digits = tag === TAG.utcTime ? 12 : 14
        const whole = text.replace(/[.,]\d*/, '')
        return whole.length === digits + 1 && /^\d+Z$/.test(whole)
          ? undefined
          : 'is no time with seconds in UTC'
      }),
  },
  {
    id: 'validity-generalized-before-2050',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'a time before 2050 as GeneralizedTime',
    citation: 'RFC 5280 §4.1.2.5',
    fix: 'Write times through 2049 as UTCTime.',
    findInEncoding: (encoding) =>
      aboutTimes(encoding, (tag, text) =>
        tag === TAG.generalizedTime && text < '2050'
          ? 'is before 2050 and a GeneralizedTime'
          : undefined,
      ),
  },
  {
    id: 'validity-utc-after-2049',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an end after 2049 as UTCTime, which reads as the last century',
    citation: 'RFC 5280 §4.1.2.5.1',
    fix: 'Write times from 2050 as GeneralizedTime.',
    findInEncoding: ({ notBefore, notAfter }) => {
      if (notAfter?.tag !== TAG.utcTime || notAfter.isPlain) return undefined
      const text = textOf(notAfter)
      return text >= '50' && yearOf(notBefore) >= 2000
        ? `notAfter ${JSON.stringify(text)} as UTCTime reads as 19${text.slice(0, 2)}`
        : undefined
    },
  },
  {
    id: 'extension-twice',
    severity: 'error',
    profiles: ALL,
    about: 'the same extension twice',
    citation: 'RFC 5280 §4.2',
    fix: 'Write each extension once.',
    findInEncoding: (encoding) => {
      const extensions = encodedExtensions(encoding) ?? []
      const twice = extensions.find(
        ({ oid }, index) => extensions.findIndex((other) => other.oid === oid) < index,
      )
      return twice && `the extension ${oidName(twice.oid) ?? twice.oid} is there twice`
    },
  },
  {
    id: 'extensions-empty',
    severity: 'error',
    profiles: ALL,
    about: 'a list of extensions with nothing in it',
    citation: 'RFC 5280 §4.1',
    fix: 'Leave the field out, or better: write the extensions a certificate needs.',
    findInEncoding: ({ extensionElements }) => extensionElements?.length === 0,
  },
  {
    id: 'extension-critical-false',
    severity: 'warning',
    profiles: ALL,
    about: 'an extension says critical: FALSE, the default that DER leaves out',
    citation: 'X.690 §11.5',
    fix: 'Leave the flag out where it is FALSE.',
    findInEncoding: (encoding) => {
      const extensions = encodedExtensions(encoding) ?? []
      const explicit = extensions.find(({ critical }) => critical === 'false')
      return (
        explicit &&
        `the extension ${oidName(explicit.oid) ?? explicit.oid} says critical: FALSE, the default that DER leaves out`
      )
    },
  },
  {
    id: 'basic-constraints-false',
    severity: 'warning',
    profiles: ALL,
    about: 'basic constraints say cA: FALSE, the default that DER leaves out',
    citation: 'X.690 §11.5',
    fix: 'Write an empty sequence, or leave basic constraints out of a leaf.',
    findInEncoding: (encoding) => {
      const value = valueOf(encoding, OID.basicConstraints)
      // SEQUENCE, then BOOLEAN FALSE.
      return value?.[2] === TAG.boolean && value[4] === 0
    },
  },
  {
    id: 'key-usage-padding',
    severity: 'warning',
    profiles: ALL,
    about: 'the key usage has zero bits at its end, which DER cuts off',
    citation: 'X.690 §11.2.2',
    fix: 'End the bit string at its last bit that is set.',
    findInEncoding: (encoding) => {
      const value = valueOf(encoding, OID.keyUsage)
      const unused = value?.[2]
      const last = value?.at(-1)
      if (value === undefined || unused === undefined || last === undefined) return undefined
      return value.length > 3 && (last === 0 || (last & (1 << unused)) === 0)
    },
  },
  {
    id: 'unique-identifiers',
    severity: 'error',
    profiles: ALL,
    about: 'unique identifiers of issuer or subject',
    citation: 'RFC 5280 §4.1.2.8',
    fix: 'Leave them out; key identifiers took their place.',
    findInEncoding: ({ hasUniqueIds }) => hasUniqueIds,
  },
  {
    id: 'algorithm-mismatch',
    severity: 'error',
    profiles: ALL,
    about: 'the signature algorithm inside the signed part is not the one beside the signature',
    citation: 'RFC 5280 §4.1.1.2',
    fix: 'Write the same identifier in both places.',
    findInEncoding: ({ innerAlgorithm, outerAlgorithm }) =>
      innerAlgorithm !== undefined &&
      outerAlgorithm !== undefined &&
      Buffer.compare(innerAlgorithm, outerAlgorithm) !== 0,
  },
  {
    id: 'algorithm-parameters',
    severity: 'error',
    profiles: ALL,
    about: 'the signature algorithm has parameters it must not have, or lacks the NULL of RSA',
    citation: 'RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3, RFC 9881 §2',
    fix: 'Write NULL for RSA with PKCS #1 v1.5 and nothing for ECDSA, EdDSA and ML-DSA.',
    findInEncoding: ({ innerAlgorithm }) =>
      innerAlgorithm !== undefined && hasWrongParameters(innerAlgorithm),
  },
  {
    id: 'key-parameters',
    severity: 'error',
    profiles: ALL,
    about:
      'the public key has parameters it must not have, or lacks its named curve or the NULL of RSA',
    citation: 'RFC 3279 §2.3.1, RFC 5480 §2.1.1, RFC 8410 §3, RFC 9881 §4',
    fix: 'Write NULL for RSA, a named curve for ECDSA and nothing for EdDSA and ML-DSA.',
    findInEncoding: ({ spki }) =>
      spki !== undefined &&
      tolerant(() => {
        const info = DerReader.open(spki, 'public key').sequence('SubjectPublicKeyInfo')
        return hasWrongParameters(info.element('algorithm', TAG.sequence))
      }),
  },
]

function aboutTimes(
  { notBefore, notAfter }: CertificateEncoding,
  problem: (tag: number, text: string) => string | undefined,
): string | undefined {
  for (const time of [notBefore, notAfter]) {
    if (time === undefined || time.isPlain) continue
    const found = problem(time.tag, textOf(time))
    const part = time === notBefore ? 'notBefore' : 'notAfter'
    if (found !== undefined) return `${part} ${JSON.stringify(textOf(time))} ${found}`
  }
  return undefined
}

function textOf({ bytes }: EncodedTime): string {
  return Buffer.from(bytes).toString('latin1')
}

function yearOf(time: EncodedTime | undefined): number {
  if (time === undefined) return 0
  const digits = Number(textOf(time).slice(0, time.tag === TAG.utcTime ? 2 : 4))
  return time.tag === TAG.utcTime ? (digits >= 50 ? 1900 : 2000) + digits : digits
}

function valueOf(encoding: CertificateEncoding, oid: string): Uint8Array | undefined {
  return encodedExtensions(encoding)?.find((extension) => extension.oid === oid)?.value
}

/** Of a signature or a key: what may follow the object identifier is fixed for every algorithm in use. */
function hasWrongParameters(algorithm: Uint8Array): boolean {
  return tolerant(() => {
    const identifier = DerReader.open(algorithm, 'algorithm').sequence('algorithm')
    const allowed = PARAMETERS.get(identifier.oid('algorithm'))
    return allowed !== undefined && identifier.peek() !== allowed
  })
}

/** What cannot be read is a finding of its own. */
function tolerant(ask: () => boolean): boolean {
  try {
    return ask()
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    return false
  }
}

function octets(count: number): string {
  return count === 1 ? '1 octet' : `${count} octets`
}

const NOTHING = -1
/** The tag that must follow the object identifier. */
const PARAMETERS: ReadonlyMap<string, number> = new Map<string, number>([
  [OID.rsaEncryption, TAG.null],
  [OID.md5WithRsa, TAG.null],
  [OID.sha1WithRsa, TAG.null],
  [OID.sha224WithRsa, TAG.null],
  [OID.sha256WithRsa, TAG.null],
  [OID.sha384WithRsa, TAG.null],
  [OID.sha512WithRsa, TAG.null],
  [OID.ecPublicKey, TAG.oid],
  [OID.ecdsaWithSha1, NOTHING],
  [OID.ecdsaWithSha224, NOTHING],
  [OID.ecdsaWithSha256, NOTHING],
  [OID.ecdsaWithSha384, NOTHING],
  [OID.ecdsaWithSha512, NOTHING],
  [OID.ed25519, NOTHING],
  [OID.ed448, NOTHING],
  [OID.mlDsa44, NOTHING],
  [OID.mlDsa65, NOTHING],
  [OID.mlDsa87, NOTHING],
])
