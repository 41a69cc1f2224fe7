import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { requireTool, runCommand, skipWithout, temporaryFolder } from '@countersign/testkit'
import * as fc from 'fast-check'
import { type DerNode, encodeDer, integer, octetString, oid, sequence } from '../src/der-writer.ts'
import { X509Error } from '../src/errors.ts'
import { OID } from '../src/oid.ts'
import { decryptPkcs8, encryptPkcs8 } from '../src/pbes.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pkcs8 = new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }))
const fast = { iterations: 1000 }

describe('encryptPkcs8', () => {
  it('is undone by decryptPkcs8, for any passphrase', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (passphrase) => {
        const encrypted = encryptPkcs8(pkcs8, passphrase, fast)
        assert.deepEqual(Buffer.from(decryptPkcs8(encrypted, passphrase)), Buffer.from(pkcs8))
      }),
      { numRuns: 20 },
    )
  })

  it('is read by Node with 600,000 rounds by default', () => {
    const key = createPrivateKey({
      key: Buffer.from(encryptPkcs8(pkcs8, 'correct horse')),
      format: 'der',
      type: 'pkcs8',
      passphrase: 'correct horse',
    })
    assert.ok(key.equals(privateKey))
  })

  it('is read by openssl', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const file = path.join(temporaryFolder(t), 'key.der')
    writeFileSync(file, encryptPkcs8(pkcs8, 'correct horse', fast))
    const args = ['pkcs8', '-inform', 'DER', '-in', file, '-passin', 'pass:correct horse']
    const { code, stdout, stderr } = await runCommand(openssl, args)
    assert.equal(code, 0, stderr)
    assert.ok(createPrivateKey(stdout).equals(privateKey))
  })

  it('never encrypts twice to the same bytes', () => {
    const once = encryptPkcs8(pkcs8, 'x', fast)
    assert.notDeepEqual(once, encryptPkcs8(pkcs8, 'x', fast))
  })

  it('refuses an empty passphrase and a useless number of rounds', () => {
    assert.throws(() => encryptPkcs8(pkcs8, ''), { code: 'passphrase-missing' })
    for (const iterations of [0, 999, 1.5, Number.NaN, 5_000_001]) {
      assert.throws(() => encryptPkcs8(pkcs8, 'x', { iterations }), { code: 'key-unsupported' })
    }
  })
})

describe('decryptPkcs8', { skip: skipWithout('openssl') }, () => {
  const modern = [
    ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA256'],
    ['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA384'],
    ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512'],
    ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA1'],
    ['-scrypt'],
  ]
  for (const flags of modern) {
    it(`reads what openssl writes with ${flags.join(' ')}`, async (t) => {
      const encrypted = await byOpenssl(t, flags)
      const key = decryptPkcs8(encrypted, 'correct horse')
      assert.deepEqual(Buffer.from(key), Buffer.from(pkcs8))
      assert.throws(() => decryptPkcs8(encrypted, 'wrong'), { code: 'passphrase-wrong' })
    })
  }

  const legacy = [
    ['-v1', 'PBE-SHA1-3DES'],
    ['-v2', 'des3'],
  ]
  for (const flags of legacy) {
    it(`refuses ${flags.join(' ')}, with the command that converts it`, async (t) => {
      const encrypted = await byOpenssl(t, flags)
      assert.throws(() => decryptPkcs8(encrypted, 'correct horse'), {
        code: 'key-unsupported',
        message: /encrypted with .*DES/,
        hint: /openssl pkcs8 -topk8/,
      })
    })
  }
})

describe('decryptPkcs8 of hostile input', () => {
  const encrypted = encryptPkcs8(pkcs8, 'correct horse', fast)

  it('answers passphrase-wrong for every wrong passphrase, also where the padding fits by chance', () => {
    for (let index = 0; index < 600; index++) {
      assert.throws(() => decryptPkcs8(encrypted, `wrong ${index}`), { code: 'passphrase-wrong' })
    }
  })

  it('does not begin work above its limits', () => {
    const salt = octetString(new Uint8Array(16))
    const pbkdf2 = (iterations: number): DerNode =>
      sequence(oid(OID.pbkdf2), sequence(salt, integer(iterations)))
    const scrypt = (n: number, r: number, p: number): DerNode =>
      sequence(oid('1.3.6.1.4.1.11591.4.11'), sequence(salt, integer(n), integer(r), integer(p)))
    const hostile = [
      pbkdf2(0),
      pbkdf2(5_000_001),
      pbkdf2(0x7fff_ffff),
      scrypt(0, 8, 1),
      scrypt(3, 8, 1),
      scrypt(16, 0, 1),
      scrypt(2 ** 30, 8, 1),
      scrypt(2 ** 20, 8, 1),
      scrypt(2 ** 14, 8, 1000),
      scrypt(2, 0x7fff_ffff, 0x7fff_ffff),
    ]
    for (const kdf of hostile) {
      const encryption = sequence(oid(OID.aes256Cbc), octetString(new Uint8Array(16)))
      const scheme = sequence(oid(OID.pbes2), sequence(kdf, encryption))
      const der = encodeDer(sequence(scheme, octetString(new Uint8Array(64))))
      assert.throws(() => decryptPkcs8(der, 'x'), { code: 'key-unsupported', message: /allowed/ })
    }
  })

  it('throws X509Error only, whatever bytes are changed', () => {
    fc.assert(
      fc.property(
        fc.nat(encrypted.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(3),
        (offset, value, cut) => {
          const mutated = Uint8Array.from(encrypted).subarray(0, encrypted.length - cut)
          mutated[offset] = value
          const error = caught(() => decryptPkcs8(mutated, 'correct horse'))
          assert.ok(error === undefined || error instanceof X509Error, String(error))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('throws X509Error only, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.ok(caught(() => decryptPkcs8(bytes, 'x')) instanceof X509Error)
      }),
      { numRuns: 300 },
    )
  })
})

function caught(work: () => unknown): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}

async function byOpenssl(
  t: { after(hook: () => void): void },
  flags: readonly string[],
): Promise<Uint8Array> {
  const folder = temporaryFolder(t)
  const [plain, encrypted] = [path.join(folder, 'plain.der'), path.join(folder, 'encrypted.der')]
  writeFileSync(plain, pkcs8)
  const inOut = ['-inform', 'DER', '-outform', 'DER', '-in', plain, '-out', encrypted]
  const args = ['pkcs8', '-topk8', ...inOut, '-passout', 'pass:correct horse', ...flags]
  const { code, stderr } = await runCommand('openssl', args)
  assert.equal(code, 0, stderr)
  return new Uint8Array(readFileSync(encrypted))
}
