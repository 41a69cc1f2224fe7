/** What becomes of certificates, accounts and everything that is over, on every database. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createAcme, openAcme } from '@countersign/authority'
import { Certificate, createRequest, parseGeneralName, PrivateKey } from '@countersign/x509'
import { type Answer, Driver, ORIGIN } from './acme-driver.ts'
import {
  type AcmeFixture,
  csrOf,
  leafOf,
  obtain,
  prove,
  registered,
  requestFor,
} from './acme-fixture.ts'

/** Declares the tests. */
export function acmeLifecycleTests(
  suite: { readonly current: AcmeFixture },
  clock: { now: Date },
): void {
  describe('revocation', () => {
    it('by the account that ordered, once', async () => {
      const { authority } = suite.current
      const driver = await registered(suite.current)
      const leaf = await leafOf(driver, await obtain(suite.current, driver, ['own.a.test']))
      assert.equal((await revoke(driver, leaf, 2)).problem, 'badRevocationReason')
      assert.equal((await revoke(driver, leaf, 4)).status, 200)
      assert.equal((await authority.find(leaf.fingerprint))?.revocationReason, 'superseded')
      assert.equal((await revoke(driver, leaf)).problem, 'alreadyRevoked')
    })

    it('by the key of the certificate', async () => {
      const { authority, acme } = suite.current
      const driver = await registered(suite.current)
      const key = PrivateKey.generateSync('p256')
      const names = ['key.a.test']
      const order = await driver.order(names)
      await prove(suite.current, driver, order)
      const request = createRequest({
        subjectAltNames: names.map((name) => parseGeneralName(name)),
        key,
      })
      const done = await driver.post(order.textAt('finalize'), csrOf(request))
      const leaf = await leafOf(driver, done)
      const { x = '', y = '' } = key.keyObject.export({ format: 'jwk' })
      const jwk = { crv: 'P-256', kty: 'EC', x, y }
      const holder = new Driver(acme, {
        privateKey: key.keyObject,
        jwk,
        algorithm: 'ES256',
        thumbprint: '',
      })
      const stranger = new Driver(acme)
      assert.equal((await revoke(stranger, leaf)).problem, 'unauthorized')
      assert.equal((await revoke(holder, leaf, 1)).status, 200)
      assert.equal((await authority.find(leaf.fingerprint))?.revocationReason, 'keyCompromise')
    })

    it('by another account once it holds every name', async () => {
      const driver = await registered(suite.current)
      const names = ['one.a.test', 'two.a.test']
      const leaf = await leafOf(driver, await obtain(suite.current, driver, names))
      const other = await registered(suite.current)
      assert.equal((await revoke(other, leaf)).problem, 'unauthorized')
      await prove(suite.current, other, await other.order(['one.a.test']))
      assert.equal((await revoke(other, leaf)).problem, 'unauthorized')
      await prove(suite.current, other, await other.order(['two.a.test']))
      assert.equal((await revoke(other, leaf)).status, 200)
    })
  })

  describe('renewal information', () => {
    it('suggests the last third, and the past for what was revoked', async () => {
      const { authority } = suite.current
      const driver = await registered(suite.current)
      const leaf = await leafOf(driver, await obtain(suite.current, driver, ['ari.a.test']))
      const answer = await driver.get(`/renewal-info/${ariId(leaf)}`)
      assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
      const start = Date.parse(answer.textAt('suggestedWindow.start'))
      const end = Date.parse(answer.textAt('suggestedWindow.end'))
      assert.ok(leaf.notBefore.getTime() < start && start < end && end < leaf.notAfter.getTime())
      assert.ok(start > clock.now.getTime())
      await authority.revoke(leaf.fingerprint, 'keyCompromise')
      const past = await driver.get(`/renewal-info/${ariId(leaf)}`)
      assert.ok(Date.parse(past.textAt('suggestedWindow.end')) <= clock.now.getTime())
      assert.equal((await driver.get('/renewal-info/AAAA.AAAA')).status, 404)
      assert.equal((await driver.get('/renewal-info/nonsense')).problem, 'malformed')
    })

    it('lets an order replace a certificate once', async () => {
      const driver = await registered(suite.current)
      const names = ['replaced.a.test']
      const leaf = await leafOf(driver, await obtain(suite.current, driver, names))
      const replaces = ariId(leaf)
      assert.equal((await driver.order(['other.a.test'], { replaces })).problem, 'malformed')
      const stranger = await registered(suite.current)
      assert.equal((await stranger.order(names, { replaces })).problem, 'unauthorized')
      const order = await driver.order(names, { replaces })
      assert.deepEqual([order.at('status'), order.at('replaces')], ['ready', replaces])
      await driver.post(order.textAt('finalize'), csrOf(requestFor(names)))
      const again = await driver.order(names, { replaces })
      assert.deepEqual([again.status, again.problem], [409, 'alreadyReplaced'])
    })
  })

  it('gives each profile its life, and what an order asks for below it', async () => {
    const driver = await registered(suite.current)
    const names = ['days.a.test']
    await obtain(suite.current, driver, names)
    const lifeOf = async (more: object): Promise<number> => {
      const order = await driver.order(names, more)
      assert.equal(order.status, 201, order.text)
      const done = await driver.post(order.textAt('finalize'), csrOf(requestFor(names)))
      return (await leafOf(driver, done)).notAfter.getTime() - clock.now.getTime()
    }
    assert.equal(await lifeOf({}), 7 * DAY)
    assert.equal(await lifeOf({ profile: 'shortlived' }), DAY)
    const notAfter = new Date(clock.now.getTime() + 2 * DAY).toISOString()
    assert.equal(await lifeOf({ notAfter }), 2 * DAY)
    assert.equal((await driver.order(names, { profile: 'any' })).problem, 'invalidProfile')
    const beyond = new Date(clock.now.getTime() + 8 * DAY).toISOString()
    for (const wrong of [beyond, clock.now.toISOString(), 'soon', '2030-13-01T00:00:00Z']) {
      assert.equal((await driver.order(names, { notAfter: wrong })).problem, 'malformed', wrong)
    }
    const order = await driver.order(names, { notBefore: clock.now.toISOString() })
    assert.equal(order.problem, 'malformed')
  })

  it('binds accounts to keys of the operator, each as often as it says', async () => {
    await using fixture = await second(suite.current, { externalAccountRequired: true })
    const { acme } = fixture
    const keys = acme.externalAccounts
    const key = await keys.create({ label: 'web', allow: ['.web.test'] })
    const driver = new Driver(acme)
    assert.equal((await driver.register()).problem, 'externalAccountRequired')
    for (const [header, problem] of [
      [{ alg: 'ES256' }, 'badSignatureAlgorithm'],
      [{ alg: 'none' }, 'badSignatureAlgorithm'],
      [{ nonce: 'a' }, 'malformed'],
      [{ jwk: {} }, 'malformed'],
      [{ url: `${ORIGIN}/acme/new-order` }, 'malformed'],
      [{ kid: 'unknown' }, 'unauthorized'],
    ] as const) {
      const externalAccountBinding = driver.binding(key.id, key.hmacKey, header)
      assert.equal((await driver.register({ externalAccountBinding })).problem, problem)
    }
    const wrong = driver.binding(key.id, Buffer.alloc(64).toString('base64url'))
    assert.equal((await driver.register({ externalAccountBinding: wrong })).problem, 'unauthorized')
    const foreign = new Driver(acme).binding(key.id, key.hmacKey)
    assert.equal((await driver.register({ externalAccountBinding: foreign })).problem, 'malformed')
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const more = await keys.create({ label: alg })
      const one = new Driver(acme)
      const externalAccountBinding = one.binding(more.id, more.hmacKey, { alg })
      assert.equal((await one.register({ externalAccountBinding })).status, 201)
    }
    const bound = driver.binding(key.id, key.hmacKey)
    assert.equal((await driver.register({ externalAccountBinding: bound })).status, 201)
    const next = new Driver(acme)
    const again = next.binding(key.id, key.hmacKey)
    assert.equal((await next.register({ externalAccountBinding: again })).problem, 'unauthorized')
    assert.equal((await driver.order(['a.web.test'])).status, 201)
    const refused = await driver.order(['a.test', 'b.test', 'a.web.test'])
    assert.equal(refused.problem, 'rejectedIdentifier')
    assert.equal(refused.at('subproblems.1.identifier.value'), 'b.test')
    assert.equal(refused.at('subproblems.2'), undefined)
    const late = await keys.create({ label: 'late', days: 1 })
    clock.now = new Date(clock.now.getTime() + 2 * DAY)
    const tardy = new Driver(acme)
    const old = tardy.binding(late.id, late.hmacKey)
    assert.equal((await tardy.register({ externalAccountBinding: old })).problem, 'unauthorized')
    assert.equal(await keys.revoke(key.id), 1)
    driver.forgetNonce()
    assert.equal((await driver.order(['a.web.test'])).problem, 'unauthorized')
    const { folder, store } = suite.current
    const data = await openAcme({ store, folder })
    const listed = (await data.externalAccounts.list()).find(({ id }) => id === key.id)
    assert.deepEqual([listed?.label, listed?.usesLeft, listed?.accounts], ['web', 0, 1])
    const account = (await data.accounts.list()).find(({ status }) => status === 'revoked')
    assert.equal(account?.externalAccount, 'web')
  })

  it('answers rateLimited, with the time to wait, beyond each limit', async () => {
    await using fixture = await second(suite.current, {
      limits: { accountsPerAddress: 2, pendingOrders: 1, ordersPerAccount: 2, identifiers: 3 },
    })
    const { acme } = fixture
    const made: Answer[] = []
    for (const address of ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1']) {
      const driver = new Driver(acme)
      driver.address = address
      made.push(await driver.register())
    }
    assert.deepEqual(
      made.map(({ problem }) => problem),
      [undefined, undefined, 'rateLimited', undefined],
    )
    assert.deepEqual([made[2]?.status, made[2]?.headers.get('retry-after')], [429, '3600'])
    const driver = new Driver(acme)
    await driver.register()
    assert.equal((await driver.order(['1.a.test'])).status, 201)
    assert.equal((await driver.order(['2.a.test'])).problem, 'rateLimited')
    assert.equal((await driver.order(['1', '2', '3', '4'])).problem, 'rejectedIdentifier')
  })

  it('counts orders, challenges, refusals and nonces', async () => {
    await using fixture = await second(suite.current, {})
    const { acme, dns } = fixture
    const valueOf = (what: string, ...labels: string[]): number | undefined =>
      acme
        .counts()
        .find((one) => one.what === what && Object.values(one.labels).join() === labels.join())
        ?.value
    assert.deepEqual(
      [valueOf('orders', 'invalid'), valueOf('challenges', 'dns-01', 'valid')],
      [0, 0],
    )
    const driver = await registered(fixture)
    await obtain(fixture, driver, ['counted.a.test'])
    dns.set('uncounted.a.test', 'A', '127.0.0.1')
    const order = await driver.order(['uncounted.a.test'])
    const authorization = await driver.post(order.textAt('authorizations.0'))
    assert.equal(authorization.at('challenges.0.type'), 'tls-alpn-01')
    await driver.post(authorization.textAt('challenges.0.url'), {})
    await acme.settled()
    const foreign = await driver.post('/new-order', {}, { header: { nonce: 'AAAA' } })
    assert.equal(foreign.problem, 'badNonce')
    assert.deepEqual(
      ['created', 'valid', 'invalid'].map((status) => valueOf('orders', status)),
      [2, 1, 1],
    )
    assert.equal(valueOf('challenges', 'http-01', 'valid'), 1)
    assert.equal(valueOf('challenges', 'tls-alpn-01', 'invalid'), 1)
    assert.equal(valueOf('problems', 'badNonce'), 1)
    assert.equal(valueOf('nonces', 'refused'), 1)
    const [made = 0, used = 0] = ['made', 'used'].map((result) => valueOf('nonces', result))
    assert.ok(made > used && used > 5, `${made} ${used}`)
  })

  it('collects what is over', async () => {
    const { acme, store } = suite.current
    const driver = await registered(suite.current)
    await obtain(suite.current, driver, ['over.a.test'])
    clock.now = new Date(clock.now.getTime() + 60 * DAY)
    await acme.sweep()
    const database = store.database<Record<string, { id: string }>>()
    for (const table of [
      'acme_nonce',
      'acme_order',
      'acme_order_authorization',
      'acme_authorization',
      'acme_challenge',
      'acme_certificate',
    ]) {
      const { count } = await database
        .selectFrom(table)
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      assert.deepEqual([table, count], [table, 0])
    }
    assert.deepEqual(suite.current.faults, [])
  })

  // Last: it changes the authority of all.
  it('suggests the day after its issuer or root got a next generation, and the past once that is alone', async () => {
    const { authority } = suite.current
    const driver = await registered(suite.current)
    const names = ['next.a.test']
    const windowOf = async (leaf: Certificate): Promise<[start: number, end: number]> => {
      const answer = await driver.get(`/renewal-info/${ariId(leaf)}`)
      const [start, end] = [
        answer.textAt('suggestedWindow.start'),
        answer.textAt('suggestedWindow.end'),
      ]
      return [Date.parse(start), Date.parse(end)]
    }
    const first = await leafOf(driver, await obtain(suite.current, driver, names))
    const began = clock.now.getTime()
    await authority.roll('issuer')
    assert.deepEqual(await windowOf(first), [began, began + DAY])
    const next = await leafOf(driver, await obtain(suite.current, driver, names))
    assert.ok((await windowOf(next))[0] > began + 4 * DAY)
    await authority.roll('root')
    assert.deepEqual(await windowOf(next), [began, began + DAY])
    const newest = await leafOf(driver, await obtain(suite.current, driver, names))
    assert.ok((await windowOf(newest))[0] > began + 4 * DAY)
    await authority.retire('issuer', { force: true })
    assert.ok((await windowOf(first))[1] <= began)
    assert.deepEqual(await windowOf(next), [began, began + DAY])
    // What is due by its age stays where it is.
    clock.now = new Date(began + 6 * DAY)
    driver.forgetNonce()
    const aged = await windowOf(newest)
    await authority.retire('root', { force: true })
    await authority.roll('root')
    assert.deepEqual(await windowOf(newest), aged)
  })
}

/** Another server on the same store, with other options. */
async function second(
  fixture: AcmeFixture,
  changes: Partial<AcmeFixture['options']>,
): Promise<AcmeFixture & AsyncDisposable> {
  const acme = await createAcme({ ...fixture.options, ...changes })
  return { ...fixture, acme, [Symbol.asyncDispose]: async () => acme.close() }
}

async function revoke(driver: Driver, leaf: Certificate, reason?: number): Promise<Answer> {
  return await driver.post('/revoke-cert', {
    certificate: Buffer.from(leaf.der).toString('base64url'),
    ...(reason === undefined ? {} : { reason }),
  })
}

/** RFC 9773 §4.1. */
function ariId(leaf: Certificate): string {
  const keyId = Buffer.from(leaf.extensions.authorityKeyIdentifier?.keyId ?? [])
  const serial = Buffer.from(leaf.serialNumber, 'hex')
  return `${keyId.toString('base64url')}.${serial.toString('base64url')}`
}

const DAY = 86_400_000
