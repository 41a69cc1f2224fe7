/** What the ACME server does on every database. */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAcme } from '@countersign/authority'
import { Certificate } from '@countersign/x509'
import { type Answer, Driver, driverKey, ORIGIN, signJws } from './acme-driver.ts'
import {
  arrange,
  csrOf,
  leafOf,
  obtain,
  prove,
  registered,
  requestFor,
  suiteAcme,
} from './acme-fixture.ts'
import { acmeLifecycleTests } from './acme-lifecycle.ts'

/** Declares the tests. */
export function acmeTests(create: () => Promise<string>): void {
  const clock = { now: new Date('2030-01-02T00:00:00Z') }
  const suite = suiteAcme({ database: create, acme: { clock: () => clock.now } })

  it('names its resources in the directory', async () => {
    const answer = await new Driver(suite.current.acme).get('/directory')
    assert.equal(answer.status, 200)
    for (const name of RESOURCES) {
      assert.match(answer.textAt(name), /^https:\/\/ca\.test\/acme\/[a-z-]+$/)
    }
    assert.equal(answer.at('meta.externalAccountRequired'), false)
    assert.match(answer.textAt('meta.profiles.server'), /seven days/)
  })

  it('gives a nonce with every answer, refusals included', async () => {
    const driver = new Driver(suite.current.acme)
    const head = await suite.current.acme.routes.request(`${ORIGIN}/acme/new-nonce`, {
      method: 'HEAD',
    })
    const answers = [
      await driver.get('/new-nonce'),
      await driver.get('/nothing'),
      await driver.get('/new-order'),
      await driver.post('/new-order', {}),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [204, 404, 405, 400],
    )
    const nonces = [head, ...answers].map(({ headers }) => headers.get('replay-nonce'))
    assert.equal(new Set(nonces).size, 5)
    assert.ok(nonces.every((nonce) => /^[\w-]{43}$/.test(nonce ?? '')))
    assert.equal(head.status, 200)
    for (const { headers } of [head, ...answers]) {
      assert.equal(headers.get('link'), `<${ORIGIN}/acme/directory>;rel="index"`)
      assert.equal(headers.get('cache-control'), 'no-store')
    }
  })

  for (const type of ['http-01', 'dns-01', 'tls-alpn-01']) {
    it(`issues for a name proven by ${type}`, async () => {
      const { authority } = suite.current
      const driver = await registered(suite.current)
      const name = `${type}.a.test`
      const order = await obtain(suite.current, driver, [name], type)
      assert.deepEqual([order.status, order.at('status')], [200, 'valid'], order.text)
      const chain = await driver.post(order.textAt('certificate'))
      assert.equal(chain.headers.get('content-type'), 'application/pem-certificate-chain')
      const [leaf, issuer, more] = Certificate.parseAll(chain.text)
      assert.deepEqual(leaf?.subjectAltNames, [{ type: 'dns', value: name }])
      assert.equal(issuer?.fingerprint, authority.issuer.fingerprint)
      assert.equal(more, undefined)
      const entry = await authority.find(leaf?.fingerprint ?? '')
      assert.match(entry?.requester ?? '', /^acme [\w-]+ [\w-]+$/)
      assert.equal(entry?.profile, 'server')
    })
  }

  it('issues for an address, and tells the chain with the root as the alternate', async () => {
    for (const type of ['http-01', 'tls-alpn-01']) {
      const driver = await registered(suite.current)
      const order = await obtain(suite.current, driver, ['127.0.0.1'], type)
      assert.equal(order.at('status'), 'valid', order.text)
      const chain = await driver.post(order.textAt('certificate'))
      const [, alternate = ''] =
        /<([^>]+)>;rel="alternate"/.exec(chain.headers.get('link') ?? '') ?? []
      const whole = Certificate.parseAll((await driver.post(alternate)).text)
      assert.equal(whole.length, 3)
      assert.equal(whole[2]?.fingerprint, suite.current.authority.roots[0]?.fingerprint)
      assert.equal((await driver.post(alternate.replace(/1$/, '2'))).status, 404)
    }
  })

  it('issues for a wildcard proven by DNS, beside its domain', async () => {
    const driver = await registered(suite.current)
    const names = ['*.wild.a.test', 'wild.a.test']
    const order = await driver.order(names)
    for (const index of [0, 1]) {
      const authorization = await driver.post(order.textAt(`authorizations.${index}`))
      assert.equal(authorization.at('identifier.value'), 'wild.a.test')
      const challenges = authorization.at('challenges')
      assert.equal(Array.isArray(challenges) && challenges.length, index === 0 ? 1 : 3)
      assert.equal(authorization.at('wildcard'), index === 0 ? true : undefined)
    }
    await prove(suite.current, driver, order, 'dns-01')
    const done = await driver.post(order.textAt('finalize'), csrOf(requestFor(names)))
    assert.equal(done.at('status'), 'valid', done.text)
  })

  it('follows an alias to the record of a challenge', async () => {
    const { dns } = suite.current
    const driver = await registered(suite.current)
    const order = await driver.order(['alias.a.test'])
    const authorization = await driver.post(order.textAt('authorizations.0'))
    const url = arrange(suite.current, driver, authorization, 'dns-01')
    dns.set('_acme-challenge.alias.a.test', 'TXT')
    dns.set('_acme-challenge.alias.a.test', 'CNAME', 'records.b.test')
    dns.set('records.b.test', 'TXT', 'another', proofOf(driver, authorization, 'dns-01'))
    await driver.post(url, {})
    await suite.current.acme.settled()
    assert.equal((await driver.post(order.textAt('authorizations.0'))).at('status'), 'valid')
  })

  for (const kind of ['p256', 'p384', 'p521', 'ed25519', 'rsa'] as const) {
    it(`knows an account by its key: ${kind}`, async () => {
      const driver = new Driver(suite.current.acme, driverKey(kind))
      const made = await driver.register({ contact: ['mailto:ops@a.test'] })
      assert.deepEqual([made.status, made.at('status')], [201, 'valid'], made.text)
      const again = new Driver(suite.current.acme, driver.key)
      const found = await again.register({ onlyReturnExisting: true })
      assert.deepEqual([found.status, again.kid], [200, driver.kid])
      const changed = await driver.post(driver.kid ?? '', { contact: [] })
      assert.deepEqual(changed.at('contact'), [])
    })
  }

  it('ends an account, and with it what it has not finished', async () => {
    const driver = await registered(suite.current)
    const order = await driver.order(['end.a.test'])
    const ended = await driver.post(driver.kid ?? '', { status: 'deactivated' })
    assert.equal(ended.at('status'), 'deactivated')
    const after = await driver.post(order.headers.get('location') ?? '')
    assert.deepEqual([after.status, after.problem], [403, 'unauthorized'])
    const again = new Driver(suite.current.acme, driver.key)
    assert.deepEqual((await again.register()).problem, 'unauthorized')
  })

  it('gives an account another key', async () => {
    const driver = await registered(suite.current)
    const other = driverKey('p384')
    const url = `${ORIGIN}/acme/key-change`
    const inner = signJws(
      { alg: other.algorithm, jwk: other.jwk, url },
      JSON.stringify({ account: driver.kid, oldKey: driver.key.jwk }),
      other,
    )
    const changed = await driver.post('/key-change', inner)
    assert.equal(changed.status, 200, changed.text)
    const before = driver.key
    driver.key = other
    assert.equal((await driver.post(driver.kid ?? '')).status, 200)
    driver.key = before
    assert.equal((await driver.post(driver.kid ?? '')).problem, 'badSignatureAlgorithm')
  })

  it('lists the orders of an account in pages', async () => {
    const driver = await registered(suite.current)
    for (let index = 0; index < 52; index++) {
      const made = await driver.order([`order-${index}.a.test`])
      assert.equal(made.status, 201, made.text)
    }
    const first = await driver.post(`${driver.kid}/orders`)
    const [, next = ''] = /<([^>]+)>;rel="next"/.exec(first.headers.get('link') ?? '') ?? []
    const rest = await driver.post(next)
    const lists = [first.at('orders'), rest.at('orders')]
    assert.ok(lists.every(Array.isArray))
    assert.deepEqual(
      lists.map((list) => Array.isArray(list) && list.length),
      [50, 2],
    )
    assert.equal(new Set(lists.flat()).size, 52)
    assert.equal(rest.headers.get('link')?.includes('next'), false)
  })

  it('needs no second proof within hours, and one after', async () => {
    const driver = await registered(suite.current)
    await obtain(suite.current, driver, ['again.a.test'])
    assert.equal((await driver.order(['again.a.test'])).at('status'), 'ready')
    clock.now = new Date(clock.now.getTime() + 8 * HOUR)
    driver.forgetNonce()
    assert.equal((await driver.order(['again.a.test'])).at('status'), 'pending')
  })

  it('takes an authorization back, and the orders that need it', async () => {
    const driver = await registered(suite.current)
    const order = await driver.order(['back.a.test'])
    await prove(suite.current, driver, order)
    const url = order.textAt('authorizations.0')
    const given = await driver.post(url, { status: 'deactivated' })
    assert.equal(given.at('status'), 'deactivated')
    const place = order.headers.get('location') ?? ''
    assert.equal((await driver.post(place)).at('status'), 'invalid')
    assert.equal((await driver.order(['back.a.test'])).at('status'), 'pending')
  })

  it('looks for nothing under what no id can be', async () => {
    const driver = await registered(suite.current)
    for (const path of ['order', 'authz', 'challenge', 'certificate']) {
      for (const id of ['%00', "'", 'x'.repeat(65), '%C3%A9']) {
        const answer = await driver.post(`/${path}/${id}`)
        assert.deepEqual([answer.status, answer.problem], [404, 'malformed'], `${path} ${id}`)
      }
    }
    assert.equal((await driver.post(`${driver.kid}/orders?after=%00`)).status, 404)
    assert.deepEqual(suite.current.faults, [])
  })

  it('authorizes a name before there is an order', async () => {
    const driver = await registered(suite.current)
    const identifier = { type: 'dns', value: 'early.a.test' }
    const made = await driver.post('/new-authz', { identifier })
    assert.deepEqual([made.status, made.at('status')], [201, 'pending'])
    await driver.post(arrange(suite.current, driver, made, 'http-01'), {})
    await suite.current.acme.settled()
    assert.equal((await driver.order(['early.a.test'])).at('status'), 'ready')
    const again = await driver.post('/new-authz', { identifier })
    assert.equal(again.at('status'), 'valid')
  })

  it('signs one certificate for an order that many finalize at once', async () => {
    const { authority } = suite.current
    const driver = await registered(suite.current)
    const order = await driver.order(['race.a.test'])
    await prove(suite.current, driver, order)
    const csr = csrOf(requestFor(['race.a.test']))
    const racers = Array.from({ length: 8 }, () => {
      const racer = new Driver(suite.current.acme, driver.key)
      racer.kid = driver.kid
      return racer.post(order.textAt('finalize'), csr)
    })
    const answers = await Promise.all(racers)
    assert.ok(answers.some((answer) => answer.at('status') === 'valid'))
    for (const answer of answers) {
      assert.ok(
        answer.status === 200 || answer.problem === 'orderNotReady',
        `${answer.status} ${answer.text}`,
      )
    }
    assert.equal((await authority.list({ search: 'race.a.test' })).length, 1)
    const done = await driver.post(order.headers.get('location') ?? '')
    assert.equal(done.at('status'), 'valid')
  })

  it('finishes what a process left behind, with the certificate that the ledger has', async () => {
    const { authority, store, options } = suite.current
    const driver = await registered(suite.current)
    const names = ['left.a.test']
    const order = await driver.order(names)
    await prove(suite.current, driver, order)
    const id = (order.headers.get('location') ?? '').split('/').at(-1) ?? ''
    const account = (driver.kid ?? '').split('/').at(-1) ?? ''
    const csr = requestFor(names)
    const issued = await authority.issue({
      csr,
      profile: 'server',
      requester: `acme ${account} ${id}`,
    })
    const claim = { status: 'processing', csr: csr.der, claimed_at: clock.now.getTime() }
    await store
      .database<OrderTable>()
      .updateTable('acme_order')
      .set(claim)
      .where('id', '=', id)
      .execute()
    const place = order.headers.get('location') ?? ''
    const waiting = await driver.post(place)
    assert.deepEqual(
      [waiting.at('status'), waiting.headers.get('retry-after')],
      ['processing', '1'],
    )
    await using other = await createAcme(options)
    await other.sweep()
    assert.equal((await driver.post(place)).at('status'), 'processing')
    clock.now = new Date(clock.now.getTime() + HOUR)
    await other.sweep()
    const done = await driver.post(place)
    assert.equal(done.at('status'), 'valid', done.text)
    assert.equal((await leafOf(driver, done)).fingerprint, issued.certificate.fingerprint)
  })

  it('takes a validation up that a process left behind', async () => {
    const { store, acme } = suite.current
    const driver = await registered(suite.current)
    const order = await driver.order(['lost.a.test'])
    const authorization = await driver.post(order.textAt('authorizations.0'))
    const url = arrange(suite.current, driver, authorization, 'http-01')
    const claim = { status: 'processing', claimed_at: clock.now.getTime() }
    const id = url.split('/').at(-1) ?? ''
    const tables = store.database<OrderTable>()
    await tables.updateTable('acme_challenge').set(claim).where('id', '=', id).execute()
    clock.now = new Date(clock.now.getTime() + HOUR)
    await acme.sweep()
    await acme.settled()
    assert.equal((await driver.post(order.textAt('authorizations.0'))).at('status'), 'valid')
  })

  it('leaves a validation to the process that it runs in, and takes it up once that is silent', async () => {
    const { store, options, http } = suite.current
    await using first = await createAcme({
      ...options,
      heartbeatMs: 20,
      validationTimeoutMs: 60_000,
    })
    await using second = await createAcme({ ...options, heartbeatMs: 20 })
    const driver = new Driver(first)
    await driver.register()
    const order = await driver.order(['slow.a.test'])
    const authorization = await driver.post(order.textAt('authorizations.0'))
    const url = arrange(suite.current, driver, authorization, 'http-01')
    const asked = (): number => http.requests.filter((one) => one.startsWith('slow.a.test ')).length
    const { promise: isAsked, resolve } = Promise.withResolvers<void>()
    // It answers nobody.
    http.handlers.set('slow.a.test', () => resolve())
    assert.equal((await driver.post(url, {})).status, 200)
    await isAsked
    clock.now = new Date(clock.now.getTime() + HOUR / 6)
    const claimed = store
      .database<OrderTable>()
      .selectFrom('acme_challenge')
      .select('claimed_at')
      .where('id', '=', url.split('/').at(-1) ?? '')
    for (let waited = 0; ; waited += 10) {
      const row = await claimed.executeTakeFirst()
      if (row?.claimed_at === clock.now.getTime()) break
      assert.ok(waited < 15_000, 'it does not say that it runs')
      await sleep(10)
    }
    await second.resume()
    await second.settled()
    assert.equal(asked(), 1)
    await first.close()
    http.handlers.delete('slow.a.test')
    await second.resume()
    await second.settled()
    assert.equal(asked(), 1)
    clock.now = new Date(clock.now.getTime() + 1000)
    await second.resume()
    await second.settled()
    assert.equal(asked(), 2)
    const decided = await driver.post(order.textAt('authorizations.0'))
    assert.equal(decided.at('status'), 'valid', decided.text)
  })

  acmeLifecycleTests(suite, clock)
}

/** The digest that stands in the TXT record. */
function proofOf(driver: Driver, authorization: Answer, type: string): string {
  const challenges = authorization.at('challenges')
  const index = Array.isArray(challenges) ? challenges.findIndex((one) => one.type === type) : -1
  const token = authorization.textAt(`challenges.${index}.token`)
  return hash('sha256', driver.keyAuthorization(token), 'base64url')
}

interface OrderTable {
  acme_order: { id: string; status: string; csr: Uint8Array | null; claimed_at: number | null }
  acme_challenge: { id: string; status: string; claimed_at: number | null }
}

const HOUR = 3_600_000
const RESOURCES = [
  'newNonce',
  'newAccount',
  'newOrder',
  'newAuthz',
  'revokeCert',
  'keyChange',
  'renewalInfo',
]
