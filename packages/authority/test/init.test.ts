import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { createAuthority, initAuthority, openAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { CertificateRevocationList, PrivateKey } from '@countersign/x509'
import { codeOf, makeAuthority, openMemory, serverRequest, sqliteUrl } from './fixture.ts'

scrubProcess()

describe('initAuthority', () => {
  it('makes a root for ten years, an issuer for one, and files that only their owner reads', async (t) => {
    const { authority, folder } = await makeAuthority(t, { organization: 'Acme' })
    const [root, ...others] = authority.roots
    assert.ok(root !== undefined)
    assert.deepEqual(others, [])
    const { issuer } = authority
    assert.match(root.subject.toString(), /^CN=Acme Root 20\d\d [0-9a-f]{4},O=Acme$/)
    assert.match(issuer.subject.toString(), /^CN=Acme Issuer 20\d\d [0-9a-f]{4},O=Acme$/)
    assert.equal(issuer.issuedBy(root), true)
    assert.deepEqual(root.extensions.basicConstraints, { ca: true, pathLength: 2 })
    assert.deepEqual(issuer.extensions.basicConstraints, { ca: true, pathLength: 0 })
    assert.deepEqual(root.extensions.keyUsage, ['keyCertSign', 'cRLSign'])
    assert.equal(root.extensions.nameConstraints, undefined)
    assert.equal(root.notAfter.getUTCFullYear() - root.notBefore.getUTCFullYear(), 10)
    assert.equal(issuer.notAfter.getUTCFullYear() - issuer.notBefore.getUTCFullYear(), 1)
    const modes = readdirSync(folder).map((name) => [
      name,
      statSync(path.join(folder, name)).mode & 0o777,
    ])
    assert.deepEqual(modes, [
      ['issuer.key', 0o600],
      ['passphrase', 0o600],
      ['root.key', 0o600],
      ['root.passphrase', 0o600],
      ['roots.pem', 0o644],
    ])
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(readFileSync(path.join(folder, 'roots.pem'), 'utf8'), root.pem)
    for (const [name, own, certificate] of [
      ['root.key', 'root.passphrase', root],
      ['issuer.key', 'passphrase', issuer],
    ] as const) {
      const passphrase = readFileSync(path.join(folder, own), 'utf8').trim()
      assert.equal(Buffer.from(passphrase, 'base64url').length, 32)
      const pem = readFileSync(path.join(folder, name), 'utf8')
      assert.match(pem, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/m)
      assert.equal(
        PrivateKey.parse(pem, { passphrase }).publicKey.equals(certificate.publicKey),
        true,
      )
    }
  })

  it('names every generation anew', async (t) => {
    const [a, b] = [await makeAuthority(t), await makeAuthority(t)]
    assert.equal(a.authority.issuer.subject.equals(b.authority.issuer.subject), false)
    assert.equal(a.authority.roots[0]?.subject.equals(b.authority.issuer.subject), false)
  })

  it('keeps a passphrase that is given to itself: in no file, not in the database', async (t) => {
    const folder = temporaryFolder(t)
    const passphrase = 'correct horse battery staple'
    {
      await using store = await openStore(sqliteUrl(folder))
      const authority = await initAuthority({ store, folder, passphrase })
      await authority.issue(serverRequest())
    }
    assert.equal(existsSync(path.join(folder, 'passphrase')), false)
    for (const name of readdirSync(folder)) {
      assert.equal(readFileSync(path.join(folder, name)).includes(passphrase), false, name)
    }
    await using store = await openStore(sqliteUrl(folder))
    const open = (given?: string): Promise<string> =>
      openAuthority({ store, folder, passphrase: given }).then((one) => codeOf(one.unlock()))
    assert.equal(await open(), 'passphrase-missing')
    assert.equal(await open('wrong'), 'passphrase-wrong')
    assert.equal(await open(passphrase), 'none')
  })

  it('takes the passphrase that an operator has put into the folder', async (t) => {
    const folder = temporaryFolder(t)
    writeFileSync(path.join(folder, 'passphrase'), 'of my own\r\n', { mode: 0o600 })
    const store = await openMemory(t)
    const authority = await initAuthority({ store, folder })
    assert.equal(await codeOf(authority.unlock()), 'none')
    assert.equal(readFileSync(path.join(folder, 'passphrase'), 'utf8'), 'of my own\r\n')
    PrivateKey.parse(readFileSync(path.join(folder, 'issuer.key'), 'utf8'), {
      passphrase: 'of my own',
    })
  })

  it('puts constraints on root and issuer, critical, with every other kind of name shut out', async (t) => {
    const { authority } = await makeAuthority(t, {
      constrain: ['.Corp.Internal'],
      trustDomain: 'corp.internal',
    })
    for (const certificate of [...authority.roots, authority.issuer]) {
      assert.deepEqual(certificate.extensions.nameConstraints, {
        permitted: [
          { type: 'dns', value: 'corp.internal' },
          { type: 'email', value: 'corp.internal' },
          { type: 'uri', value: 'corp.internal' },
        ],
        excluded: [
          { type: 'ip', value: '0.0.0.0/0' },
          { type: 'ip', value: '::/0' },
        ],
      })
    }
  })

  it('under constraints on addresses permits no host name, and of the other family nobody', async (t) => {
    const { authority } = await makeAuthority(t, { constrain: ['10.0.0.0/8'] })
    assert.deepEqual(authority.issuer.extensions.nameConstraints, {
      permitted: [
        { type: 'dns', value: 'invalid' },
        { type: 'ip', value: '10.0.0.0/8' },
        { type: 'ip', value: '2001:db8::/128' },
        { type: 'email', value: 'invalid' },
        { type: 'uri', value: 'countersign.internal' },
      ],
      excluded: [],
    })
  })

  it('refuses options that make no sense, before it writes anything', async (t) => {
    const folder = path.join(temporaryFolder(t), 'data')
    const store = await openMemory(t)
    const refused: [object, string][] = [
      [{ organisation: 'Acme' }, 'option-unknown'],
      [{ organization: ' ' }, 'option-invalid'],
      [{ organization: 'a\nb' }, 'option-invalid'],
      [{ organization: 'x'.repeat(65) }, 'option-invalid'],
      [{ keyType: 'p265' }, 'option-invalid'],
      [{ passphrase: '' }, 'option-invalid'],
      [{ trustDomain: 'Corp Internal' }, 'option-invalid'],
      [{ constrain: [] }, 'constraint-invalid'],
      [{ constrain: ['10.0.0.1/8'] }, 'constraint-invalid'],
      [{ publicUrl: 'https://ca.test' }, 'option-invalid'],
      [{ clock: () => new Date(0) }, 'clock-wrong'],
    ]
    for (const [options, code] of refused) {
      const given = Object.assign({ store, folder }, options)
      assert.equal(await codeOf(initAuthority(given)), code, JSON.stringify(options))
    }
    assert.equal(existsSync(folder), false)
    assert.equal(await codeOf(openAuthority({ store, folder })), 'not-initialised')
  })

  it('never makes a second one: not in the database, not over the keys of another', async (t) => {
    const { store, folder, authority } = await makeAuthority(t)
    const before = contents(folder)
    await assert.rejects(initAuthority({ store, folder }), {
      code: 'already-initialised',
      message: /has an authority already, of Countersign/,
    })
    const empty = path.join(temporaryFolder(t), 'other')
    assert.equal(await codeOf(initAuthority({ store, folder: empty })), 'already-initialised')
    const other = await openMemory(t)
    await assert.rejects(initAuthority({ store: other, folder }), { code: 'folder-foreign' })
    assert.deepEqual(contents(folder), before)
    assert.equal(await codeOf(openAuthority({ store: other, folder })), 'not-initialised')
    const again = await createAuthority({ store, folder })
    assert.equal(again.issuer.fingerprint, authority.issuer.fingerprint)
  })

  it('is not taken for one with other constraints or another trust domain', async (t) => {
    const constrain = ['.corp.internal']
    const { store, folder } = await makeAuthority(t, { constrain, trustDomain: 'corp.internal' })
    const create = (options: object): Promise<string> =>
      codeOf(createAuthority({ store, folder, ...options }))
    assert.equal(await create({}), 'none')
    assert.equal(
      await create({ constrain: ['CORP.internal'], trustDomain: 'corp.internal' }),
      'none',
    )
    assert.equal(await create({ constrain: ['.corp.internal', '10.0.0.0/8'] }), 'settings-differ')
    assert.equal(await create({ trustDomain: 'other.internal' }), 'settings-differ')
    const plain = await makeAuthority(t)
    const given = { store: plain.store, folder: plain.folder, constrain }
    assert.equal(await codeOf(createAuthority(given)), 'settings-differ')
  })

  it('signs a list for the root while its key is here, good for as long as it may be away', async (t) => {
    const { authority, folder } = await makeAuthority(t)
    rmSync(path.join(folder, 'root.key'))
    const [ofIssuer, ofRoot] = await authority.crl()
    assert.ok(ofIssuer !== undefined && ofRoot !== undefined)
    assert.match(ofRoot.ca, /^root-/)
    const list = CertificateRevocationList.parse(ofRoot.der)
    assert.equal(
      list.verifySignature(authority.roots[0]?.publicKey ?? authority.issuer.publicKey),
      true,
    )
    const days = (ofRoot.nextUpdate.getTime() - ofRoot.thisUpdate.getTime()) / 86_400_000
    assert.equal(Math.round(days), 365)
  })
})

function contents(folder: string): [string, string][] {
  return readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'utf8')])
}
