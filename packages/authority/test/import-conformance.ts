/** What an import makes of an authority from elsewhere, on every database. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { it } from 'node:test'
import {
  importAuthority,
  type ImportAuthorityOptions,
  initAuthority,
  openAuthority,
} from '@countersign/authority'
import type { Store } from '@countersign/store'
import { temporaryFolder } from '@countersign/testkit'
import { CertificateRevocationList, Name, PrivateKey, verifyChain } from '@countersign/x509'
import { codeOf, leafKey, serverRequest } from './fixture.ts'
import { DAY_MS, foreignIssuer, foreignLeaf, foreignRoot } from './import-fixture.ts'

type Scope = Parameters<typeof temporaryFolder>[0]

/** Declares the tests. @param open - an empty database, which is closed with its test */
export function importTests(open: (scope: Scope) => Promise<Store>): void {
  async function into(
    scope: Scope,
    rest: Omit<ImportAuthorityOptions, 'store' | 'folder'>,
  ): Promise<{ options: ImportAuthorityOptions; folder: string }> {
    const folder = temporaryFolder(scope)
    return { options: { store: await open(scope), folder, ...rest }, folder }
  }

  it('goes on with a root and its leaves: issues, revokes, and lists what was revoked before', async (t) => {
    const root = { ...foreignRoot(), crlNumber: 41n }
    const good = foreignLeaf(root, 'api.corp.internal')
    const gone = foreignLeaf(root, 'db.corp.internal', {
      revokedAt: new Date(Date.now() - DAY_MS),
      reason: 'keyCompromise',
    })
    const lost = { ...foreignLeaf(root, 'lost.corp.internal'), certificate: undefined }
    const { options, folder } = await into(t, { root, issued: [good, gone, lost] })
    const report = await importAuthority(options)
    const { authority } = report
    assert.deepEqual([report.imported, report.revoked, report.hasNewRoot], [3, 1, false])
    assert.equal(authority.organization, 'Old Works')
    assert.equal(authority.rootsPem, root.certificate.pem)
    assert.match(authority.issuer.subject.toString(), /^CN=Old Works Issuer 20/)
    assert.deepEqual(readdirSync(folder).toSorted(), [
      'issuer.key',
      'passphrase',
      'root.key',
      'root.passphrase',
      'roots.pem',
    ])
    assert.deepEqual((await authority.find(gone.serial))?.names, ['db.corp.internal'])
    assert.equal(await authority.certificate(lost.serial), undefined)

    const issued = await authority.issue(serverRequest())
    const [, ...intermediates] = issued.chain
    const crls = async (): Promise<CertificateRevocationList[]> =>
      (await authority.crl()).map(({ der }) => CertificateRevocationList.parse(der))
    const check = async (leaf: typeof good.certificate): Promise<string> => {
      assert.ok(leaf !== undefined)
      const found = { leaf, intermediates, roots: authority.roots, crls: await crls() }
      const verdict = verifyChain(found)
      return verdict.ok ? 'good' : verdict.code
    }
    assert.equal(await check(issued.certificate), 'good')
    assert.equal(await check(good.certificate), 'good')
    assert.equal(await check(gone.certificate), 'revoked')
    await authority.revoke(lost.serial)
    await authority.revoke(good.serial, 'superseded')
    assert.equal(await check(good.certificate), 'revoked')
    const list = (await crls()).find((one) => one.claimsIssuer(root.certificate))
    assert.deepEqual([list?.number, list?.size, list?.has(lost.serial)], [43n, 3, true])
    assert.equal(list?.get(gone.serial)?.reason, 'keyCompromise')
  })

  it('renews what was issued before, and follows a root that clients will refuse by one of its own', async (t) => {
    const root = foreignRoot()
    const leaf = foreignLeaf(root, 'api.corp.internal')
    const { options } = await into(t, { root, issued: [leaf] })
    const { authority, findings } = await importAuthority(options)
    assert.equal(findings[0]?.certificate, root.certificate)
    const renewed = await authority.renew(leaf.serial, {
      requester: 'test',
      publicKey: leafKey.publicKey,
    })
    assert.deepEqual(renewed.certificate.dnsNames, ['api.corp.internal'])
    const status = await authority.roll('root')
    assert.equal(status.old.live, 2)
    assert.equal(authority.chain.length, 2)
    const { chain } = await authority.issue(serverRequest())
    const [own, ...intermediates] = chain
    for (const one of authority.roots) {
      assert.equal(verifyChain({ leaf: own, intermediates, roots: [one] }).ok, true)
    }
  })

  it('keeps an issuer with a key identifier of its own for as long as its key', async (t) => {
    const root = foreignRoot({ subjectKeyId: new Uint8Array(20).fill(7) })
    const issuer = foreignIssuer(root, { subjectKeyId: new Uint8Array(20).fill(9) })
    const old = foreignLeaf(issuer, 'api.corp.internal')
    const below = foreignLeaf(root, 'odd.corp.internal')
    const other = foreignLeaf(foreignRoot(), 'stranger.corp.internal')
    const { options } = await into(t, { root, issuer, issued: [old, below, other] })
    const { authority, imported, skipped } = await importAuthority(options)
    assert.equal(imported, 2)
    assert.deepEqual(skipped, [
      { source: 'index.txt, stranger.corp.internal', reason: 'signed by another authority' },
    ])
    assert.ok(authority.issuer.equals(issuer.certificate))
    await authority.upkeep({ force: true })
    assert.equal(authority.issuer.equals(issuer.certificate), false)
    assert.equal(authority.issuer.subjectKeyId, '09'.repeat(20))
    assert.equal(authority.issuer.authorityKeyId, '07'.repeat(20))
    const { certificate } = await authority.issue(serverRequest())
    for (const leaf of [old.certificate, certificate]) {
      assert.ok(leaf !== undefined)
      const { ok } = verifyChain({
        leaf,
        intermediates: [authority.issuer],
        roots: [root.certificate],
        profile: 'strict',
      })
      assert.equal(ok, true, leaf.subject.toString())
    }
  })

  it('puts a root beside one that allows no issuer, where that is asked for', async (t) => {
    // As mkcert's: no room below it, and no right to sign lists.
    const root = foreignRoot({ ca: { pathLength: 0 }, keyUsage: ['keyCertSign'] })
    const leaf = foreignLeaf(root, 'dev.corp.internal')
    const { options, folder } = await into(t, { root, issued: [leaf] })
    await assert.rejects(importAuthority(options), {
      code: 'import-refused',
      message: 'CN=Old Root,O=Old Works allows no other authority below it (path length 0)',
      hint: /--new-root/,
    })
    assert.deepEqual(readdirSync(folder), [])
    const { authority, hasNewRoot } = await importAuthority({ ...options, newRoot: true })
    assert.equal(hasNewRoot, true)
    assert.equal(authority.roots.length, 2)
    assert.equal(existsSync(path.join(folder, 'former.key')), false)
    const { chain } = await authority.issue(serverRequest())
    const [own, ...intermediates] = chain
    const { roots } = authority
    assert.equal(verifyChain({ leaf: own, intermediates, roots }).ok, true)
    assert.equal(verifyChain({ leaf: leaf.certificate ?? own, roots }).ok, true)
    assert.equal((await authority.crl()).length, 2)
    const status = await authority.rollover('root')
    assert.deepEqual([status?.step, status?.old.live], ['published', 1])
    assert.equal((await authority.retire('root', { force: true })).step, 'retired')
    assert.equal(authority.roots.length, 1)
  })

  it('writes the key of the root to another medium alone', async (t) => {
    const root = foreignRoot()
    const rootKeyFile = path.join(temporaryFolder(t), 'root.key')
    const { options, folder } = await into(t, { root, rootKeyFile, rootPassphrase: 'on a card' })
    const { authority } = await importAuthority(options)
    assert.deepEqual(readdirSync(folder).toSorted(), ['issuer.key', 'passphrase', 'roots.pem'])
    const again = await openAuthority({ store: options.store, folder })
    // The root's list was signed while its key was here.
    assert.equal((await again.crl()).length, 2)
    const rootKey = PrivateKey.parse(readFileSync(rootKeyFile, 'utf8'), { passphrase: 'on a card' })
    assert.equal(rootKey.publicKey.equals(authority.roots[0]?.publicKey ?? leafKey.publicKey), true)
  })

  it('keeps to the name constraints of root and issuer, whatever follows them', async (t) => {
    const root = foreignRoot({
      nameConstraints: { permitted: [{ type: 'dns', value: 'corp.internal' }] },
    })
    const nameConstraints = { excluded: [{ type: 'dns', value: 'old.corp.internal' } as const] }
    const issuer = foreignIssuer(root, { nameConstraints })
    const { options } = await into(t, { root, issuer })
    const { authority } = await importAuthority(options)
    const allowed = async (): Promise<void> => {
      const leaf = await authority.issue(serverRequest({ names: ['new.corp.internal'] }))
      const [, ...intermediates] = leaf.chain
      const roots = authority.roots
      assert.ok(verifyChain({ leaf: leaf.certificate, intermediates, roots }).ok)
      assert.equal(authority.permits('new.corp.internal'), true)
      assert.equal(authority.permits('elsewhere.internal'), false)
      for (const name of ['elsewhere.internal', 'www.old.corp.internal', '*.internal']) {
        assert.equal(
          await codeOf(authority.issue(serverRequest({ names: ['corp.internal', name] }))),
          name === '*.internal' ? 'wildcard-too-wide' : 'name-constraint',
        )
      }
      const names = ['x.elsewhere.internal']
      const wanted = authority.enrolment.create({ names, requester: 'eve' })
      assert.equal(await codeOf(wanted), 'name-constraint')
    }
    await allowed()
    await assert.rejects(authority.issue(serverRequest({ names: ['a.example'] })), {
      code: 'name-constraint',
      refusedName: 'DNS:a.example',
      message:
        '"DNS:a.example" is outside of what CN=Old Root,O=Old Works is constrained to: DNS:corp.internal',
    })
    await authority.upkeep({ force: true })
    await allowed()
    await authority.roll('issuer')
    assert.deepEqual(
      authority.issuer.extensions.nameConstraints?.excluded,
      nameConstraints.excluded,
    )
    await allowed()
    await authority.roll('root')
    assert.equal(authority.roots.length, 2)
    await allowed()
    await authority.retire('root', { force: true })
    await allowed()
    const reopened = await openAuthority({ store: options.store, folder: options.folder })
    assert.equal(reopened.permits('elsewhere.internal'), false)
  })

  it('refuses what is no authority, what has ended, what is weak and what does not fit', async (t) => {
    const root = foreignRoot()
    const other = PrivateKey.generateSync('p256')
    const issuer = foreignIssuer(root)
    const now = new Date()
    const own = { serialNumber: Uint8Array.of(16, 1) }
    const twice = [
      foreignLeaf(root, 'a.corp.internal', own),
      foreignLeaf(root, 'b.corp.internal', own),
    ]
    const cases: [Partial<ImportAuthorityOptions>, string][] = [
      [{ root: { ...root, key: other } }, 'key-mismatch'],
      [{ root: foreignRoot({}, -0.5) }, 'root-expired'],
      [
        { root: foreignRoot({ ca: undefined, subjectAltNames: [{ type: 'dns', value: 'a' }] }) },
        'import-refused',
      ],
      [{ root: foreignRoot({}, 3650, weakKey()) }, 'key-weak'],
      [{ root: issuer }, 'import-refused'],
      [
        {
          root: foreignRoot({
            nameConstraints: {
              permitted: [{ type: 'directory', value: Name.from({ organization: 'Old Works' }) }],
            },
          }),
        },
        'import-refused',
      ],
      [{ crlPartitionSize: 0 }, 'option-invalid'],
      [{ keyType: JSON.parse('"dsa"') }, 'option-invalid'],
      [{ passphrase: '' }, 'option-invalid'],
      [{ root: { ...root, crlNumber: 2n ** 60n } }, 'import-refused'],
      [{ issuer: { ...issuer, key: other } }, 'key-mismatch'],
      [{ issuer: foreignIssuer(foreignRoot()) }, 'import-refused'],
      [{ issuer: foreignIssuer(root, {}, -0.5) }, 'import-refused'],
      [{ issuer: foreignIssuer(root, { keyUsage: ['keyCertSign'] }) }, 'import-refused'],
      [
        {
          issuer,
          issued: [
            {
              ...foreignLeaf(root, 'x'),
              certificate: issuer.certificate,
              serial: issuer.certificate.serialNumber,
              revokedAt: now,
            },
          ],
        },
        'import-refused',
      ],
      [{ issued: twice }, 'index-malformed'],
      [{ issued: [{ ...foreignLeaf(root, 'c.corp.internal'), serial: '99' }] }, 'index-malformed'],
      [{ organization: ' ' }, 'option-invalid'],
      [{ trustDomain: 'No Domain' }, 'option-invalid'],
    ]
    const { options, folder } = await into(t, { root })
    for (const [changes, code] of cases) {
      assert.equal(await codeOf(importAuthority({ ...options, ...changes })), code)
      assert.deepEqual(readdirSync(folder), [], code)
    }
    await importAuthority(options)
    // And now there is one.
    assert.equal(await codeOf(importAuthority(options)), 'already-initialised')
    const elsewhere = await open(t)
    assert.equal(await codeOf(importAuthority({ ...options, store: elsewhere })), 'folder-foreign')
    assert.equal(
      await codeOf(initAuthority({ store: options.store, folder })),
      'already-initialised',
    )
  })
}

function weakKey(): PrivateKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  return PrivateKey.parse(privateKey.export({ type: 'pkcs8', format: 'der' }))
}
