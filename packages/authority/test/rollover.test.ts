/** Rollover of root and issuer, and the issuer's own renewal: what changes, what is refused, who is told. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { type Authority, openAuthority } from '@countersign/authority'
import type { Store } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import {
  type Certificate,
  CertificateRevocationList,
  PrivateKey,
  verifyChain,
} from '@countersign/x509'
import { codeOf, makeAuthority, serverRequest } from './fixture.ts'

scrubProcess()

const DAY_MS = 86_400_000
const NAME = { dns: 'api.corp.internal' } as const

describe('a root that is rolled over', () => {
  it('is followed by one of another name, and clients of either verify', async (t) => {
    const { authority, folder } = await makeAuthority(t)
    const [old] = authority.roots
    assert.ok(old !== undefined)
    const before = await authority.issue(serverRequest())
    const issuer = authority.issuer
    const status = await authority.roll('root')
    const [next, still, ...others] = authority.roots
    assert.ok(next !== undefined && still !== undefined)
    assert.equal(others.length, 0)
    assert.ok(still.equals(old))
    assert.equal(next.subject.equals(old.subject), false)
    assert.equal(status.step, 'published')
    assert.equal(status.new?.certificate.fingerprint, next.fingerprint)
    assert.equal(readFileSync(path.join(folder, 'roots.pem'), 'utf8'), next.pem + old.pem)
    // The same key and subject, so that what was issued before goes on to verify.
    assert.ok(authority.issuer.publicKey.equals(issuer.publicKey))
    assert.ok(authority.issuer.subject.equals(issuer.subject))
    assert.ok(authority.issuer.issuedBy(next))
    const after = await authority.issue(serverRequest())
    assert.equal(after.chain.length, 3)
    const cross = after.chain[2]
    assert.ok(cross?.issuedBy(old))
    assert.ok(cross?.publicKey.equals(next.publicKey))
    for (const [what, chain, roots, expected] of [
      ['old client, old chain', before.chain, [old], true],
      ['old client, new chain', after.chain, [old], true],
      ['new client, new chain', after.chain, [next], true],
      [
        'new client, old leaf in the new chain',
        [before.certificate, ...authority.chain],
        [next],
        true,
      ],
      ['new client, old chain', before.chain, [next], false],
      ['client of both, old chain', before.chain, [next, old], true],
      ['client of both, new chain', after.chain, [next, old], true],
    ] as const) {
      for (const profile of ['strict', 'openssl'] as const) {
        assert.equal(verifies(chain, roots, profile), expected, `${what}, ${profile}`)
      }
    }
  })

  it('is retired when nothing depends on it any more, or when told', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const clock = (): Date => now
    const { authority, folder, store } = await makeAuthority(t, { clock })
    const [old] = authority.roots
    const leaf = await authority.issue(serverRequest({ names: ['one.corp.internal'] }))
    await authority.issue(serverRequest({ names: ['two.corp.internal'], days: 3 }))
    assert.equal(await codeOf(authority.retire('root')), 'rollover-missing')
    await authority.roll('root')
    await authority.renew(leaf.serialNumber, { requester: 'test' })
    await assert.rejects(authority.retire('root'), {
      code: 'rollover-in-use',
      message: /^2 certificates depend on root-2030-\w{4}, the last until 2030-01-09T00:00:00/,
      hint: /countersign roll root --retire --force/,
    })
    const status = await authority.rollover('root')
    assert.deepEqual([status?.old.live, status?.new?.live], [2, 1])
    assert.deepEqual(
      status?.notRenewed.map(({ names }) => names),
      [['two.corp.internal']],
    )
    assert.equal(status?.notRenewedCount, 1)
    now = new Date('2030-01-10T00:00:00Z')
    const retired = await authority.retire('root')
    assert.equal(retired.step, 'retired')
    assert.equal(authority.roots.length, 1)
    assert.ok(authority.formerRoots[0]?.equals(old ?? leaf.certificate))
    assert.equal(existsSync(path.join(folder, 'root.key')), false)
    assert.equal(readFileSync(path.join(folder, 'roots.pem'), 'utf8'), authority.rootsPem)
    const after = await authority.issue(serverRequest())
    assert.equal(after.chain.length, 2)
    assert.equal(verifies(after.chain, authority.roots, 'strict', now), true)
    const other = await openAuthority({ store, folder, clock })
    assert.equal(other.rootsPem, authority.rootsPem)
    // And once more: the second generation is followed like the first.
    await authority.roll('root')
    await authority.retire('root', { force: true })
    assert.equal(authority.formerRoots.length, 2)
  })

  it('needs its key, which may be elsewhere, and no other', async (t) => {
    const { authority, folder } = await makeAuthority(t, { rootPassphrase: 'a passphrase' })
    const file = path.join(folder, 'root.key')
    const rootKey = PrivateKey.parse(readFileSync(file, 'utf8'), { passphrase: 'a passphrase' })
    rmSync(file)
    await assert.rejects(authority.roll('root'), { code: 'key-missing', hint: /--root-key FILE/ })
    const other = PrivateKey.generateSync('p256')
    assert.equal(await codeOf(authority.roll('root', { rootKey: other })), 'key-mismatch')
    assert.equal(await authority.rollover('root'), undefined)
    assert.equal((await authority.roll('root', { rootKey })).step, 'published')
    const key = readdirSync(folder).find((name) => /^root-\d{4}-\w{4}\.key$/.test(name)) ?? ''
    assert.match(readFileSync(path.join(folder, key), 'utf8'), /ENCRYPTED PRIVATE KEY/)
  })

  it('is not rolled over twice at once', async (t) => {
    const { authority } = await makeAuthority(t)
    await authority.roll('root')
    await assert.rejects(authority.roll('root'), {
      code: 'rollover-underway',
      hint: /countersign roll root --status/,
    })
  })

  it('has lists of both generations that cover every chain', async (t) => {
    const { authority } = await makeAuthority(t, { publicUrl: 'http://ca.corp.internal' })
    const [old] = authority.roots
    const before = await authority.issue(serverRequest())
    await authority.roll('root')
    const [next] = authority.roots
    const after = await authority.issue(serverRequest())
    const lists = await authority.crl()
    assert.deepEqual(
      lists.map(({ ca }) => ca.replace(/-\d{4}-\w{4}/, '')),
      ['issuer', 'root', 'root'],
    )
    const crls = lists.map(({ der }) => CertificateRevocationList.parse(der))
    for (const [chain, roots] of [
      [before.chain, [old]],
      [after.chain, [old]],
      [after.chain, [next]],
    ] as const) {
      const [leaf, ...intermediates] = chain
      const verdict = verifyChain({
        leaf,
        intermediates,
        roots: roots.filter((one) => one !== undefined),
        name: NAME,
        purpose: 'server',
        crls,
        revocation: 'chain',
      })
      assert.equal(verdict.ok, true, JSON.stringify(verdict))
    }
    await authority.revoke(before.serialNumber)
    const [list] = await authority.crl()
    assert.ok(
      CertificateRevocationList.parse(list?.der ?? new Uint8Array()).has(before.serialNumber),
    )
  })
})

describe('a rollover that another one comes in between of', () => {
  for (const [kind, between] of [
    ['issuer', 'root'],
    ['root', 'issuer'],
    ['root', 'root'],
    ['issuer', 'issuer'],
  ] as const) {
    it(`of the ${kind}, by one of the ${between}, is refused and leaves nothing behind`, async (t) => {
      const { authority, store, folder } = await makeAuthority(t)
      let transactions = 0
      const interrupted = await openAuthority({ store: beforeTransaction(store, come), folder })
      async function come(): Promise<void> {
        // The commit is the second: the claim stands, and nothing else.
        if (++transactions === 2) await authority.roll(between)
      }
      transactions = 0
      assert.equal(await codeOf(interrupted.roll(kind)), 'rollover-underway')
      const step = (await authority.rollover(kind))?.step
      assert.equal(step, kind === between ? 'published' : undefined)
      const { chain } = await interrupted.issue(serverRequest())
      for (const root of interrupted.roots) assert.equal(verifies(chain, [root], 'strict'), true)
      const keys = readdirSync(folder).filter((name) => name.endsWith('.key'))
      assert.equal(keys.length, 3)
    })
  }
})

describe('an issuer that is rolled over', () => {
  it('is followed by one with a key of its own, and goes on to sign its list', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const clock = (): Date => now
    const { authority, folder } = await makeAuthority(t, { clock })
    const old = authority.issuer
    const before = await authority.issue(serverRequest())
    const status = await authority.roll('issuer')
    assert.equal(status.step, 'published')
    assert.equal(authority.issuer.publicKey.equals(old.publicKey), false)
    assert.equal(authority.issuer.subject.equals(old.subject), false)
    const after = await authority.issue(serverRequest())
    for (const { chain } of [before, after]) {
      assert.equal(verifies(chain, authority.roots, 'strict', now), true)
    }
    await authority.revoke(before.serialNumber)
    const lists = await authority.crl()
    assert.equal(lists.length, 3)
    const own = lists.find(({ ca }) => ca === status.old.id)
    assert.ok(
      CertificateRevocationList.parse(own?.der ?? new Uint8Array()).has(before.serialNumber),
    )
    assert.equal(await codeOf(authority.roll('issuer')), 'rollover-underway')
    assert.deepEqual((await authority.upkeep()).retired, [])
    // What was revoked stays in the list for one more after its end.
    const other = await authority.issue(serverRequest())
    assert.equal(other.chain[1].fingerprint, authority.issuer.fingerprint)
    now = new Date(before.certificate.notAfter.getTime() + 2 * DAY_MS)
    assert.deepEqual((await authority.upkeep()).retired, [status.old.id])
    assert.equal(existsSync(path.join(folder, 'issuer.key')), false)
    assert.equal((await authority.crl()).length, 2)
    assert.equal((await authority.rollover('issuer'))?.step, 'retired')
  })

  it('signs a last list, good for as long as its certificates, where it is retired before they end', async (t) => {
    const { authority, folder } = await makeAuthority(t)
    const long = await authority.issue(serverRequest({ days: 60 }))
    const revoked = await authority.issue(serverRequest({ days: 30 }))
    const { old } = await authority.roll('issuer')
    await authority.revoke(revoked.serialNumber)
    assert.equal(await codeOf(authority.retire('issuer')), 'rollover-in-use')
    await authority.retire('issuer', { force: true })
    assert.equal(existsSync(path.join(folder, 'issuer.key')), false)
    const last = await openList(authority, old.id)
    assert.equal(last.nextUpdate?.getTime(), long.certificate.notAfter.getTime())
    assert.ok(last.has(revoked.serialNumber))
  })
})

describe('the issuer', () => {
  it('is renewed at two thirds of its life: the same key, and nothing issued before is worse for it', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const clock = (): Date => now
    const { authority, store, folder } = await makeAuthority(t, { clock })
    const other = await openAuthority({ store, folder, clock })
    assert.deepEqual(await authority.upkeep(), {
      renewed: undefined,
      overdue: undefined,
      retired: [],
    })
    const first = authority.issuer
    now = new Date('2030-08-30T00:00:00Z')
    assert.equal((await authority.upkeep()).renewed, undefined)
    const before = await authority.issue(serverRequest({ days: 90 }))
    now = new Date('2030-09-03T00:00:00Z')
    const { renewed } = await authority.upkeep()
    assert.equal(renewed?.fingerprint, authority.issuer.fingerprint)
    assert.ok(renewed?.publicKey.equals(first.publicKey))
    assert.equal(renewed?.notAfter.toISOString(), '2031-09-02T23:59:00.000Z')
    assert.equal(verifies(before.chain, authority.roots, 'strict', now), true)
    const mixed = [before.certificate, renewed ?? first]
    assert.equal(verifies(mixed, authority.roots, 'strict', now), true)
    // Another process finds out by itself.
    assert.equal(await other.refresh(), true)
    assert.equal((await other.issue(serverRequest())).chain[1].fingerprint, renewed?.fingerprint)
    assert.deepEqual((await other.upkeep()).renewed, undefined)
  })

  it('that another process has renewed a moment ago signs nothing under its old certificate', async (t) => {
    const { authority, store, folder } = await makeAuthority(t)
    const other = await openAuthority({ store, folder })
    await other.issue(serverRequest())
    await authority.upkeep({ force: true })
    const [one, many] = await Promise.all([
      other.issue(serverRequest()),
      other.issueMany([serverRequest(), serverRequest()]),
    ])
    for (const { chain } of [one, ...many]) {
      assert.equal(chain[1].fingerprint, authority.issuer.fingerprint)
    }
  })

  it('is renewed when the address of the authority is another one', async (t) => {
    const { authority } = await makeAuthority(t)
    const lists = (): unknown => authority.issuer.toPythonDict().crlDistributionPoints
    const [root] = (await authority.crl()).filter(({ ca }) => ca.startsWith('root-'))
    assert.equal(lists(), undefined)
    await authority.setPublicUrl('http://ca.corp.internal')
    assert.notEqual((await authority.upkeep()).renewed, undefined)
    assert.deepEqual(lists(), [`http://ca.corp.internal/crl/${root?.ca}.crl`])
    assert.equal((await authority.upkeep()).renewed, undefined)
  })

  it('gives the lifetime that was asked for again to a certificate that was cut to its end', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const clock = (): Date => now
    const { authority } = await makeAuthority(t, { clock })
    now = new Date(authority.issuer.notAfter.getTime() - 2 * DAY_MS)
    const cut = await authority.issue(serverRequest())
    assert.equal(cut.cutToIssuer, true)
    await authority.upkeep()
    const { certificate } = await authority.renew(cut.serialNumber, { requester: 'test' })
    assert.equal(certificate.notAfter.getTime() - now.getTime(), 7 * DAY_MS)
  })

  it('says that it is due where the key of the root is elsewhere, and takes it when it is given', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const clock = (): Date => now
    const { authority, folder } = await makeAuthority(t, { clock, rootPassphrase: 'a passphrase' })
    const file = path.join(folder, 'root.key')
    const rootKey = PrivateKey.parse(readFileSync(file, 'utf8'), { passphrase: 'a passphrase' })
    renameSync(file, path.join(temporaryFolder(t), 'root.key'))
    now = new Date('2030-10-01T00:00:00Z')
    const { renewed, overdue } = await authority.upkeep()
    assert.equal(renewed, undefined)
    assert.deepEqual(overdue, { issuer: authority.issuer, reason: 'ends' })
    const wrong = PrivateKey.generateSync('p256')
    assert.equal(await codeOf(authority.upkeep({ rootKey: wrong })), 'key-mismatch')
    assert.notEqual((await authority.upkeep({ rootKey })).renewed, undefined)
    assert.equal((await authority.upkeep()).overdue, undefined)
  })

  it('that ends with its root says so instead of renewing itself for ever', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const clock = (): Date => now
    const { authority } = await makeAuthority(t, { clock })
    now = new Date('2039-06-01T00:00:00Z')
    assert.notEqual((await authority.upkeep()).renewed, undefined)
    assert.equal(authority.issuer.notAfter.getTime(), authority.roots[0]?.notAfter.getTime())
    now = new Date('2039-12-01T00:00:00Z')
    assert.deepEqual(await authority.upkeep(), {
      renewed: undefined,
      overdue: { issuer: authority.issuer, reason: 'root' },
      retired: [],
    })
    await authority.roll('root')
    assert.equal((await authority.upkeep()).overdue, undefined)
    now = new Date('2041-12-01T00:00:00Z')
    // Whoever has the old root alone refuses everything by now.
    assert.equal(authority.roots.length, 2)
    assert.equal(await codeOf(authority.issue(serverRequest())), 'issuer-expired')
    const { renewed, retired } = await authority.upkeep()
    assert.notEqual(renewed, undefined)
    assert.equal(retired.length, 1)
    assert.equal(authority.roots.length, 1)
    await authority.issue(serverRequest())
  })
})

/** A store that does something else before each transaction. */
function beforeTransaction(inner: Store, work: () => Promise<void>): Store {
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'transaction') return typeof value === 'function' ? value.bind(target) : value
      const transaction: Store['transaction'] = async (inside) => {
        await work()
        return await target.transaction(inside)
      }
      return transaction
    },
  })
}

function verifies(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  profile: 'strict' | 'openssl',
  time?: Date,
): boolean {
  const [leaf, ...intermediates] = chain
  assert.ok(leaf !== undefined)
  const options = {
    leaf,
    intermediates,
    roots,
    name: NAME,
    time,
    profile,
    purpose: 'server',
  } as const
  return verifyChain(options).ok
}

async function openList(authority: Authority, id: string): Promise<CertificateRevocationList> {
  assert.ok('crlOf' in authority && typeof authority.crlOf === 'function')
  const list: { read: () => Promise<Uint8Array> } = await authority.crlOf(id)
  return CertificateRevocationList.parse(await list.read())
}
