import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { requireTool, runCommand, temporaryFolder } from '@countersign/testkit'
import { encodePem, KEY_TYPES, PrivateKey, PublicKey } from '../src/index.ts'
import { handKey, handMade } from './hand-made.ts'

const keys = new Map(
  KEY_TYPES.filter((type) => type !== 'rsa4096').map((type) => [
    type,
    PrivateKey.generateSync(type),
  ]),
)

describe('PrivateKey', () => {
  for (const [type, key] of keys) {
    it(`makes, writes, reads and signs with ${type}`, async () => {
      assert.equal(key.type, type)
      assert.equal(PrivateKey.parse(key.toPem()).type, type)
      const made = type.startsWith('rsa') ? key : await PrivateKey.generate(type)
      assert.equal(made.type, type)
      const read = PrivateKey.parse(key.toPem({ passphrase: 'geheim', iterations: 1000 }), {
        passphrase: 'geheim',
      })
      assert.ok(read.publicKey.equals(key.publicKey))
      const signer = read.signer()
      const tbs = Buffer.from('to be signed')
      const hash = type === 'p384' ? 'sha384' : /^(?:p256|rsa)/.test(type) ? 'sha256' : null
      assert.ok(verify(hash, tbs, key.publicKey.keyObject, signer.sign(tbs)))
    })
  }

  it('reads SEC 1, PKCS #1 and both as DER', () => {
    const pairs: [KeyObject, 'sec1' | 'pkcs1', string][] = [
      [generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'sec1', 'EC PRIVATE KEY'],
      [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'pkcs1', 'RSA PRIVATE KEY'],
    ]
    for (const [keyObject, type, label] of pairs) {
      const der = keyObject.export({ format: 'der', type })
      const spki = createPublicKey(keyObject).export({ format: 'der', type: 'spki' })
      for (const input of [der, encodePem(label, der), Buffer.from(encodePem(label, der))]) {
        assert.deepEqual(Buffer.from(PrivateKey.parse(input).publicKey.spki), spki)
      }
    }
  })

  it('reads the key of a PEM that holds certificates and parameters too', () => {
    const certificate = encodePem('CERTIFICATE', handMade())
    const parameters = encodePem('EC PARAMETERS', Buffer.from('06082a8648ce3d030107', 'hex'))
    const text = certificate + parameters + handKey.toPem() + certificate
    assert.ok(PrivateKey.parse(text).publicKey.equals(handKey.publicKey))
  })

  it('reads keys that it does not make, without a type', () => {
    for (const { privateKey } of [
      generateKeyPairSync('ec', { namedCurve: 'P-521' }),
      generateKeyPairSync('ed448'),
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
    ]) {
      const key = PrivateKey.parse(privateKey.export({ format: 'der', type: 'pkcs8' }))
      assert.equal(key.type, undefined)
      assert.ok(key.signer().sign(new Uint8Array(3)).length > 0)
    }
    const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey
    const key = PrivateKey.parse(pss.export({ format: 'der', type: 'pkcs8' }))
    assert.equal(key.publicKey.description, 'RSA-PSS 2048')
    assert.throws(() => key.signer(), { code: 'key-unsupported' })
  })

  it('refuses a key that cannot sign', () => {
    const { privateKey } = generateKeyPairSync('x25519')
    const der = privateKey.export({ format: 'der', type: 'pkcs8' })
    assert.throws(() => PrivateKey.parse(der, { source: 'x.key' }), {
      code: 'key-unsupported',
      message: 'x.key: a x25519 key cannot sign',
    })
  })

  it('says when the passphrase is missing or wrong', () => {
    const pem = handKey.toPem({ passphrase: 'right', iterations: 1000 })
    const parse = (passphrase?: string): unknown =>
      PrivateKey.parse(pem, { passphrase, source: 'a.key' })
    assert.throws(() => parse(), { code: 'passphrase-missing', source: 'a.key' })
    assert.throws(() => parse(''), { code: 'passphrase-missing' })
    for (let attempt = 0; attempt < 300; attempt++) {
      assert.throws(() => parse(`wrong ${attempt}`), { code: 'passphrase-wrong', source: 'a.key' })
    }
    assert.throws(() => handKey.toPem({ passphrase: '' }), { code: 'passphrase-missing' })
  })

  it('says what else the input is', () => {
    const certificate = encodePem('CERTIFICATE', handMade())
    const cases: [string | Uint8Array, string, RegExp][] = [
      [certificate, 'key-missing', /^a\.key holds no private key \(1 x CERTIFICATE\)$/],
      [handMade(), 'key-missing', /holds a certificate or request, not a private key/],
      [handKey.publicKey.spki, 'key-missing', /holds a public key/],
      [handKey.publicKey.pem, 'key-missing', /1 x PUBLIC KEY/],
      [handKey.toPem() + handKey.toPem(), 'key-several', /holds 2 private keys/],
      ['', 'pem-empty', /^a\.key is empty$/],
      [new Uint8Array(), 'pem-empty', /^a\.key is empty$/],
      ['hello', 'pem-empty', /no PEM block/],
      [Buffer.from('hello'), 'key-malformed', /neither PEM nor DER/],
      [Uint8Array.of(0x30, 0x00), 'key-malformed', /no private key/],
      [
        encodePem('OPENSSH PRIVATE KEY', new Uint8Array(9)),
        'key-unsupported',
        /OPENSSH PRIVATE KEY/,
      ],
      [encodePem('PRIVATE KEY', new Uint8Array(9)), 'key-malformed', /cannot be used/],
      [Buffer.from(`\uFEFF${handKey.toPem()}`, 'utf16le'), 'key-malformed', /neither PEM nor DER/],
    ]
    for (const [input, code, message] of cases) {
      assert.throws(() => PrivateKey.parse(input, { source: 'a.key' }), {
        code,
        message,
        source: 'a.key',
      })
    }
  })

  it('shows how to convert what it does not read', () => {
    const old =
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n'
    assert.throws(() => PrivateKey.parse(old), {
      code: 'pem-malformed',
      hint: /openssl pkcs8 -topk8/,
    })
  })

  it('refuses unknown types and misspelt options', () => {
    const name: string = 'p265'
    assert.ok(isKeyType(name))
    assert.throws(() => PrivateKey.generateSync(name), {
      code: 'key-unsupported',
      hint: 'did you mean "p256"?',
    })
    const misspelt = { passphrase: undefined, pasphrase: 'x' }
    assert.throws(() => PrivateKey.parse('', { ...misspelt }), { code: 'option-unknown' })
    assert.throws(() => handKey.toPem({ ...misspelt }), { code: 'option-unknown' })
  })

  it('never shows its bytes', () => {
    const shown = `${JSON.stringify(handKey)}${inspect(handKey, { depth: 9 })}`
    const body = handKey.toPem().split('\n')[1] ?? ''
    assert.ok(!shown.includes(body.slice(20, 40)))
  })

  it('is read by openssl in every form', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    for (const type of ['p256', 'p384', 'ed25519', 'rsa2048'] as const) {
      const key = keys.get(type) ?? handKey
      for (const passphrase of [undefined, 'geheim']) {
        const file = path.join(folder, 'a.key')
        writeFileSync(file, key.toPem({ passphrase }))
        const { stdout, stderr } = await runCommand(openssl, [
          'pkey',
          '-in',
          file,
          '-passin',
          'pass:geheim',
          '-pubout',
        ])
        assert.equal(stdout, key.publicKey.pem, stderr)
      }
    }
  })
})

describe('PublicKey', () => {
  it('tells types apart and describes them', () => {
    const shown = [...keys].map(([type, key]) => [
      type,
      key.publicKey.type,
      key.publicKey.description,
    ])
    assert.deepEqual(shown, [
      ['p256', 'p256', 'P-256'],
      ['p384', 'p384', 'P-384'],
      ['ed25519', 'ed25519', 'Ed25519'],
      ['rsa2048', 'rsa2048', 'RSA 2048'],
      ['rsa3072', 'rsa3072', 'RSA 3072'],
      ['ml-dsa-44', 'ml-dsa-44', 'ML-DSA-44'],
      ['ml-dsa-65', 'ml-dsa-65', 'ML-DSA-65'],
      ['ml-dsa-87', 'ml-dsa-87', 'ML-DSA-87'],
    ])
  })

  it('describes keys it does not make', () => {
    const described = [
      generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
      generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }).publicKey,
      generateKeyPairSync('ed448').publicKey,
      generateKeyPairSync('x25519').publicKey,
      generateKeyPairSync('rsa', { modulusLength: 1031 }).publicKey,
    ].map((key) => PublicKey.parse(key.export({ format: 'der', type: 'spki' })))
    assert.deepEqual(
      described.map(({ type }) => type),
      Array(6).fill(undefined),
    )
    assert.deepEqual(
      described.map(({ description }) => description),
      ['P-521', 'secp256k1', 'elliptic curve 1.3.36.3.3.2.8.1.1.7', 'Ed448', 'X25519', 'RSA 1031'],
    )
  })

  it('is the same after PEM and DER', () => {
    for (const { publicKey } of keys.values()) {
      assert.ok(PublicKey.parse(publicKey.pem).equals(publicKey))
      assert.ok(PublicKey.parse(publicKey.spki).equals(publicKey))
    }
    assert.ok(!handKey.publicKey.equals(PrivateKey.generateSync('p256').publicKey))
  })

  it('refuses what is no public key, and points off the curve', () => {
    assert.throws(() => PublicKey.parse(handKey.toPem()), { code: 'key-missing', hint: /-pubout/ })
    assert.throws(() => PublicKey.parse(Uint8Array.of(0x30, 0x00)), { code: 'key-malformed' })
    const bent = Uint8Array.from(handKey.publicKey.spki)
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1
    assert.throws(() => PublicKey.parse(bent, 'a.pub'), {
      code: 'key-unsupported',
      source: 'a.pub',
    })
  })
})

/** Lets a test hand over what the compiler would refuse. */
function isKeyType(text: string): text is 'p256' {
  return text !== ''
}
