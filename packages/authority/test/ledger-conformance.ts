/** What the ledger does on every database. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { before, after, describe, it } from 'node:test'
import {
  type Authority,
  createAuthority,
  initAuthority,
  openAuthority,
} from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'
import { startCommand, temporaryFolder } from '@countersign/testkit'
import { Certificate, CertificateRevocationList, createRequest } from '@countersign/x509'
import { childArguments, clientRequest, codeOf, leafKey, serverRequest } from './fixture.ts'

/** Makes empty databases. */
export interface TestDatabases {
  /** The address of a new one. */
  create(): Promise<string>
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Declares the tests. */
export function ledgerTests(databases: TestDatabases): void {
  const home = temporaryFolder(after)
  let count = 0
  let now = new Date('2030-01-02T00:00:00Z')
  let store: Store
  let authority: Authority
  let folder: string
  let url: string

  before(async () => {
    url = await databases.create()
    store = await openStore(url)
    folder = newFolder()
    authority = await initAuthority({ store, folder, clock: () => now })
  })
  after(() => store.close())

  function newFolder(): string {
    const made = path.join(home, `data-${++count}`)
    mkdirSync(made, { mode: 0o700 })
    return made
  }

  async function serialsOf(which: 'issuer' | 'root'): Promise<Map<string, string | undefined>> {
    const crl = (await authority.crl()).find(({ ca }) => ca.startsWith(which))
    const list = CertificateRevocationList.parse(crl?.der ?? new Uint8Array())
    const signer = which === 'issuer' ? authority.issuer : authority.roots[0]
    assert.equal(signer !== undefined && list.verifySignature(signer.publicKey), true)
    return new Map([...list].map((one) => [one.serialNumber, one.reason]))
  }

  async function codeOfList(options: object): Promise<string> {
    return await codeOf(authority.list(options))
  }

  async function emptied(): Promise<void> {
    await store.database<{ certificate: object }>().deleteFrom('certificate').execute()
  }

  it('has an entry of all that is known about a certificate', async () => {
    const { certificate } = await authority.issue(
      clientRequest({ names: ['alice', 'ann@corp.internal'], requester: 'Ünal (cli)' }),
    )
    const entry = await authority.find(certificate.serialNumber)
    assert.deepEqual(entry, {
      serial: certificate.serialNumber,
      names: ['alice', 'spiffe://countersign.internal/alice', 'ann@corp.internal'],
      profile: 'client',
      requester: 'Ünal (cli)',
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      issuedAt: now,
      revokedAt: undefined,
      revocationReason: undefined,
      fingerprint: certificate.fingerprint,
      keyType: 'p256',
      issuer: entry?.issuer,
    })
    assert.match(entry?.issuer ?? '', /^issuer-2030-[0-9a-f]{4}$/)
  })

  it('is searched by serial and fingerprint, however they are written', async () => {
    const { certificate, serialNumber } = await authority.issue(serverRequest())
    for (const key of [
      serialNumber,
      serialNumber.toLowerCase(),
      pairs(serialNumber),
      certificate.fingerprint,
      pairs(certificate.fingerprint.toUpperCase()),
    ]) {
      assert.equal((await authority.find(key))?.fingerprint, certificate.fingerprint, key)
      assert.equal((await authority.certificate(key))?.fingerprint, certificate.fingerprint, key)
    }
    for (const key of ['', 'zz', '00', 'f'.repeat(64), 'f'.repeat(65), "' or 1=1 --"]) {
      assert.equal(await authority.find(key), undefined, key)
      assert.equal(await authority.certificate(key), undefined, key)
    }
  })

  it('is listed newest first, page by page, without a gap or a repetition', async () => {
    await emptied()
    const names = Array.from({ length: 25 }, (_, index) => `h${index}.corp.internal`)
    // Twenty of one millisecond, five later.
    await authority.issueMany(names.slice(0, 20).map((name) => serverRequest({ names: [name] })))
    now = new Date(now.getTime() + 1)
    for (const name of names.slice(20)) await authority.issue(serverRequest({ names: [name] }))
    const seen: string[] = []
    for (let cursor: string | undefined; ; ) {
      const page = await authority.list({ limit: 4, after: cursor })
      seen.push(...page.map((entry) => entry.names.join()))
      // Both are cursors.
      cursor = seen.length % 8 === 0 ? page.at(-1)?.serial : page.at(-1)?.fingerprint
      if (page.length < 4) break
      // What is issued meanwhile does not shift the pages.
      now = new Date(now.getTime() + 1)
      await authority.issue(serverRequest({ names: ['later.corp.internal'] }))
    }
    assert.deepEqual(new Set(seen.slice(0, 5)), new Set(names.slice(20)))
    assert.deepEqual(seen.toSorted(), names.toSorted())
  })

  it('is filtered by end, revocation and text', async () => {
    await emptied()
    const [short, long, gone] = await authority.issueMany([
      serverRequest({ names: ['short.corp.internal'], days: 3 }),
      serverRequest({ names: ['Long.Corp.Internal', '10.0.0.1'], days: 30, requester: 'Deploy_1' }),
      serverRequest({ names: ['gone.corp.internal'], days: 2 }),
    ])
    assert.ok(short !== undefined && long !== undefined && gone !== undefined)
    await authority.revoke(gone.serialNumber, 'superseded')
    const found = async (options: Parameters<Authority['list']>[0]): Promise<string[]> =>
      (await authority.list(options)).map((entry) => entry.names[0] ?? '').toSorted()
    assert.deepEqual(await found({ expiringWithinMs: 14 * DAY }), ['short.corp.internal'])
    assert.deepEqual(await found({ expiringWithinMs: Number.POSITIVE_INFINITY }), [
      'long.corp.internal',
      'short.corp.internal',
    ])
    assert.deepEqual(await found({ expiringWithinMs: 0 }), [])
    assert.deepEqual(await found({ revoked: true }), ['gone.corp.internal'])
    assert.deepEqual(await found({ revoked: false }), ['long.corp.internal', 'short.corp.internal'])
    assert.deepEqual(await found({ search: 'CORP' }), [
      'gone.corp.internal',
      'long.corp.internal',
      'short.corp.internal',
    ])
    assert.deepEqual(await found({ search: '10.0' }), ['long.corp.internal'])
    assert.deepEqual(await found({ search: 'deploy_' }), ['long.corp.internal'])
    // Neither is a pattern.
    assert.deepEqual(await found({ search: '%' }), [])
    assert.deepEqual(await found({ search: 'g_ne' }), [])
    assert.deepEqual(await found({ search: long.serialNumber.toLowerCase() }), [
      'long.corp.internal',
    ])
    assert.deepEqual(await found({ search: gone.certificate.fingerprint, revoked: false }), [])
    now = new Date(now.getTime() + 4 * DAY)
    assert.deepEqual(await found({ expiringWithinMs: 14 * DAY }), [])
    const ends = await authority.list({ expiringWithinMs: 60 * DAY, limit: 1 })
    assert.deepEqual(
      await authority.list({ expiringWithinMs: 60 * DAY, after: ends[0]?.serial }),
      [],
    )
  })

  it('refuses to list what makes no sense', async () => {
    for (const limit of [0, -1, 1.5, 1001, Number.NaN]) {
      assert.equal(await codeOfList({ limit }), 'option-invalid')
    }
    assert.equal(await codeOfList({ expiringWithinMs: -1 }), 'option-invalid')
    assert.equal(await codeOfList({ after: 'zz' }), 'cursor-unknown')
    assert.equal(await codeOfList({ after: '00' }), 'cursor-unknown')
    assert.equal(await codeOfList({ expiring: '14d' }), 'option-unknown')
  })

  it('gives fifty who ask at once fifty serials, each of which is there when it is answered', async () => {
    await emptied()
    const serials = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const { serialNumber } = await authority.issue(serverRequest({ names: [`h${index}.test`] }))
        assert.deepEqual((await authority.find(serialNumber))?.names, [`h${index}.test`])
        return serialNumber
      }),
    )
    assert.equal(new Set(serials).size, 50)
    assert.equal((await authority.list()).length, 50)
  })

  it('of a thousand at once has all, and of a batch with one that is refused none', async () => {
    await emptied()
    const requests = Array.from({ length: 1001 }, (_, index) =>
      serverRequest({ names: [`h${index}.test`] }),
    )
    const issued = await authority.issueMany(requests)
    assert.deepEqual(
      issued.map(({ certificate }) => certificate.dnsNames[0]),
      requests.map(({ names }) => names?.[0]),
    )
    assert.equal((await authority.list({ limit: 1000 })).length, 1000)
    await emptied()
    const mixed = [...requests.slice(0, 10), serverRequest({ names: ['*.test'] })]
    await assert.rejects(authority.issueMany(mixed), {
      code: 'wildcard-too-wide',
      message: /^request 11: /,
    })
    assert.deepEqual(await authority.list(), [])
    assert.deepEqual(await authority.issueMany([]), [])
  })

  describe('revocation', () => {
    it('is in the entry and in the next list, once, with its reason', async () => {
      const { serialNumber } = await authority.issue(serverRequest())
      assert.equal((await serialsOf('issuer')).has(serialNumber), false)
      const entry = await authority.revoke(serialNumber, 'keyCompromise')
      assert.deepEqual([entry.revokedAt, entry.revocationReason], [now, 'keyCompromise'])
      assert.equal((await serialsOf('issuer')).get(serialNumber), 'keyCompromise')
      const at = now
      now = new Date(now.getTime() + HOUR)
      const again = await authority.revoke(serialNumber, 'superseded')
      assert.deepEqual([again.revokedAt, again.revocationReason], [at, 'keyCompromise'])
      assert.equal((await serialsOf('root')).size, 0)
    })

    it('of what was never issued, or for no reason known, is refused', async () => {
      const { serialNumber } = await authority.issue(serverRequest())
      assert.equal(await codeOf(authority.revoke('00', 'superseded')), 'certificate-unknown')
      assert.equal(await codeOf(authority.revoke('not hex')), 'certificate-unknown')
      await assert.rejects(authority.revoke(serialNumber, JSON.parse('"superceded"')), {
        code: 'reason-unknown',
        hint: 'did you mean "superseded"?',
      })
      assert.equal(
        await codeOf(authority.revoke(serialNumber, 'certificateHold')),
        'reason-unknown',
      )
      assert.equal((await authority.find(serialNumber))?.revokedAt, undefined)
    })

    it('gives lists with rising numbers, made anew only when something changed or half their time is over', async () => {
      const issuerCrl = async (): Promise<{ number: number; nextUpdate: Date }> => {
        const [first] = await authority.crl()
        assert.ok(first !== undefined)
        return first
      }
      now = new Date(now.getTime() + DAY)
      const one = await issuerCrl()
      assert.equal((await issuerCrl()).number, one.number)
      now = new Date(now.getTime() + 11 * HOUR)
      assert.equal((await issuerCrl()).number, one.number)
      now = new Date(now.getTime() + 2 * HOUR)
      const two = await issuerCrl()
      assert.ok(two.number > one.number)
      assert.equal(two.nextUpdate.getTime(), Math.floor(now.getTime() / 1000) * 1000 + DAY)
      const { serialNumber } = await authority.issue(serverRequest())
      await authority.revoke(serialNumber)
      const [a, b] = await Promise.all([issuerCrl(), issuerCrl()])
      assert.ok(a.number > two.number && b.number === a.number)
    })

    it('is seen by another process, which hands out the same list', async () => {
      await using other = await openStore(url)
      const second = await openAuthority({ store: other, folder, clock: () => now })
      const { serialNumber } = await second.issue(serverRequest())
      await authority.crl()
      await second.revoke(serialNumber, 'superseded')
      assert.equal((await serialsOf('issuer')).get(serialNumber), 'superseded')
      assert.deepEqual(await second.crl(), await authority.crl())
    })

    it('is in the list that is asked for after it, whatever else goes on', async () => {
      const issued = await authority.issueMany(Array.from({ length: 20 }, () => serverRequest()))
      await Promise.all(
        issued.map(async ({ serialNumber }) => {
          await authority.revoke(serialNumber)
          assert.equal((await serialsOf('issuer')).has(serialNumber), true)
        }),
      )
    })

    it('leaves the list one period after the certificate has ended', async () => {
      const { serialNumber, certificate } = await authority.issue(serverRequest({ days: 1 }))
      await authority.revoke(serialNumber)
      now = new Date(certificate.notAfter.getTime() + HOUR)
      assert.equal((await serialsOf('issuer')).has(serialNumber), true)
      now = new Date(certificate.notAfter.getTime() + 25 * HOUR)
      assert.equal((await serialsOf('issuer')).has(serialNumber), false)
    })
  })

  it('has every certificate that was answered before kill -9, and none twice', async () => {
    const killedUrl = await databases.create()
    const killedFolder = newFolder()
    {
      await using killed = await openStore(killedUrl)
      await createAuthority({ store: killed, folder: killedFolder })
    }
    await using child = startCommand(
      process.execPath,
      childArguments('issue.ts', killedUrl, killedFolder),
    )
    await child.waitForOutput(/(?:[0-9A-F]{32}\n){300}/)
    child.child.kill('SIGKILL')
    await child.ended
    const answered = child.stdout().split('\n').slice(0, -1)
    await using killed = await openStore(killedUrl)
    const reopened = await openAuthority({ store: killed, folder: killedFolder })
    const found = new Set<string>()
    for (let cursor: string | undefined; ; ) {
      const page = await reopened.list({ limit: 1000, after: cursor })
      for (const entry of page) found.add(entry.serial)
      cursor = page.at(-1)?.fingerprint
      if (page.length < 1000) break
    }
    assert.equal(new Set(answered).size, answered.length)
    assert.deepEqual(
      answered.filter((serial) => !found.has(serial)),
      [],
    )
    const [crl] = await reopened.crl()
    const revoked = await reopened.list({ revoked: true, limit: 1000 })
    const listed = CertificateRevocationList.parse(crl?.der ?? new Uint8Array())
    assert.deepEqual(
      new Set([...listed].map((one) => one.serialNumber)),
      new Set(revoked.map((entry) => entry.serial)),
    )
    const certificate = await reopened.certificate(answered.at(-1) ?? '')
    assert.ok(certificate instanceof Certificate && certificate.issuedBy(reopened.issuer))
  })

  it('gives one of two connections that use an enrolment token at once a certificate, and counts it', async () => {
    await using second = await openStore(url)
    const other = await openAuthority({ store: second, folder, clock: () => now })
    const names = ['enrolled.internal']
    const { token } = await authority.enrolment.create({ names, requester: 'test' })
    const csr = createRequest({ key: leafKey, subjectAltNames: [] })
    const uses = [authority, other].map(async ({ enrolment }) =>
      codeOf(enrolment.find(token).then(async (found) => enrolment.use(found, { csr }))),
    )
    assert.deepEqual((await Promise.all(uses)).toSorted(), ['none', 'token-used'])
    assert.equal((await authority.list({ search: 'enrolled.internal' })).length, 1)
    const server = (await authority.inventory()).find(({ profile }) => profile === 'server')
    assert.equal(typeof server?.valid, 'number')
    assert.ok(server?.soonestEnd !== undefined && server.soonestEnd > now)
  })

  it('lets one of two processes that begin at once make the authority', async () => {
    const racedUrl = await databases.create()
    const raced = newFolder()
    const children = [1, 2].map(() =>
      startCommand(process.execPath, childArguments('init.ts', racedUrl, raced)),
    )
    await Promise.all(children.map((child) => child.ended))
    const printed = children.map((child) => child.stdout()).toSorted()
    assert.equal(printed[0], 'already-initialised\n')
    await using reopened = await openStore(racedUrl)
    const winner = await openAuthority({ store: reopened, folder: raced })
    assert.equal(printed[1], `made ${winner.roots[0]?.fingerprint}\n`)
    assert.equal(await codeOf(winner.issue(serverRequest())), 'none')
  })
}

/** Hex as OpenSSL prints it: `AB:CD`. */
function pairs(hex: string): string {
  return hex.replaceAll(/(..)(?=.)/g, '$1:')
}
