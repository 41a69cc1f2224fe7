/**
 * Factors that were lost: listed, removed and reset by whoever administers the users; and services, which have no password.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import type { AuthEvent } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { codeOf, type Direct, openDirect, TLS } from './direct.ts'
import { PasskeyDevice } from './passkey-device.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const ORIGIN = 'https://service.internal'
const CERTIFICATE = testAuthority().issue({ names: ['ada'], client: true }).certificate

async function json(answer: Response): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await answer.text())
}

/** Somebody with a passkey, recovery codes, a key and a certificate. */
async function open(t: Parameters<typeof openDirect>[0]): Promise<Direct & { cookie: string }> {
  const direct = await openDirect(t)
  const { auth, call, pass, signIn } = direct
  await auth.users.add({ name: 'ada', password: PASSWORD })
  await auth.users.add({ name: 'eve', password: PASSWORD })
  await auth.certificates.add('ada', CERTIFICATE.pem, { label: 'laptop' })
  pass(1000)
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await auth.publicKeys.add('ada', { ...publicKey.export({ format: 'jwk' }) })
  pass(1000)
  const cookie = await signIn('ada')
  const begun = await call('/auth/factors', { cookie, json: { type: 'passkey' } })
  const response = new PasskeyDevice(ORIGIN).create((await json(begun)).publicKey)
  const made = await call('/auth/factors', { cookie, json: { type: 'passkey', response } })
  assert.equal(made.status, 201)
  return { ...direct, cookie }
}

async function typesOf({ auth }: Direct): Promise<string[]> {
  return (await auth.factors.list('ADA')).map(({ type }) => type)
}

describe('lost factors', () => {
  it('are listed without anything secret, recovery codes together', async (t) => {
    const direct = await open(t)
    assert.deepEqual(await typesOf(direct), ['passkey', 'jwk', 'client_cert', 'recovery'])
    const listed = await direct.auth.factors.list('ada')
    assert.equal(listed.at(-1)?.remaining, 10)
    assert.equal(listed[2]?.label, 'laptop')
    assert.deepEqual(await direct.auth.factors.list('eve'), [])
    await assert.rejects(direct.auth.factors.list('nobody'), { code: 'user-unknown' })
  })

  it('are reset: the password is enough again, sessions have ended, the audit knows', async (t) => {
    const direct = await open(t)
    const { auth, call, cookie, events, signIn } = direct
    const eve = await signIn('eve')
    const login = { json: { username: 'ada', password: PASSWORD } }
    assert.equal(await codeOf(await call('/login', login)), '401 mfa-required')
    const removed = await auth.factors.reset('ada')
    assert.deepEqual(
      removed.map(({ type }) => type),
      ['passkey', 'recovery'],
    )
    assert.deepEqual(await typesOf(direct), ['jwk', 'client_cert'])
    assert.equal(await codeOf(await call('/private', { cookie })), '401 credentials-invalid')
    assert.equal(await codeOf(await call('/private', { cookie: eve })), '200')
    assert.equal(await codeOf(await call('/login', login)), '200')
    // What proves possession of a key was not lost.
    const peer = { ...TLS, certificate: CERTIFICATE }
    assert.equal(await codeOf(await call('/private', { peer })), '200')
    const told = events.find(({ reason }) => reason === 'factors reset')
    assert.deepEqual([told?.name, told?.subject], ['ada', 'passkey recovery'])
  })

  it('end what was begun with them: half a sign-in, a challenge', async (t) => {
    const { auth, call } = await open(t)
    const first = await call('/login', { json: { username: 'ada', password: PASSWORD } })
    const { challenge } = await json(first.clone())
    const cookie = first.headers.getSetCookie()[0]?.split(';')[0]
    await auth.factors.reset('ada')
    const second = await call('/login/mfa', {
      cookie,
      json: { challenge, recovery: 'AAAAA-AAAAA-AAAAA-AAAAA' },
    })
    assert.equal(await codeOf(second), '401 invalid-code')
  })

  it('are nothing where there are none: no session ends for it', async (t) => {
    const { auth, call, signIn } = await open(t)
    const eve = await signIn('eve')
    assert.deepEqual(await auth.factors.reset('eve'), [])
    assert.equal(await codeOf(await call('/private', { cookie: eve })), '200')
    await assert.rejects(auth.factors.reset('nobody'), { code: 'user-unknown' })
  })

  it('are removed one by one, and never from somebody else', async (t) => {
    const direct = await open(t)
    const { auth, call, cookie } = direct
    const listed = await auth.factors.list('ada')
    const [passkey, key, certificate] = listed
    assert.ok(passkey && key && certificate)
    for (const id of [passkey.id, 'recovery', 'x', '01M80XGTK15TQRFY11B9JJR41N']) {
      await assert.rejects(auth.factors.remove('eve', id), { code: 'factor-unknown' }, id)
    }
    assert.equal(await codeOf(await call('/private', { cookie })), '200')
    await auth.factors.remove('ada', certificate.id)
    const peer = { ...TLS, certificate: CERTIFICATE }
    assert.equal(await codeOf(await call('/private', { peer })), '401 credentials-invalid')
    assert.equal(await codeOf(await call('/private', { cookie })), '401 credentials-invalid')
    await auth.factors.remove('ada', key.id)
    await auth.factors.remove('ada', passkey.id)
    // Codes alone let nobody back in.
    assert.deepEqual(await typesOf(direct), [])
    await assert.rejects(auth.factors.remove('ada', passkey.id), { code: 'factor-unknown' })
  })
})

describe('a service', () => {
  it('has no password to reset, change or ask for', async (t) => {
    const { promise: asked, resolve } = Promise.withResolvers<AuthEvent>()
    let sent = 0
    const { auth, call, signIn } = await openDirect(t, {
      sendResetCode: () => {
        sent += 1
      },
      onEvent: (event) => {
        if (event.type === 'authn_reset_requested') resolve(event)
      },
    })
    await auth.users.add({ name: 'ada', password: PASSWORD, roles: ['admin'] })
    await auth.users.add({ name: 'robot', kind: 'service' })
    const refused = { code: 'service-password' }
    await assert.rejects(auth.createResetCode('robot'), refused)
    await assert.rejects(auth.users.setPassword('robot', 'four words of a robot'), refused)
    const cookie = await signIn('ada')
    const answer = await call('/admin/principals/robot/reset', { cookie, method: 'POST' })
    assert.equal(await codeOf(answer), '409 service-password')
    assert.equal((await call('/auth/reset', { json: { username: 'robot' } })).status, 202)
    // Whoever asks is told the same as about anybody; the audit is not.
    assert.equal((await asked).reason, 'service')
    assert.equal(sent, 0)
  })
})
