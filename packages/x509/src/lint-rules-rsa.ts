/**
 * Lint rules about RSA keys.
 *
 * @module
 */
import { DerReader } from './der-reader.ts'
import { ALL, type CertificateRule } from './lint-rule.ts'
import { keyBits } from './lint-rules-keys.ts'
import { OID } from './oid.ts'
import type { PublicKey } from './public-key.ts'
import { rsaFactorFault } from './rsa-factors.ts'

/** The rules of this file. */
export const RSA_RULES: readonly CertificateRule[] = [
  {
    id: 'rsa-too-small',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an RSA key of fewer than 2048 bits',
    citation: 'NIST SP 800-131A §3, CA/Browser Forum BR §6.1.5',
    fix: 'Make a new key: P-256, or RSA with 2048 bits or more.',
    refusedBy: ['node', 'python-strict'],
    find: ({ publicKey }) => {
      const bits = rsaBits(publicKey)
      return bits !== undefined && bits < 2048
        ? `an RSA key of ${bits} bits, fewer than 2048`
        : undefined
    },
  },
  {
    id: 'rsa-too-large',
    varies: true,
    severity: 'warning',
    profiles: ALL,
    about: 'an RSA key of more than 8192 bits: every handshake pays for it',
    citation: 'CVE-2023-29409',
    fix: 'Make a new key: P-384 is as strong as RSA with 7680 bits.',
    find: ({ publicKey }) => {
      const bits = rsaBits(publicKey)
      return bits !== undefined && bits > 8192
        ? `an RSA key of ${bits} bits: every handshake pays for it`
        : undefined
    },
  },
  {
    id: 'rsa-exponent',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an RSA key whose exponent is even, below 65537 or above 256 bits',
    citation: 'FIPS 186-5 §A.1.1, CA/Browser Forum BR §6.1.6',
    fix: 'Make a new key, with the exponent 65537.',
    find: ({ publicKey }) => {
      const numbers = rsaNumbers(publicKey)
      if (numbers === undefined) return undefined
      const { exponent } = numbers
      const isSound = exponent >= 65_537n && exponent % 2n === 1n && exponent < 2n ** 256n
      return isSound ? undefined : `an RSA key with the exponent ${String(exponent).slice(0, 40)}`
    },
  },
  {
    id: 'rsa-modulus',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an RSA key whose modulus is negative or even',
    citation: 'RFC 8017 §3.1',
    fix: 'Make a new key.',
    find: ({ publicKey }) => {
      const numbers = rsaNumbers(publicKey)
      return numbers !== undefined && (numbers.modulus <= 0n || numbers.modulus % 2n === 0n)
    },
  },
  {
    id: 'rsa-factors',
    varies: true,
    severity: 'error',
    profiles: ALL,
    about: 'an RSA key with a small factor, or from a broken generator (ROCA)',
    citation: 'CVE-2017-15361, CA/Browser Forum BR §6.1.6',
    fix: 'Make a new key, with another tool or another version of it.',
    find: ({ publicKey }) => {
      const numbers = rsaNumbers(publicKey)
      // One that is even has a rule of its own.
      return numbers === undefined || numbers.modulus % 2n === 0n
        ? undefined
        : rsaFactorFault(numbers.modulus)
    },
  },
  {
    id: 'rsa-pss-key',
    severity: 'warning',
    profiles: ALL,
    about: 'a key that is for RSASSA-PSS only: few clients take it in TLS',
    citation: 'RFC 4055 §3.1',
    fix: 'Make an ordinary RSA key, or better P-256; TLS 1.3 signs with PSS all the same.',
    find: ({ publicKey }) => publicKey.algorithm === OID.rsaPss,
  },
]

function rsaBits(key: PublicKey): number | undefined {
  return key.description.startsWith('RSA') ? Number(key.description.split(' ')[1]) : undefined
}

function rsaNumbers(key: PublicKey): { modulus: bigint; exponent: bigint } | undefined {
  if (!key.description.startsWith('RSA')) return undefined
  const numbers = DerReader.open(keyBits(key), 'RSA public key').sequence('RSAPublicKey')
  return { modulus: numbers.bigInteger('modulus'), exponent: numbers.bigInteger('exponent') }
}
