import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import {
  requireTool,
  runCommand,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import * as fc from 'fast-check'
import {
  decodePkcs12,
  encodePkcs12,
  KEY_TYPES,
  PrivateKey,
  type Pkcs12Contents,
  X509Error,
} from '../src/index.ts'

const ca = testAuthority()
const alice = ca.issue({ names: ['alice'], client: true })

function contents(changes: Partial<Pkcs12Contents> = {}): Pkcs12Contents {
  const { certificate, key } = alice
  return { certificate, chain: [ca.issuer], key, password: 'secret', iterations: 2048, ...changes }
}

describe('encodePkcs12', () => {
  it('writes what decodePkcs12 reads back, for any password and name', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'binary' }).filter((text) => text.isWellFormed()),
        fc.string({ unit: 'grapheme' }),
        (password, friendlyName) => {
          const der = encodePkcs12(contents({ password, friendlyName, iterations: 1000 }))
          const read = decodePkcs12(der, password)
          assert.equal(read.certificate?.fingerprint, alice.certificate.fingerprint)
          assert.deepEqual(
            read.chain.map((certificate) => certificate.fingerprint),
            [ca.issuer.fingerprint],
          )
          assert.ok(read.key?.keyObject.equals(alice.key.keyObject))
          assert.equal(read.friendlyName, friendlyName)
        },
      ),
      { numRuns: 25 },
    )
  })

  it('takes keys of every type', async () => {
    for (const keyType of KEY_TYPES) {
      if (keyType === 'rsa3072' || keyType === 'rsa4096') continue
      const { certificate, key } = ca.issue({ names: ['a.test'], keyType })
      const read = decodePkcs12(encodePkcs12(contents({ certificate, key })), 'secret')
      assert.ok(read.key?.publicKey.equals(key.publicKey), keyType)
    }
  })

  it('is named after the common name unless told otherwise', () => {
    assert.equal(decodePkcs12(encodePkcs12(contents()), 'secret').friendlyName, 'alice')
  })

  it('refuses a key of another certificate, an empty password and a misspelt option', () => {
    const other = PrivateKey.generateSync('p256')
    assert.throws(() => encodePkcs12(contents({ key: other })), { code: 'pkcs12-invalid' })
    assert.throws(() => encodePkcs12(contents({ password: '' })), { code: 'passphrase-missing' })
    const misspelt = { ...contents(), friendlyname: 'x' }
    assert.throws(() => encodePkcs12(misspelt), { code: 'option-unknown', hint: /friendlyName/ })
  })

  it('is read by openssl, and uses nothing older than AES-256 and SHA-256', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const file = path.join(temporaryFolder(t), 'alice.p12')
    writeFileSync(file, encodePkcs12(contents({ password: 'sécret', iterations: undefined })))
    const args = ['pkcs12', '-in', file, '-passin', 'pass:sécret', '-info', '-nodes']
    const { code, stdout, stderr } = await runCommand(openssl, args)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /MAC: sha256, Iteration 100000/)
    const scheme = 'PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256'
    assert.match(stderr, new RegExp(`PKCS7 Encrypted data: ${scheme}`))
    assert.match(stderr, new RegExp(`Shrouded Keybag: ${scheme}`))
    assert.match(stdout, /friendlyName: alice/)
    assert.equal(stdout.match(/BEGIN CERTIFICATE/g)?.length, 2)
    assert.ok(PrivateKey.parse(stdout).publicKey.equals(alice.key.publicKey))
  })

  it('is on request what programs of old read: triple DES and SHA-1, by openssl -legacy', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const file = path.join(temporaryFolder(t), 'alice.p12')
    writeFileSync(file, encodePkcs12(contents({ legacy: true, iterations: undefined })))
    const args = ['pkcs12', '-in', file, '-passin', 'pass:secret', '-info', '-nodes']
    const { code, stdout, stderr } = await runCommand(openssl, [...args, '-legacy'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /MAC: sha1, Iteration 2048/)
    assert.match(stderr, /Encrypted data: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048/)
    assert.match(stderr, /Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048/)
    assert.equal(stdout.match(/BEGIN CERTIFICATE/g)?.length, 2)
    assert.ok(PrivateKey.parse(stdout).publicKey.equals(alice.key.publicKey))
    const wrong = await runCommand(openssl, [...args, '-legacy', '-passin', 'pass:other'])
    assert.notEqual(wrong.code, 0)
  })

  it('is never read in that form', () => {
    const old = encodePkcs12(contents({ legacy: true, iterations: undefined }))
    assert.throws(() => decodePkcs12(old, 'secret'), { code: 'pkcs12-legacy', hint: /-legacy/ })
    const empty = contents({ legacy: true, password: '' })
    assert.throws(() => encodePkcs12(empty), { code: 'passphrase-missing' })
  })

  for (const legacy of [false, true]) {
    it(`is read by keytool, ${legacy ? 'as of old' : 'as of now'}`, async (t) => {
      const keytool = requireTool(t, 'keytool')
      if (keytool === undefined) return
      const file = path.join(temporaryFolder(t), 'alice.p12')
      writeFileSync(file, encodePkcs12(contents({ legacy })))
      const args = ['-list', '-v', '-keystore', file, '-storepass', 'secret']
      const { code, stdout } = await runCommand(keytool, ['-J-Duser.language=en', ...args])
      assert.equal(code, 0, stdout)
      assert.match(stdout, /PrivateKeyEntry/)
      assert.match(stdout, /Certificate chain length: 2/)
    })

    it(`is read by NSS, ${legacy ? 'as of old' : 'as of now'}`, {
      skip: skipWithout('certutil', 'pk12util'),
    }, async (t) => {
      const folder = temporaryFolder(t)
      const file = path.join(folder, 'alice.p12')
      writeFileSync(file, encodePkcs12(contents({ legacy })))
      const database = ['-d', `sql:${folder}`]
      await runCommand('certutil', [...database, '-N', '--empty-password'])
      const args = ['-i', file, '-W', 'secret', '-K', '']
      const imported = await runCommand('pk12util', [...database, ...args])
      assert.equal(imported.code, 0, imported.stderr)
      const { stdout } = await runCommand('certutil', [...database, '-K'])
      assert.match(stdout, /alice/)
    })
  }
})

describe('a bundle as identity', () => {
  const server = ca.issue({ names: ['localhost'] })
  const listener = https.createServer(
    {
      pfx: Buffer.from(server.pkcs12('server')),
      passphrase: 'server',
      ca: ca.rootPem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_, response) => response.end('hello'),
  )
  after(() => listener.close())

  const start = async (): Promise<number> => {
    if (!listener.listening) {
      listener.listen(0, '127.0.0.1')
      await once(listener, 'listening')
    }
    const address = listener.address()
    assert.ok(typeof address === 'object' && address !== null)
    return address.port
  }

  it('works in Node, on both ends', async () => {
    const request = https.get({
      host: '127.0.0.1',
      port: await start(),
      servername: 'localhost',
      ca: ca.rootPem,
      pfx: Buffer.from(encodePkcs12(contents())),
      passphrase: 'secret',
      agent: false,
    })
    const [response] = await once(request, 'response')
    response.resume()
    assert.equal(response.statusCode, 200)
  })

  it('works in curl', { skip: skipWithout('curl') }, async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'alice.p12')
    writeFileSync(file, encodePkcs12(contents()))
    const { roots } = ca.write(folder)
    const port = await start()
    const to = ['--resolve', `localhost:${port}:127.0.0.1`, `https://localhost:${port}/`]
    const identity = ['--cert-type', 'P12', '--cert', `${file}:secret`]
    const { stdout, stderr } = await runCommand('curl', [
      '-sS',
      '--cacert',
      roots,
      ...identity,
      ...to,
    ])
    assert.equal(stdout, 'hello', stderr)
    const without = await runCommand('curl', ['-sS', '--cacert', roots, ...to])
    assert.notEqual(without.code, 0)
  })
})

describe('decodePkcs12', { skip: skipWithout('openssl') }, () => {
  const folder = temporaryFolder(after)
  const files = alice.write(folder, 'alice')

  const modern = new Map([
    ['its defaults', []],
    ['a MAC with SHA-1', ['-macalg', 'sha1']],
    ['a MAC with SHA-512', ['-macalg', 'sha512']],
    ['AES-128', ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC']],
    ['certificates in the clear', ['-certpbe', 'NONE']],
    ['everything in the clear', ['-keypbe', 'NONE', '-certpbe', 'NONE']],
    ['a single round', ['-iter', '1', '-nomaciter']],
    ['a name', ['-name', 'Älice']],
  ])
  for (const [what, flags] of modern) {
    it(`reads what openssl writes with ${what}`, async () => {
      const der = await exported(flags)
      const read = decodePkcs12(der, 'secret')
      assert.equal(read.certificate?.fingerprint, alice.certificate.fingerprint)
      assert.equal(read.chain[0]?.fingerprint, ca.issuer.fingerprint)
      assert.ok(read.key?.publicKey.equals(alice.key.publicKey))
      assert.equal(read.friendlyName, flags[0] === '-name' ? 'Älice' : undefined)
      assert.throws(() => decodePkcs12(der, 'wrong', 'alice.p12'), { code: 'passphrase-wrong' })
    })
  }

  it('reads certificates without a key', async () => {
    const read = decodePkcs12(await exported(['-nokeys']), 'secret')
    assert.equal(read.key, undefined)
    assert.equal(read.certificate?.fingerprint, alice.certificate.fingerprint)
  })

  it('reads what openssl writes without a password', async () => {
    const read = decodePkcs12(await exported([], ''), '')
    assert.ok(read.key?.publicKey.equals(alice.key.publicKey))
  })

  it('refuses triple DES and RC2, with the command that converts them', async () => {
    const legacy = [['-legacy'], ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES']]
    for (const flags of legacy) {
      const der = await exported(flags)
      assert.throws(() => decodePkcs12(der, 'secret'), {
        code: 'pkcs12-legacy',
        hint: /openssl pkcs12 -legacy/,
      })
    }
  })

  it('refuses a bundle that nothing protects from changes', async () => {
    const der = await exported(['-nomac'])
    assert.throws(() => decodePkcs12(der, 'secret'), {
      code: 'pkcs12-invalid',
      message: /integrity/,
    })
  })

  it('reads what keytool writes', async (t) => {
    const keytool = requireTool(t, 'keytool')
    if (keytool === undefined) return
    const file = path.join(folder, 'java.p12')
    const key = ['-genkeypair', '-alias', 'java', '-keyalg', 'EC', '-dname', 'CN=java']
    const store = ['-keystore', file, '-storetype', 'PKCS12', '-storepass', 'secret']
    const { code, stdout } = await runCommand(keytool, [...key, ...store])
    assert.equal(code, 0, stdout)
    const read = decodePkcs12(new Uint8Array(readFileSync(file)), 'secret')
    assert.equal(read.certificate?.subject.get('commonName'), 'java')
    assert.equal(read.friendlyName, 'java')
  })

  it('reads the BER that NSS writes', { skip: skipWithout('certutil', 'pk12util') }, async (t) => {
    const nss = temporaryFolder(t)
    const [file, written] = [path.join(nss, 'alice.p12'), path.join(nss, 'nss.p12')]
    writeFileSync(file, encodePkcs12(contents()))
    const database = ['-d', `sql:${nss}`]
    const steps: [string, string[]][] = [
      ['certutil', [...database, '-N', '--empty-password']],
      ['pk12util', [...database, '-i', file, '-W', 'secret']],
      ['pk12util', [...database, '-o', written, '-n', 'alice', '-W', 'secret']],
    ]
    for (const [program, args] of steps) {
      const { code, stdout, stderr } = await runCommand(program, args)
      assert.equal(code, 0, stdout + stderr)
    }
    const der = new Uint8Array(readFileSync(written))
    assert.equal(der[1], 0x80, 'an indefinite length')
    const read = decodePkcs12(der, 'secret')
    assert.equal(read.certificate?.fingerprint, alice.certificate.fingerprint)
    assert.equal(read.friendlyName, 'alice')
    assert.ok(read.key?.publicKey.equals(alice.key.publicKey))
  })

  async function exported(flags: readonly string[], password = 'secret'): Promise<Uint8Array> {
    const out = path.join(folder, 'exported.p12')
    const args = ['pkcs12', '-export', '-in', files.certificate, '-inkey', files.key, '-out', out]
    const options = ['-passout', `pass:${password}`, ...flags]
    const { code, stderr } = await runCommand('openssl', [...args, ...options])
    assert.equal(code, 0, stderr)
    return new Uint8Array(readFileSync(out))
  }
})

describe('decodePkcs12 of hostile input', () => {
  const der = encodePkcs12(contents({ iterations: 1000 }))

  it('says what a file is that is no bundle', () => {
    const pem = Buffer.from(ca.rootPem)
    assert.throws(() => decodePkcs12(pem, 'secret', 'alice.p12'), {
      code: 'pkcs12-invalid',
      message: /alice\.p12/,
    })
    assert.throws(() => decodePkcs12(ca.root.der, 'secret'), { code: 'pkcs12-invalid' })
  })

  it('throws X509Error only, whatever bytes are changed', () => {
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.nat(255), fc.nat(2), (offset, value, cut) => {
        const mutated = Uint8Array.from(der).subarray(0, der.length - cut)
        mutated[offset] = value
        try {
          decodePkcs12(mutated, 'secret')
        } catch (error) {
          assert.ok(error instanceof X509Error, String(error))
        }
      }),
      { numRuns: 1000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.throws(() => decodePkcs12(bytes, 'secret'), X509Error)
      }),
      { numRuns: 500 },
    )
  })
})

describe('encodePkcs12, with many iterations', () => {
  it('refuses a number that decodePkcs12 would refuse', () => {
    assert.throws(() => encodePkcs12(contents({ iterations: 1_000_001 })), {
      code: 'pkcs12-invalid',
    })
  })
})
