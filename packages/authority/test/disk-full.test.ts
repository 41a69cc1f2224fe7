import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Authority } from '@countersign/authority'
import { CountersignError } from '@countersign/core'
import { sql, type Store } from '@countersign/store'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import { CertificateRevocationList, OcspRequest, OcspResponse } from '@countersign/x509'
import { csrOf, leafOf, prove, registered, requestFor, suiteAcme } from './acme-fixture.ts'
import { makeAuthority, serverRequest } from './fixture.ts'

scrubProcess()

/** Lets a database grow by so many pages and no more: SQLite says then what it says of a disk without room. */
async function leaveRoom(store: Store, pages: number): Promise<void> {
  const database = store.database()
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database)
  const most = (rows[0]?.page_count ?? 0) + pages
  await sql`pragma max_page_count = ${sql.raw(String(most))}`.execute(database)
}

async function makeRoom(store: Store): Promise<void> {
  await sql`pragma max_page_count = 1000000`.execute(store.database())
}

/** Does something again and again until there is no room. @returns what it gave before that */
async function untilFull<T>(work: (turn: number) => Promise<T>): Promise<T[]> {
  const done: T[] = []
  for (let turn = 0; turn < 1000; turn++) {
    try {
      done.push(await work(turn))
    } catch (error) {
      if (!(error instanceof CountersignError)) throw error
      assert.equal(error.code, 'disk-full')
      assert.match(error.message, /the disk is full$/)
      return done
    }
  }
  return assert.fail('there is still room')
}

async function serials(authority: Authority): Promise<string[]> {
  return (await authority.list({ limit: 1000 })).map(({ serial }) => serial).toSorted()
}

describe('on a disk that is full', () => {
  it('issuing is refused by name, and what was answered before is there, and nothing else', async (t) => {
    const { authority, store } = await makeAuthority(t)
    await leaveRoom(store, 2)
    const issued = await untilFull(
      async () => (await authority.issue(serverRequest())).serialNumber,
    )
    assert.deepEqual(await serials(authority), issued.toSorted())
    await makeRoom(store)
    issued.push((await authority.issue(serverRequest())).serialNumber)
    assert.deepEqual(await serials(authority), issued.toSorted())
  })

  it('revoking is refused by name, and the list of before is handed out until there is room for the next', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const faults: unknown[] = []
    const { authority, store } = await makeAuthority(t, {
      clock: () => now,
      onFault: (error) => faults.push(error),
      authorize: async () => Response.json({}, { status: 401 }),
    })
    const requests = Array.from({ length: 200 }, () => serverRequest())
    const all = (await authority.issueMany(requests)).map(({ serialNumber }) => serialNumber)
    const [before] = await authority.crl()
    assert.ok(before !== undefined)
    for (const serial of all.slice(0, 190)) await authority.revoke(serial)
    await leaveRoom(store, 0)
    const more = await untilFull(async () => (await authority.issue(serverRequest())).serialNumber)
    // A list of 190 takes more than one page.
    const asked = async (): Promise<Response> => authority.routes.request(`/crl/${before.ca}.crl`)
    for (let turn = 0; turn < 3; turn++) {
      const response = await asked()
      assert.deepEqual([response.status, response.headers.get('etag')], [200, `"${before.number}"`])
    }
    // It was tried once: a full disk is not asked again for some seconds.
    const reason =
      /^the revocation list of issuer-\S+ cannot be made anew, and the one of before holds until 2030-01-03T00:.*the disk is full$/
    assert.equal(faults.length, 1)
    assert.ok(faults[0] instanceof CountersignError && faults[0].code === 'signature-overdue')
    assert.match(faults[0].message, reason)
    assert.deepEqual(authority.overdue, {
      failures: { list: 1, responder: 0 },
      standing: [{ what: 'list', of: before.ca, since: now, until: before.nextUpdate }],
    })
    const left = [...all.slice(190), ...more]
    // A revocation may find room in the row that it changes.
    const revoked: string[] = []
    for (const serial of left) {
      const fault = await authority.revoke(serial).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (fault === undefined) revoked.push(serial)
      else assert.ok(fault instanceof CountersignError && fault.code === 'disk-full')
    }

    // One that has ended is not handed out.
    const begun = now
    now = before.nextUpdate
    assert.equal((await asked()).status, 503)
    await assert.rejects(authority.crl(), { code: 'disk-full' })
    now = new Date(begun.getTime() + 60_000)
    await makeRoom(store)
    const [list] = await authority.crl()
    assert.ok(list !== undefined && list.number > before.number)
    const listed = [...CertificateRevocationList.parse(list.der)].map(
      ({ serialNumber }) => serialNumber,
    )
    assert.deepEqual(listed.toSorted(), [...all.slice(0, 190), ...revoked].toSorted())
    assert.deepEqual(authority.overdue.standing, [])
  })

  it('OCSP answers by the responder of before while that lasts, and then says to try later', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const faults: unknown[] = []
    const { authority, store } = await makeAuthority(t, {
      clock: () => now,
      onFault: (error) => faults.push(error),
      authorize: async () => Response.json({}, { status: 401 }),
    })
    const { certificate } = await authority.issue(serverRequest({ days: 30 }))
    const about = [{ certificate, issuer: authority.issuer }]
    const ask = async (): Promise<OcspResponse> => {
      const { path: asked } = OcspRequest.build({ about, nonce: false })
      const response = await authority.routes.request(`/ocsp/${asked}`)
      return OcspResponse.parse(await response.bytes())
    }
    const delegate = (await ask()).basic?.certificates[0]
    assert.ok(delegate !== undefined)
    await leaveRoom(store, 0)
    await untilFull(async () => authority.issue(serverRequest()))
    // Its time is over at two thirds.
    now = new Date(now.getTime() + 17 * 3_600_000)
    const answer = await ask()
    assert.equal(answer.status, 'successful')
    assert.ok(answer.basic?.certificates[0]?.equals(delegate))
    assert.deepEqual(
      authority.overdue.standing.map(({ what, until }) => [what, until]),
      [['responder', delegate.notAfter]],
    )
    now = new Date(delegate.notAfter.getTime() + 1000)
    assert.equal((await ask()).status, 'tryLater')
    await makeRoom(store)
    const later = await ask()
    assert.equal(later.status, 'successful')
    assert.ok(later.basic?.certificates[0]?.equals(delegate) === false)
    assert.deepEqual(authority.overdue.standing, [])
  })

  it('a long list is refused by name, and leaves no file', {
    skip: skipWithout('sh'),
  }, async (t) => {
    const folder = temporaryFolder(t)
    // A limit on the size of files fails a write as a full disk does, with EFBIG for ENOSPC.
    const script = `
      import { ListSpool } from './src/list-spool.ts'
      await using spool = new ListSpool(() => process.argv[1])
      try { await spool.fill([new Uint8Array(2_000_000)]) } catch (error) { console.log(error.code, error.message) }`
    const { stdout, stderr } = await runCommand(
      'sh',
      [
        '-c',
        `trap '' XFSZ; ulimit -f 8; exec "$0" --conditions=@countersign/source --input-type=module -e "$1" "$2"`,
        process.execPath,
        script,
        folder,
      ],
      { cwd: new URL('..', import.meta.url).pathname },
    )
    assert.match(stdout, /^file-write-failed cannot write .*\.tmp: EFBIG/, stderr)
    const { stdout: left } = await runCommand('ls', ['-A', folder])
    assert.equal(left, '')
  })

  describe('ACME', () => {
    let now = new Date()
    const suite = suiteAcme({ acme: { clock: () => now } })

    it('refuses to finalize, wherever there is no room, and gives one certificate once there is', async () => {
      const { acme, authority, store, faults } = suite.current
      const driver = await registered(suite.current)
      const names = ['full.a.test']
      const order = await driver.order(names)
      await prove(suite.current, driver, order)
      await leaveRoom(store, 0)
      await untilFull(async () => authority.issue(serverRequest()))
      const place = order.headers.get('location') ?? ''
      const csr = csrOf(requestFor(names))
      let refusals = 0
      let status = 'ready'
      for (let pages = 0; status !== 'valid'; pages++) {
        assert.ok(pages < 50, 'it never ends')
        await leaveRoom(store, pages)
        const done = await driver.post(order.textAt('finalize'), csr)
        if (done.status !== 200) {
          refusals++
          // One that was stopped half-way is in work.
          const expected =
            status === 'ready'
              ? [503, 'serverInternal', 'the disk of the server is full']
              : [403, 'orderNotReady', `the order is ${status}`]
          assert.deepEqual([done.status, done.problem, done.textAt('detail')], expected)
        }
        // It is taken over after two minutes.
        now = new Date(now.getTime() + 180_000)
        await acme.sweep().catch((error: unknown) => {
          assert.ok(error instanceof CountersignError && error.code === 'disk-full')
        })
        await makeRoom(store)
        status = (await driver.post(place)).textAt('status')
      }
      assert.ok(refusals > 0)
      const leaf = await leafOf(driver, await driver.post(place))
      assert.deepEqual(
        (await authority.list({ search: 'full.a.test' })).map(({ fingerprint }) => fingerprint),
        [leaf.fingerprint],
      )
      assert.ok(
        faults.every((error) => error instanceof CountersignError && error.code === 'disk-full'),
      )
    })
  })
})
