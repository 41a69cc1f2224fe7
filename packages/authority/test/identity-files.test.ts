import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { identityFileName, type IdentityOptions, writeIdentity } from '@countersign/authority'
import { requireTool, runCommand, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, decodePkcs12, PrivateKey } from '@countersign/x509'
import { codeOf, leafKey, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

describe('writeIdentity', () => {
  const suite = suiteAuthority()

  async function write(folder: string, options: Partial<IdentityOptions> = {}): Promise<string[]> {
    const { authority } = suite.current
    const key = options.key ?? leafKey
    const issued = await authority.issue(serverRequest({ publicKey: key.publicKey }))
    const roots = authority.roots
    await writeIdentity(folder, 'api.corp.internal', issued, { roots, key, ...options })
    return readdirSync(folder)
  }

  it('writes leaf and issuer, the key for its owner only, and the roots', async (t) => {
    const folder = path.join(temporaryFolder(t), 'made', 'for', 'it')
    assert.deepEqual(await write(folder), [
      'api.corp.internal.crt',
      'api.corp.internal.key',
      'roots.pem',
    ])
    const { authority } = suite.current
    const chain = Certificate.parseAll(readFileSync(path.join(folder, 'api.corp.internal.crt')))
    assert.equal(chain.length, 2)
    assert.equal(chain[1]?.fingerprint, authority.issuer.fingerprint)
    assert.equal(chain[0]?.issuedBy(authority.issuer), true)
    const key = PrivateKey.parse(readFileSync(path.join(folder, 'api.corp.internal.key')))
    assert.equal(chain[0].publicKey.equals(key.publicKey), true)
    assert.equal(readFileSync(path.join(folder, 'roots.pem'), 'utf8'), authority.rootsPem)
    const mode = (name: string): number => statSync(path.join(folder, name)).mode & 0o777
    assert.equal(mode('api.corp.internal.key'), 0o600)
    assert.equal(mode('api.corp.internal.crt'), 0o644)
  })

  it('writes a PKCS #12 file that openssl opens, with the whole chain, for its owner only', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const folder = temporaryFolder(t)
    await write(folder, { p12Password: 'opens it' })
    const file = path.join(folder, 'api.corp.internal.p12')
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const read = (password: string): ReturnType<typeof runCommand> =>
      runCommand(openssl, ['pkcs12', '-in', file, '-nodes', '-passin', `pass:${password}`])
    const { code, stdout } = await read('opens it')
    assert.equal(code, 0)
    assert.equal(stdout.match(/BEGIN CERTIFICATE/g)?.length, 3)
    assert.match(stdout, /BEGIN PRIVATE KEY/)
    assert.notEqual((await read('does not')).code, 0)
  })

  it('writes one for programs of old only where it is asked to', async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'api.corp.internal.p12')
    await write(folder, { p12Password: 'opens it' })
    assert.ok(decodePkcs12(readFileSync(file), 'opens it').key)
    await write(folder, { p12Password: 'opens it', p12Legacy: true })
    assert.throws(() => decodePkcs12(readFileSync(file), 'opens it'), { code: 'pkcs12-legacy' })
    assert.equal(await codeOf(write(folder, { p12Legacy: true })), 'option-invalid')
  })

  it('never writes over another key unless it is asked to', async (t) => {
    const folder = temporaryFolder(t)
    await write(folder)
    const key = PrivateKey.generateSync('p256')
    const before = readFileSync(path.join(folder, 'api.corp.internal.crt'), 'utf8')
    assert.equal(await codeOf(write(folder, { key })), 'key-exists')
    assert.equal(readFileSync(path.join(folder, 'api.corp.internal.crt'), 'utf8'), before)
    // The same key is renewed.
    await write(folder)
    assert.notEqual(readFileSync(path.join(folder, 'api.corp.internal.crt'), 'utf8'), before)
    await write(folder, { key, overwrite: true })
    assert.equal(readFileSync(path.join(folder, 'api.corp.internal.key'), 'utf8'), key.toPem())
  })

  it('puts no certificate of a signing request beside a key that is there', async (t) => {
    const folder = temporaryFolder(t)
    const { authority } = suite.current
    const issued = await authority.issue(serverRequest())
    const { roots } = authority
    await writeIdentity(folder, 'a', issued, { roots })
    assert.deepEqual(readdirSync(folder), ['a.crt', 'roots.pem'])
    writeFileSync(path.join(folder, 'a.key'), 'whatever it is')
    assert.equal(await codeOf(writeIdentity(folder, 'a', issued, { roots })), 'key-exists')
    const p12 = writeIdentity(folder, 'b', issued, { roots, p12Password: 'x' })
    assert.equal(await codeOf(p12), 'option-invalid')
    assert.equal(existsSync(path.join(folder, 'b.crt')), false)
  })

  it('loses no root that somebody else trusts', async (t) => {
    const folder = temporaryFolder(t)
    await write(folder)
    const { authority } = suite.current
    writeFileSync(path.join(folder, 'roots.pem'), authority.issuer.pem)
    assert.equal(await codeOf(write(folder)), 'roots-differ')
    await write(folder, { roots: [authority.issuer, ...authority.roots] })
    assert.equal(Certificate.parseAll(readFileSync(path.join(folder, 'roots.pem'))).length, 2)
  })

  it('names files so that no system misreads them', () => {
    for (const [name, file] of [
      ['api.corp.internal', 'api.corp.internal'],
      ['*.corp.internal', '_wildcard.corp.internal'],
      ['10.0.0.1', '10.0.0.1'],
      ['fd00::1', 'fd00__1'],
      ['::1', '__1'],
      ['spiffe://corp.internal/api', 'spiffe___corp.internal_api'],
      ['ann@corp.internal', 'ann@corp.internal'],
      ['../../etc/passwd', '_._.._etc_passwd'],
      ['..', '__'],
      ['', '_'],
      ['-rf', '_rf'],
      ['a\\b\0c\nd', 'a_b_c_d'],
      ['con', '_con'],
      ['NUL.corp', '_NUL.corp'],
    ] as const) {
      assert.equal(identityFileName(name), file, JSON.stringify(name))
    }
    const long = identityFileName(`spiffe://corp.internal/${'a'.repeat(2000)}`)
    assert.equal(long.length, 200)
    assert.notEqual(long, identityFileName(`spiffe://corp.internal/${'a'.repeat(2001)}`))
  })
})
