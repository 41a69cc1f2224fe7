/** What the authority keeps for the audit log, and what a retired issuer leaves on the list of its root. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type AuthorityEvent,
  createAcme,
  initAuthority,
  openAcme,
  openAuthorityEvents,
} from '@countersign/authority'
import { sql, type Store } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { CertificateRevocationList, createRequest } from '@countersign/x509'
import { Driver, driverKey, ORIGIN, signJws } from './acme-driver.ts'
import {
  clientRequest,
  codeOf,
  leafKey,
  makeAuthority,
  openMemory,
  serverRequest,
} from './fixture.ts'

scrubProcess()

const audit = { actor: 'ann' }

async function eventsOf(store: Store): Promise<AuthorityEvent[]> {
  const events = await openAuthorityEvents(store)
  return await store.transaction(async (inside) => events.take(inside, 1000))
}

function linesOf(events: readonly AuthorityEvent[]): string[] {
  return events.map(({ type, name, subject, reason }) =>
    [type, name, subject, reason].filter((part) => part !== undefined).join(' | '),
  )
}

function idOf({ kid = '' }: Driver): string {
  return kid.slice(kid.lastIndexOf('/') + 1)
}

describe('what the authority does', () => {
  it('is kept with who did it, to what, and by which rule, and taken once', async (t) => {
    const { authority, store } = await makeAuthority(t, { audit })
    await authority.unlock()
    const ca = (await authority.crl())[0]?.ca ?? ''
    const { serialNumber: first } = await authority.issue(serverRequest({ requester: 'bob' }))
    const { serialNumber: second } = await authority.renew(first, { requester: 'bob' })
    const [third] = await authority.issueMany([clientRequest({ requester: 'cat' })])
    await authority.revoke(first, 'superseded', 'dan')
    await authority.revoke(second)
    const again = await authority.revoke(second)
    assert.deepEqual(linesOf(await eventsOf(store)), [
      `authority_key_opened | ann | ${ca}`,
      `certificate_issued | bob | ${first} api.corp.internal | profile server, rule for operator`,
      `certificate_renewed | bob | ${second} api.corp.internal | profile server, rule for operator`,
      `certificate_issued | cat | ${third?.serialNumber} alice, spiffe://countersign.internal/alice | profile client, rule for operator`,
      `certificate_revoked | dan | ${first} api.corp.internal | superseded`,
      // Once: what is revoked stays as it is.
      `certificate_revoked | ann | ${again.serial} api.corp.internal | unspecified`,
    ])
    const events = await openAuthorityEvents(store)
    assert.equal(await events.pending(), false)
    assert.deepEqual(await eventsOf(store), [])
  })

  it('is kept of tokens without a word of them', async (t) => {
    const { authority, store } = await makeAuthority(t, { audit })
    const { enrolment } = authority
    const names = ['web.corp.internal']
    const { token, info } = await enrolment.create({ names, requester: 'eve' })
    const other = await enrolment.create({ names, requester: 'eve' })
    assert.equal(await enrolment.revoke(other.info.id), true)
    assert.equal(await enrolment.revoke(other.info.id), false)
    assert.ok('use' in enrolment && typeof enrolment.use === 'function')
    assert.ok('find' in enrolment && typeof enrolment.find === 'function')
    const csr = createRequest({ key: leafKey, subjectAltNames: [] })
    await enrolment.use(await enrolment.find(token), { csr })
    const events = await eventsOf(store)
    assert.deepEqual(linesOf(events.filter(({ type }) => type.startsWith('authn_token'))), [
      `authn_token_created | eve | ${info.id} web.corp.internal | enrolment, profile server`,
      `authn_token_created | eve | ${other.info.id} web.corp.internal | enrolment, profile server`,
      `authn_token_revoked | ann | ${other.info.id}`,
      `authn_token_used | token ${info.id} | ${info.id}`,
    ])
    assert.match(linesOf(events).at(-1) ?? '', /^certificate_issued \| token .*rule for token$/)
    assert.ok(!JSON.stringify(events).includes(token))
  })

  it('is kept of rollovers, and a retired issuer is on the list of its root', async (t) => {
    const { authority, store } = await makeAuthority(t, { audit })
    await authority.upkeep({ force: true })
    const retired = [authority.issuer.serialNumber]
    const { old, new: next } = await authority.roll('issuer')
    assert.equal(await rootList().then(({ size }) => size), 0)
    await authority.retire('issuer')
    const lines = linesOf(await eventsOf(store)).filter((line) => !line.includes('_key_'))
    assert.match(
      lines[0] ?? '',
      new RegExp(`^authority_renewed \\| ann \\| ${old.id} under root-.* \\| asked$`),
    )
    assert.deepEqual(lines.slice(1), [
      `authority_rolled | ann | ${next?.id} after ${old.id}`,
      `authority_retired | ann | ${old.id}`,
    ])
    const list = await rootList()
    // Its certificate, and the one of before that its key had.
    assert.equal(list.size, 2)
    for (const serial of retired) assert.equal(list.get(serial)?.reason, 'superseded')
    assert.equal(list.has(authority.issuer.serialNumber), false)
    assert.ok(authority.roots[0] !== undefined && list.issuedBy(authority.roots[0]))

    async function rootList(): Promise<CertificateRevocationList> {
      const root = (await authority.crl()).find(({ ca }) => ca.startsWith('root-'))
      return CertificateRevocationList.parse(root?.der ?? '')
    }
  })

  it('is kept of ACME accounts and the keys that they are made with', async (t) => {
    const { authority, store, folder } = await makeAuthority(t, { audit })
    const limits = { store, authority, folder, externalAccountRequired: false, audit: true }
    await using acme = await createAcme(limits)
    const { externalAccounts, accounts } = await openAcme({ store, folder, actor: 'fay' })
    const key = await externalAccounts.create({ label: 'shop' })
    const [first, second] = [new Driver(acme), new Driver(acme)]
    for (const driver of [first, second]) await driver.register()
    const other = driverKey('p384')
    const inner = signJws(
      { alg: other.algorithm, jwk: other.jwk, url: `${ORIGIN}/acme/key-change` },
      JSON.stringify({ account: first.kid, oldKey: first.key.jwk }),
      other,
    )
    assert.equal((await first.post('/key-change', inner)).status, 200)
    // Refused twins leave nothing: this key has an account now.
    assert.equal((await second.post('/key-change', inner)).problem, 'malformed')
    first.key = other
    const leaf = await authority.issue(serverRequest())
    const certificate = Buffer.from(leaf.certificate.der).toString('base64url')
    assert.equal((await first.post('/revoke-cert', { certificate })).problem, 'unauthorized')
    await first.post(first.kid ?? '', { status: 'deactivated' })
    assert.equal(await accounts.revoke(idOf(second)), true)
    assert.equal(await accounts.revoke(idOf(second)), false)
    assert.equal(await externalAccounts.revoke(key.id), 0)
    assert.equal(await externalAccounts.revoke(key.id), 0)
    assert.equal(await externalAccounts.revoke('none'), undefined)
    const events = await eventsOf(store)
    const lines = linesOf(events).filter((line) => !/^(authority_|certificate_)/.test(line))
    assert.deepEqual(lines, [
      `authn_token_created | fay | ${key.id} shop | external account binding`,
      `user_created | acme ${idOf(first)} | ACME account`,
      `user_created | acme ${idOf(second)} | ACME account`,
      `user_updated | acme ${idOf(first)} | ACME account | key changed`,
      `authz_fail | acme ${idOf(first)} | revoke ${leaf.serialNumber} | requester-refused`,
      `user_updated | acme ${idOf(first)} | ACME account | deactivated`,
      `user_updated | fay | ACME account ${idOf(second)} | revoked`,
      `authn_token_revoked | fay | ${key.id} shop | external account binding`,
    ])
    assert.ok(!JSON.stringify(events).includes(key.hmacKey))
  })

  it('is not taken back from an issuer whose certificates still hold', async (t) => {
    const { authority } = await makeAuthority(t)
    await authority.issue(serverRequest())
    await authority.roll('issuer')
    await authority.retire('issuer', { force: true })
    const root = (await authority.crl()).find(({ ca }) => ca.startsWith('root-'))
    assert.equal(CertificateRevocationList.parse(root?.der ?? '').size, 0)
  })

  it('is not done where it cannot be kept', async (t) => {
    const { authority, store } = await makeAuthority(t, { audit })
    const { serialNumber } = await authority.issue(serverRequest())
    await sql`alter table authority_event rename to gone`.execute(store.database<object>())
    for (const work of [
      async () => authority.issue(serverRequest()),
      async () => authority.issueMany([serverRequest(), serverRequest()]),
      async () => authority.revoke(serialNumber),
      async () => authority.enrolment.create({ names: ['a.internal'], requester: 'eve' }),
    ]) {
      await assert.rejects(work, { name: 'StoreError' })
    }
    assert.equal((await authority.list()).length, 1)
    assert.equal((await authority.find(serialNumber))?.revokedAt, undefined)
    assert.deepEqual(await authority.enrolment.list(), [])
    // A refusal is one all the same.
    assert.equal(await codeOf(authority.issue(serverRequest({ days: 4000 }))), 'days-invalid')
  })

  it('is not kept where nobody asks for it', async (t) => {
    const { authority, store } = await makeAuthority(t)
    const { serialNumber } = await authority.issue(serverRequest())
    await authority.revoke(serialNumber)
    assert.deepEqual(await eventsOf(store), [])
  })
})

describe('what the authority refuses', () => {
  it('is kept with its code, the same over and over once', async (t) => {
    const { authority, store } = await makeAuthority(t, { audit })
    for (let count = 0; count < 20; count++) {
      const request = serverRequest({ days: 4000, requester: 'mallory' })
      assert.equal(await codeOf(authority.issue(request)), 'days-invalid')
    }
    const by = { via: 'user', name: 'mallory', roles: ['viewer'], own: [] } as const
    const refused = serverRequest({ requester: 'mallory', by })
    assert.equal(await codeOf(authority.issue(refused)), 'requester-refused')
    assert.deepEqual(linesOf(await eventsOf(store)), [
      'authz_fail | mallory | issue api.corp.internal | days-invalid',
      'authz_fail | mallory | issue api.corp.internal via user | requester-refused',
    ])
  })

  it('is kept of revocations too, by whom they were wanted', async (t) => {
    const caller = { name: 'mallory', roles: ['viewer'] }
    const { authority, store } = await makeAuthority(t, { audit, authorize: async () => caller })
    const { serialNumber } = await authority.issue(serverRequest())
    await eventsOf(store)
    assert.equal(await codeOf(authority.revoke('00ff', 'superseded', 'dan')), 'certificate-unknown')
    assert.equal(await codeOf(authority.revoke('no serial')), 'certificate-unknown')
    for (let count = 0; count < 3; count++) {
      const path = `/ca/certificates/${serialNumber}/revoke`
      assert.equal((await authority.routes.request(path, { method: 'POST' })).status, 403)
    }
    assert.deepEqual(linesOf(await eventsOf(store)), [
      'authz_fail | dan | revoke 00ff | certificate-unknown',
      'authz_fail | ann | revoke no serial | certificate-unknown',
      'authz_fail | mallory | revoke certificates | role-missing',
    ])
    assert.equal((await authority.find(serialNumber))?.revokedAt, undefined)
  })

  it('is kept of enrolment tokens that are tried, without a word of them', async (t) => {
    let now = new Date('2030-01-02T00:00:00Z')
    const { authority, store } = await makeAuthority(t, {
      audit,
      clock: () => now,
      authorize: async () => Response.json({}, { status: 401 }),
    })
    const names = ['web.corp.internal']
    const used = await authority.enrolment.create({ names, requester: 'eve' })
    const ended = await authority.enrolment.create({ names, requester: 'eve', ttlMs: 5000 })
    const { pem } = createRequest({ key: leafKey, subjectAltNames: [] })
    const enrol = async (token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/pkcs10' }
      const asked = { method: 'POST', headers, body: pem }
      return (await authority.routes.request('/ca/enroll', asked)).status
    }
    assert.equal(await enrol(used.token), 201)
    await eventsOf(store)
    now = new Date(now.getTime() + 6000)
    const guess = `${used.token.slice(0, -5)}AAAAA`
    for (const token of [used.token, ended.token, guess, `${guess}?`, '']) {
      assert.equal(await enrol(token), 401)
    }
    const events = await eventsOf(store)
    assert.deepEqual(linesOf(events), [
      `authn_token_reuse | token ${used.info.id} | enrol | token-used`,
      `authn_token_invalid | token ${ended.info.id} | enrol | token-expired`,
      'authn_token_invalid | nobody | enrol | token-unknown',
    ])
    assert.ok(!JSON.stringify(events).includes(used.token.slice(0, 20)))
  })

  it('is told to nobody but the operator where it cannot be written', async (t) => {
    const faults: unknown[] = []
    const store = await openMemory(t)
    const folder = temporaryFolder(t)
    const onFault = (error: unknown): void => void faults.push(error)
    const authority = await initAuthority({ store, folder, audit, onFault })
    await using acme = await createAcme({ store, authority, folder, audit: true })
    assert.ok(acme.routes !== undefined)
    await sql`alter table authority_event rename to gone`.execute(store.database<object>())
    assert.equal(await codeOf(authority.issue(serverRequest({ days: 4000 }))), 'days-invalid')
    assert.equal(faults.length, 1)
  })
})
