import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { KEY_TYPES, PrivateKey, PublicKey } from '@countersign/x509'
import { serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

/** A modulus of 2048 bits with no small factor. */
const SOUND = (() => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return BigInt(
    `0x${Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex')}`,
  )
})()

describe('a public key', () => {
  const suite = suiteAuthority()

  const certify = async (publicKey: PublicKey): Promise<unknown> =>
    suite.current.authority.issue(serverRequest({ publicKey }))

  it('of every type we make gets a certificate, and so do P-521, Ed448 and RSA of other sizes', async () => {
    for (const type of KEY_TYPES.filter((one) => !one.startsWith('rsa'))) {
      await certify(PrivateKey.generateSync(type).publicKey)
    }
    await certify(rsa(SOUND, 65_537n))
    await certify(ec('P-521'))
    await certify(fromNode(generateKeyPairSync('ed448').publicKey))
    const kinds = (await suite.current.authority.list({ limit: 3 })).map((entry) => entry.keyType)
    assert.deepEqual(kinds.toSorted(), ['Ed448', 'P-521', 'rsa2048'])
  })

  it('that is short, on a small curve or DSA is refused', async () => {
    for (const curve of ['secp192k1', 'P-224', 'secp256k1']) {
      await assert.rejects(certify(ec(curve)), { code: 'key-weak', message: /curve/ }, curve)
    }
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    await assert.rejects(certify(fromNode(short)), { code: 'key-weak', message: /1024 bits/ })
    const dsa = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).publicKey
    await assert.rejects(certify(fromNode(dsa)), { code: 'key-weak', message: /DSA/ })
  })

  it('with a small or even exponent is refused', async () => {
    for (const exponent of [3n, 17n, 65_535n, 65_538n]) {
      await assert.rejects(certify(rsa(SOUND, exponent)), { code: 'key-weak' }, String(exponent))
    }
  })

  it('with a modulus that has a small factor, or the mark of a broken generator, is refused', async () => {
    const multiple = SOUND - (SOUND % 751n)
    const odd = multiple % 2n === 0n ? multiple + 751n : multiple
    await assert.rejects(certify(rsa(odd, 65_537n)), { code: 'key-weak', message: /divisible/ })
    // 65537 to a power, modulo the product of the primes the mark is looked for in, plus a multiple of that product.
    let product = 1n
    for (let candidate = 3n; candidate <= 167n; candidate += 2n) {
      if (isPrime(candidate)) product *= candidate
    }
    const residue = modularPower(65_537n, 123_457n, product)
    let modulus = residue + product * ((1n << 2047n) / product + 1n)
    while (modulus % 2n === 0n || hasSmallFactor(modulus)) modulus += product
    await assert.rejects(certify(rsa(modulus, 65_537n)), { code: 'key-weak', message: /ROCA/ })
  })

  it('that would slow every client down, or cannot sign, is refused', async () => {
    await assert.rejects(certify(rsa((SOUND ** 5n) | 1n, 65_537n)), { code: 'key-unsupported' })
    const agreement = fromNode(generateKeyPairSync('x25519').publicKey)
    await assert.rejects(certify(agreement), { code: 'key-unsupported' })
  })

  it('of the authority itself is refused', async () => {
    const { authority } = suite.current
    for (const certificate of [...authority.roots, authority.issuer]) {
      await assert.rejects(certify(certificate.publicKey), { code: 'key-is-ca' })
    }
  })
})

function fromNode(key: KeyObject): PublicKey {
  return PublicKey.parse(key.export({ type: 'spki', format: 'der' }))
}

function ec(namedCurve: string): PublicKey {
  return fromNode(generateKeyPairSync('ec', { namedCurve }).publicKey)
}

/** An RSA key of any numbers; nobody has its private half. */
function rsa(modulus: bigint, exponent: bigint): PublicKey {
  const jwk = { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) }
  return fromNode(createPublicKey({ key: jwk, format: 'jwk' }))
}

function base64url(number: bigint): string {
  const hex = number.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}

function isPrime(candidate: bigint): boolean {
  for (let divisor = 2n; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0n) return false
  }
  return true
}

function hasSmallFactor(modulus: bigint): boolean {
  for (let candidate = 3n; candidate < 752n; candidate += 2n) {
    if (modulus % candidate === 0n) return true
  }
  return false
}

function modularPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let power = base % modulus, left = exponent; left > 0n; left >>= 1n) {
    if (left % 2n === 1n) result = (result * power) % modulus
    power = (power * power) % modulus
  }
  return result
}
