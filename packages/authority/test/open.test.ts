import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { openAuthority } from '@countersign/authority'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { PrivateKey } from '@countersign/x509'
import { codeOf, makeAuthority, serverRequest } from './fixture.ts'

scrubProcess()

describe('openAuthority', () => {
  const home = temporaryFolder(after)

  it('opens without any key, and names what is missing when one is needed', async (t) => {
    const { store, folder } = await makeAuthority(t)
    rmSync(path.join(folder, 'root.key'))
    const authority = await openAuthority({ store, folder })
    assert.equal(await codeOf(authority.issue(serverRequest())), 'none')
    const key = path.join(folder, 'issuer.key')
    const text = readFileSync(key, 'utf8')
    for (const [content, code] of [
      [undefined, 'key-missing'],
      ['', 'key-malformed'],
      [
        '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
        'key-malformed',
      ],
      [text.slice(0, 200), 'key-malformed'],
      [PrivateKey.generateSync('p256').toPem(), 'key-mismatch'],
    ] as const) {
      rmSync(key, { force: true })
      if (content !== undefined) writeFileSync(key, content)
      const damaged = await openAuthority({ store, folder })
      assert.equal(damaged.roots.length, 1)
      assert.deepEqual((await damaged.list()).length, 1)
      await assert.rejects(damaged.issue(serverRequest()), { code }, String(content))
      // Mended, it works without being opened again.
      writeFileSync(key, text)
      assert.equal(await codeOf(damaged.issue(serverRequest())), 'none')
      await store.database<{ certificate: object }>().deleteFrom('certificate').execute()
      await damaged.issue(serverRequest())
    }
  })

  it('writes roots.pem anew where it is missing or wrong', async (t) => {
    const { store, folder, authority } = await makeAuthority(t)
    const file = path.join(folder, 'roots.pem')
    for (const content of [undefined, '', 'no certificate']) {
      rmSync(file)
      if (content !== undefined) writeFileSync(file, content)
      await openAuthority({ store, folder })
      assert.equal(readFileSync(file, 'utf8'), authority.rootsPem)
      assert.equal(statSync(file).mode & 0o777, 0o644)
    }
  })

  it('has no routes without somebody who says who is calling', async (t) => {
    const { authority } = await makeAuthority(t)
    assert.throws(() => authority.routes, { code: 'routes-unavailable' })
  })

  it('serves two folders of one database, the keys of one of which are missing', async (t) => {
    const { store, authority } = await makeAuthority(t)
    const folder = path.join(home, 'second')
    const second = await openAuthority({ store, folder })
    assert.equal(second.rootsPem, authority.rootsPem)
    await assert.rejects(second.unlock(), {
      code: 'key-missing',
      message: /issuer\.key is not there/,
    })
    assert.deepEqual(readdirSync(folder), ['roots.pem'])
    mkdirSync(path.join(folder, '.init-0123'))
    await openAuthority({ store, folder })
    assert.deepEqual(readdirSync(folder), ['roots.pem'])
  })
})
