/**
 * Attempts on what people have beside a password: freshness that nobody proved, a weak proof for a strong one, what is certified or
 * begun for somebody who is thrown out meanwhile, and what a crash leaves half done.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { AuthPeer } from '@countersign/auth'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import {
  buildCertificate,
  type Certificate,
  createRequest,
  Name,
  PrivateKey,
  type PublicKey,
} from '@countersign/x509'
import { totpCode, totpStep } from '../src/factors/totp.ts'
import { codeOf, type Direct, openDirect, sessionCookieOf, TLS } from './direct.ts'
import { PasskeyDevice } from './passkey-device.ts'
import { PASSWORD } from './service.ts'
import { seedOf } from './totp-seed.ts'

scrubProcess()

const authority = testAuthority()
const MINUTE = 60_000
const STEP_UP = '401 step-up-required'
const issue = (...names: string[]): Certificate =>
  authority.issue({ names, client: true }).certificate
const by = (certificate: Certificate): AuthPeer => ({ ...TLS, certificate })
const json = async (answer: Response): Promise<ReturnType<typeof JSON.parse>> =>
  JSON.parse(await answer.text())

describe('a certificate as a fresh proof', () => {
  it('is none: neither one just made, nor one just renewed, nor one that a rule knows', async (t) => {
    const { auth, call } = await openDirect(t, {
      certificateRules: [{ from: 'dns', domain: 'hosts.internal', name: () => 'ada' }],
    })
    await auth.users.add({ name: 'ada', password: PASSWORD, roles: ['admin'] })
    const [first, second, third] = [issue('ada'), issue('ada'), issue('x.hosts.internal')]
    await auth.certificates.add('ada', first.der)
    await auth.certificates.renew(first.fingerprint, second)
    for (const certificate of [first, second, third]) {
      const peer = by(certificate)
      assert.equal(await codeOf(await call('/private', { peer })), '200')
      assert.equal(await codeOf(await call('/fresh', { peer })), STEP_UP)
      assert.equal(await codeOf(await call('/admin/principals', { peer })), '403 method-refused')
      const made = await call('/admin/principals', { peer, json: { name: 'eve' } })
      assert.equal(await codeOf(made), '403 method-refused')
    }
    const { token } = await auth.tokens.create('ada', { label: 'just made' })
    assert.equal(await codeOf(await call('/fresh', { bearer: token })), STEP_UP)
  })

  it('of few scopes administers nothing either', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD, roles: ['admin'] })
    const certificate = issue('ada')
    await auth.certificates.add('ada', certificate.der, { scopes: ['ca:list'] })
    const how = { peer: by(certificate), method: 'PUT', json: { roles: ['admin'] } }
    const answer = await call('/admin/principals/ada/roles', how)
    assert.equal(await codeOf(answer), '403 method-refused')
  })
})

function certify(publicKey: PublicKey): Certificate {
  const { issuer, issuerKey } = authority
  const now = Date.now()
  return buildCertificate(
    {
      subject: Name.from({ commonName: 'ada' }),
      issuer: issuer.subject,
      publicKey,
      notBefore: new Date(now - MINUTE),
      notAfter: new Date(now + 1440 * MINUTE),
      subjectAltNames: [{ type: 'uri', value: 'spiffe://test.internal/ada' }],
      extendedKeyUsage: ['clientAuth'],
    },
    issuerKey.signer(),
  )
}

interface WithApp extends Direct {
  strong: string
  factor: string
  code: () => string
}

/** Somebody with an authenticator app, signed in by both. */
async function withApp(t: Parameters<typeof openDirect>[0], keys: string): Promise<WithApp> {
  const direct = await openDirect(t, { keys: { path: keys } })
  const { auth, call, now, pass, signIn } = direct
  await auth.users.add({ name: 'ada', password: PASSWORD })
  const cookie = await signIn('ada')
  const begun = await json(await call('/auth/factors', { cookie, json: { type: 'totp' } }))
  const seed = seedOf(String(begun.secret))
  const code = (): string => {
    pass(30_000)
    return totpCode(seed, totpStep(now()))
  }
  const confirmed = await call(`/auth/factors/${begun.id}/confirm`, {
    cookie,
    json: { code: code() },
  })
  assert.equal(confirmed.status, 201)
  const first = await call('/login', { json: { username: 'ada', password: PASSWORD } })
  const { challenge } = await json(first.clone())
  const pending = first.headers.getSetCookie()[0]?.split(';')[0]
  const second = await call('/login/mfa', { cookie: pending, json: { challenge, totp: code() } })
  return { ...direct, strong: sessionCookieOf(second), factor: String(begun.id), code }
}

describe('a password instead of the second factor', () => {
  const folder = temporaryFolder(after)

  it('takes no factor away: a stolen session and the password are not enough (ASVS 7.5.1)', async (t) => {
    const { call, code, factor, pass, strong } = await withApp(t, path.join(folder, '1'))
    pass(16 * MINUTE)
    const remove = async (cookie: string): Promise<string> =>
      await codeOf(await call(`/auth/factors/${factor}`, { cookie, method: 'DELETE' }))
    assert.equal(await remove(strong), STEP_UP)
    const byPassword = await call('/auth/step-up', { cookie: strong, json: { password: PASSWORD } })
    const weak = sessionCookieOf(byPassword)
    assert.equal(await remove(weak), STEP_UP)
    const shown = await json(await call('/auth/session', { cookie: weak }))
    assert.deepEqual([shown.aal, shown.amr], [1, ['pwd']], 'and it says what it is worth')
    assert.equal(await codeOf(await call('/strong', { cookie: weak })), STEP_UP)
    assert.equal(await codeOf(await call('/fresh', { cookie: weak })), '200')
    const proved = await call('/auth/step-up', { cookie: weak, json: { totp: code() } })
    assert.equal(await remove(sessionCookieOf(proved)), '204')
  })

  it('changes the password, and makes the second factor no fresher', async (t) => {
    const { call, factor, pass, strong } = await withApp(t, path.join(folder, '2'))
    pass(16 * MINUTE)
    const changed = await call('/auth/password', {
      cookie: strong,
      json: { current: PASSWORD, new: 'another five words of hers' },
    })
    const cookie = sessionCookieOf(changed)
    assert.equal(await codeOf(await call('/strong', { cookie })), '200')
    assert.equal(await codeOf(await call('/fresh', { cookie })), STEP_UP)
    const removed = await call(`/auth/factors/${factor}`, { cookie, method: 'DELETE' })
    assert.equal(await codeOf(removed), STEP_UP)
  })
})

describe('a factor of somebody who is thrown out meanwhile', () => {
  const ways: [string, (direct: Direct) => Promise<unknown>][] = [
    ['is disabled', ({ auth }) => auth.users.disable('ada')],
    ['gets another password', ({ auth }) => auth.users.setPassword('ada', 'seven green bicycles')],
    ['is signed out', ({ auth }) => auth.sessions.revokeAll('ada')],
  ]
  for (const [what, meanwhile] of ways) {
    it(`is not registered, and its certificate revoked, where ada ${what}`, async (t) => {
      const revoked: string[] = []
      const key = await PrivateKey.generate('p256')
      const direct: Direct = await openDirect(t, {
        certificateAuthority: {
          issue: async ({ request }) => {
            await meanwhile(direct)
            return [certify(request.publicKey)]
          },
          revoke: async (fingerprint) => {
            revoked.push(fingerprint)
          },
        },
      })
      const { auth, call, signIn } = direct
      await auth.users.add({ name: 'ada', password: PASSWORD })
      const cookie = await signIn('ada')
      const csr = createRequest({ key, subjectAltNames: [] }).pem
      const answer = await call('/auth/factors', { cookie, json: { type: 'client_cert', csr } })
      assert.equal(await codeOf(answer), '401 credentials-invalid')
      assert.equal(revoked.length, 1)
      assert.deepEqual(await auth.certificates.list('ada'), [])
    })
  }
})

describe('a signing request of somebody else', () => {
  it('is certified for nobody else: neither while its key is registered nor once it is revoked', async (t) => {
    let issued = 0
    const { auth, call, signIn } = await openDirect(t, {
      certificateAuthority: {
        issue: async ({ request }) => {
          issued += 1
          return [certify(request.publicKey)]
        },
        revoke: async () => {},
      },
    })
    const key = await PrivateKey.generate('p256')
    const csr = createRequest({ key, subjectAltNames: [] }).pem
    const ask = async (name: string): Promise<Response> =>
      await call('/auth/factors', {
        cookie: await signIn(name),
        json: { type: 'client_cert', csr },
      })
    for (const name of ['ada', 'eve']) await auth.users.add({ name, password: PASSWORD })
    const made = await ask('ada')
    assert.equal(made.status, 201)
    assert.equal(await codeOf(await ask('eve')), '409 factor-taken')
    assert.equal((await ask('ada')).status, 201, 'her own again')
    for (const { id } of await auth.certificates.list('ada')) await auth.certificates.revoke(id)
    assert.equal(await codeOf(await ask('eve')), '409 factor-taken')
    assert.equal(issued, 2)
    const leaf = certify(key.publicKey)
    await assert.rejects(auth.certificates.add('eve', leaf.der), { code: 'credential-taken' })
    assert.deepEqual(await auth.certificates.list('eve'), [])
  })
})

describe('a certificate that was renewed', () => {
  it('ends with the former also where whoever revoked that one was stopped half way', async (t) => {
    const { auth, call, store } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const [first, second, third] = [issue('ada'), issue('ada'), issue('ada')]
    const { id } = await auth.certificates.add('ada', first.der)
    await auth.certificates.renew(first.fingerprint, second)
    await auth.certificates.renew(second.fingerprint, third)
    // As a process that ended between the two leaves it.
    await store
      .database<{ auth_credential: { id: string; revoked_at: number | null } }>()
      .updateTable('auth_credential')
      .set({ revoked_at: Date.now() })
      .where('id', '=', id)
      .execute()
    assert.equal(await codeOf(await call('/private', { peer: by(third) })), '200')
    assert.equal(await auth.certificates.revoke(id), true)
    for (const certificate of [first, second, third]) {
      const answer = await call('/private', { peer: by(certificate) })
      assert.equal(await codeOf(answer), '401 credentials-invalid')
    }
    assert.equal(await auth.certificates.revoke(id), false)
    assert.equal(await auth.certificates.hearRevoked(first.fingerprint), false)
  })
})

describe('what is begun in one session', () => {
  it('is ended in no other: the challenge for a new passkey', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const [one, two] = [await signIn('ada'), await signIn('ada')]
    const begun = await json(
      await call('/auth/factors', { cookie: one, json: { type: 'passkey' } }),
    )
    const response = new PasskeyDevice('https://service.internal').create(begun.publicKey)
    const add = async (cookie: string): Promise<string> =>
      await codeOf(await call('/auth/factors', { cookie, json: { type: 'passkey', response } }))
    assert.equal(await add(two), '401 invalid-code')
    assert.equal((await call('/auth/logout', { cookie: one, method: 'POST' })).status, 204)
    assert.equal(await add(await signIn('ada')), '401 invalid-code')
  })

  it('leaves ten recovery codes, however many make new ones at once', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        call('/auth/factors', { cookie, json: { type: 'recovery' } }),
      ),
    )
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
    const [listed] = await json(await call('/auth/factors', { cookie }))
    assert.deepEqual([listed.id, listed.remaining], ['recovery', 10])
  })
})
