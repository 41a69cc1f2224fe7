import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { CertificateRevocationList } from '@countersign/x509'
import { csrOf, leafOf, obtain, prove, registered, requestFor, suiteAcme } from './acme-fixture.ts'
import { serverRequest } from './fixture.ts'

scrubProcess()

describe('a clock that jumps by a day', () => {
  let now = new Date('2026-03-01T00:00:00Z')
  const suite = suiteAcme({ acme: { clock: () => now } })
  before(() => {
    // An authority that is older than the jump: before its birth nothing is signed.
    now = new Date(now.getTime() + 10 * DAY_MS)
  })

  const jump = (ms: number): void => {
    now = new Date(now.getTime() + ms)
  }

  it('forward ends what waited, by name, and everything begins anew', async () => {
    const driver = await registered(suite.current)
    const order = await driver.order(['forward.a.test'])
    jump(DAY_MS + 1000)
    const stale = await driver.post(order.headers.get('location') ?? '')
    assert.equal(stale.problem, 'badNonce')
    const over = await driver.post(order.headers.get('location') ?? '')
    assert.equal(over.at('status'), 'invalid')
    const finalized = await driver.post(
      order.textAt('finalize'),
      csrOf(requestFor(['forward.a.test'])),
    )
    assert.deepEqual(
      [finalized.problem, finalized.textAt('detail')],
      ['orderNotReady', 'the order is invalid'],
    )
    const leaf = await leafOf(driver, await obtain(suite.current, driver, ['forward.a.test']))
    assert.ok(leaf.notBefore <= now && now < leaf.notAfter)
  })

  it('back refuses nonces of the future once, and finishes the order', async () => {
    const { authority } = suite.current
    const driver = await registered(suite.current)
    const names = ['back.a.test']
    const order = await driver.order(names)
    await prove(suite.current, driver, order)
    jump(-DAY_MS)
    const csr = csrOf(requestFor(names))
    assert.equal((await driver.post(order.textAt('finalize'), csr)).problem, 'badNonce')
    const done = await driver.post(order.textAt('finalize'), csr)
    assert.equal(done.at('status'), 'valid', done.text)
    const leaf = await leafOf(driver, done)
    assert.ok(leaf.notBefore <= now && now < leaf.notAfter)
    assert.equal((await authority.list({ search: 'back.a.test' })).length, 1)
  })

  it('either way keeps the numbers of lists rising, and every revocation in them', async () => {
    const { authority } = suite.current
    const revoked: string[] = []
    let last = 0
    for (const ms of [0, DAY_MS, -DAY_MS, -DAY_MS, DAY_MS, 0]) {
      jump(ms)
      const { serialNumber } = await authority.issue(serverRequest())
      await authority.revoke(serialNumber)
      revoked.push(serialNumber)
      const [list] = await authority.crl()
      assert.ok(list !== undefined && list.number > last)
      last = list.number
      assert.ok(list.thisUpdate <= now && now < list.nextUpdate)
      const crl = CertificateRevocationList.parse(list.der)
      for (const serial of revoked) assert.ok(crl.has(serial), serial)
      for (const { date } of crl) assert.ok(date <= list.thisUpdate)
    }
  })

  it('back signs anew what was signed in the future, which nobody would take yet', async () => {
    const { authority } = suite.current
    jump(DAY_MS)
    const early = await authority.crl()
    jump(-DAY_MS)
    const after = await authority.crl()
    for (const list of after) assert.ok(list.thisUpdate <= now && now < list.nextUpdate)
    assert.ok((after[0]?.number ?? 0) > (early[0]?.number ?? 0))
    assert.deepEqual(
      (await authority.crl()).map(({ number }) => number),
      after.map(({ number }) => number),
    )
  })
})

const DAY_MS = 86_400_000
