import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { initAuthority, openAuthority } from '@countersign/authority'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { PrivateKey } from '@countersign/x509'
import { codeOf, makeAuthority, openMemory, serverRequest } from './fixture.ts'

scrubProcess()

describe("a root's key", () => {
  it('has a passphrase of its own, which the one of the issuer is not', async (t) => {
    const { authority, folder } = await makeAuthority(t)
    const text = read(folder, 'root.key')
    assert.match(
      text,
      /^its passphrase is in root\.passphrase\n-----BEGIN ENCRYPTED PRIVATE KEY-----/,
    )
    const open = (passphrase: string): PrivateKey => PrivateKey.parse(text, { passphrase })
    assert.throws(() => open(read(folder, 'passphrase').trim()), { code: 'passphrase-wrong' })
    const key = open(read(folder, 'root.passphrase').trim())
    assert.equal(authority.roots[0]?.publicKey.equals(key.publicKey), true)
  })

  it('counts as away once its passphrase is, and everything but the root goes on', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const { authority, folder } = await makeAuthority(t, { clock: () => now })
    const passphrase = path.join(folder, 'root.passphrase')
    renameSync(passphrase, path.join(temporaryFolder(t), 'root.passphrase'))
    const leaf = await authority.issue(serverRequest())
    await authority.revoke(leaf.serialNumber)
    assert.deepEqual(
      (await authority.crl()).map(({ number }) => number),
      [1, 1],
    )
    now = new Date('2030-10-01T00:00:00Z')
    assert.equal((await authority.upkeep()).overdue?.reason, 'ends')
    await assert.rejects(authority.roll('root'), { code: 'key-missing', hint: /--root-key FILE/ })
    assert.equal((await authority.crl()).length, 2)
    now = new Date('2031-01-03T00:00:00Z')
    await assert.rejects(authority.crl(), {
      code: 'crl-unavailable',
      message: /root-2030-.*has run out/,
    })
  })

  it('signs its list anew while the medium is here', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const { authority, folder } = await makeAuthority(t, {
      clock: () => now,
      rootPassphrase: 'on a card',
    })
    assert.equal(existsSync(path.join(folder, 'root.passphrase')), false)
    const rootKey = PrivateKey.parse(read(folder, 'root.key'), { passphrase: 'on a card' })
    now = new Date('2030-10-01T00:00:00Z')
    assert.equal((await authority.crl())[1]?.number, 1)
    await authority.upkeep({ rootKey })
    const list = (await authority.crl())[1]
    assert.equal(list?.number, 2)
    assert.equal(list?.nextUpdate.toISOString(), '2031-10-01T00:00:00.000Z')
  })

  it('is written to another medium where that is asked for, and never over a file', async (t) => {
    const folder = temporaryFolder(t)
    const store = await openMemory(t)
    const rootKeyFile = path.join(temporaryFolder(t), 'acme.key')
    const options = { store, folder, rootKeyFile }
    writeFileSync(rootKeyFile, 'a key of somebody')
    assert.equal(await codeOf(initAuthority(options)), 'key-exists')
    assert.equal(read(rootKeyFile), 'a key of somebody')
    assert.equal(await codeOf(openAuthority({ store, folder })), 'not-initialised')
    rmSync(rootKeyFile)
    const authority = await initAuthority(options)
    assert.equal(existsSync(path.join(folder, 'root.key')), false)
    assert.equal(statSync(rootKeyFile).mode & 0o777, 0o600)
    const passphrase = read(folder, 'root.passphrase').trim()
    const rootKey = PrivateKey.parse(read(rootKeyFile), { passphrase })
    assert.equal(await codeOf(authority.roll('issuer')), 'key-missing')
    assert.equal((await authority.roll('issuer', { rootKey })).step, 'published')
  })

  it('of a folder from before has the passphrase of the folder', async (t) => {
    const { folder, store } = await makeAuthority(t)
    const passphrase = read(folder, 'root.passphrase').trim()
    const key = PrivateKey.parse(read(folder, 'root.key'), { passphrase })
    writeFileSync(
      path.join(folder, 'root.key'),
      key.toPem({ passphrase: read(folder, 'passphrase').trim() }),
    )
    rmSync(path.join(folder, 'root.passphrase'))
    const authority = await openAuthority({ store, folder })
    assert.equal((await authority.roll('root')).step, 'published')
    await authority.retire('root', { force: true })
    assert.equal(existsSync(path.join(folder, 'root.key')), false)
  })
})

function read(...parts: string[]): string {
  return readFileSync(path.join(...parts), 'utf8')
}
