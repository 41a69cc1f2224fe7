/**
 * A service that lets its administrators, or everybody, in with a second factor only: who has none can add one and do nothing else.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { SecondFactorPolicy } from '@countersign/auth'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { totpCode, totpStep } from '../src/factors/totp.ts'
import { codeOf, type Direct, openDirect, sessionCookieOf } from './direct.ts'
import { PasskeyDevice } from './passkey-device.ts'
import { PASSWORD } from './service.ts'
import { seedOf } from './totp-seed.ts'

scrubProcess()

const LACKING = '403 second-factor-required'
const folder = temporaryFolder(after)
let opened = 0

async function open(
  t: Parameters<typeof openDirect>[0],
  requireSecondFactor?: SecondFactorPolicy,
): Promise<Direct> {
  opened += 1
  const keys = { path: path.join(folder, `${opened}.keys`) }
  const direct = await openDirect(t, {
    keys,
    requireSecondFactor,
    issuer: 'https://service.internal',
  })
  await direct.auth.users.add({ name: 'root', password: PASSWORD, roles: ['admin'] })
  await direct.auth.users.add({ name: 'bob', password: PASSWORD })
  return direct
}

const json = async (answer: Response): Promise<ReturnType<typeof JSON.parse>> =>
  JSON.parse(await answer.text())

/** Adds a passkey and proves it. */
async function enrol({ call }: Direct, cookie: string): Promise<[PasskeyDevice, string]> {
  const device = new PasskeyDevice('https://service.internal')
  const add = async (more: object): Promise<Response> =>
    await call('/auth/factors', { cookie, json: { type: 'passkey', ...more } })
  const { publicKey } = await json(await add({}))
  assert.equal((await add({ response: device.create(publicKey) })).status, 201)
  const asked = await json(await call('/auth/step-up/options', { cookie, method: 'POST' }))
  const webauthn = device.get(asked.publicKey)
  const proved = await call('/auth/step-up', { cookie, json: { webauthn } })
  assert.equal(proved.status, 200)
  return [device, sessionCookieOf(proved)]
}

describe('a second factor that a service asks for', () => {
  it('of its administrators: without one they add one, and nothing else (ASVS 6.3.3)', async (t) => {
    const direct = await open(t, 'admins')
    const { auth, call, events, signIn } = direct
    const cookie = await signIn('root')
    const refused: [string, string, unknown?][] = [
      ['GET', '/private'],
      ['GET', '/admins'],
      ['GET', '/sessions-only'],
      ['GET', '/fresh'],
      ['GET', '/admin/principals'],
      ['POST', '/admin/principals', { name: 'eve' }],
      ['GET', '/admin/audit'],
      ['GET', '/auth/sessions'],
      ['POST', '/auth/logout-all'],
      ['POST', '/auth/logout-others'],
      ['POST', '/auth/password', { current: PASSWORD, new: 'another five words of hers' }],
      ['GET', '/auth/tokens'],
      ['POST', '/auth/tokens', { label: 'x' }],
      ['POST', '/auth/access-token', {}],
      ['DELETE', '/auth/factors/recovery'],
      ['POST', '/auth/factors', { type: 'recovery' }],
      ['POST', '/auth/factors', { type: 'jwk', jwk: {} }],
      ['POST', '/auth/factors', { type: 'client_cert', csr: 'x' }],
    ]
    for (const [method, where, body] of refused) {
      const answer = await call(where, { cookie, method, json: body })
      assert.equal(await codeOf(answer), LACKING, `${method} ${where}`)
    }
    assert.ok(
      events.some(({ type, reason }) => type === 'authz_fail' && reason === LACKING.slice(4)),
    )
    assert.equal(await codeOf(await call('/auth/session', { cookie })), '200')
    assert.equal(await codeOf(await call('/auth/factors', { cookie })), '200')
    assert.equal(await codeOf(await call('/private', { cookie: await signIn('bob') })), '200')
    const [, strong] = await enrol(direct, cookie)
    assert.equal(await codeOf(await call('/admin/principals', { cookie: strong })), '200')
    assert.equal((await auth.users.list()).length, 2)
  })

  it('is no way in before it is proved: enrolled is not yet signed in with it', async (t) => {
    const { call, now, pass, signIn } = await open(t, 'everybody')
    const cookie = await signIn('bob')
    const begun = await json(await call('/auth/factors', { cookie, json: { type: 'totp' } }))
    assert.equal(await codeOf(await call('/private', { cookie })), LACKING)
    const code = (): string => totpCode(seedOf(String(begun.secret)), totpStep(now()))
    const confirmed = await call(`/auth/factors/${begun.id}/confirm`, {
      cookie,
      json: { code: code() },
    })
    assert.equal(confirmed.status, 201)
    assert.equal(await codeOf(await call('/private', { cookie })), LACKING)
    const byPassword = await call('/auth/step-up', { cookie, json: { password: PASSWORD } })
    const weak = sessionCookieOf(byPassword)
    assert.equal(await codeOf(await call('/private', { cookie: weak })), LACKING)
    const more = await call('/auth/factors', { cookie: weak, json: { type: 'totp' } })
    assert.equal(await codeOf(more), '401 step-up-required', 'and no second one of a thief’s')
    pass(30_000)
    const proved = await call('/auth/step-up', { cookie: weak, json: { totp: code() } })
    const strong = sessionCookieOf(proved)
    assert.equal(await codeOf(await call('/private', { cookie: strong })), '200')
    const login = await call('/login', { json: { username: 'bob', password: PASSWORD } })
    assert.equal(await codeOf(login), '401 mfa-required')
  })

  it('is asked of who becomes an administrator, at once, and of the first one', async (t) => {
    const { auth, call, signIn } = await open(t, 'admins')
    const cookie = await signIn('bob')
    assert.equal(await codeOf(await call('/private', { cookie })), '200')
    await auth.users.setRoles('bob', ['admin'])
    assert.equal(await codeOf(await call('/private', { cookie })), LACKING)
    await auth.users.setRoles('bob', [])
    await auth.users.setRoles('root', [])
    const code = await auth.createSetupCode()
    const first = await call('/auth/setup', {
      json: { code, username: 'first', password: PASSWORD },
    })
    const made = sessionCookieOf(first)
    assert.equal(await codeOf(await call('/admin/principals', { cookie: made })), LACKING)
  })

  it('is added anew by who has lost theirs, where the service runs', async (t) => {
    const direct = await open(t, 'everybody')
    const { auth, call, signIn } = direct
    const [device, strong] = await enrol(direct, await signIn('bob'))
    assert.equal(await codeOf(await call('/private', { cookie: strong })), '200')
    await auth.factors.reset('bob')
    assert.equal(
      await codeOf(await call('/private', { cookie: strong })),
      '401 credentials-invalid',
    )
    const { publicKey } = await json(await call('/login/passkey/options', { method: 'POST' }))
    const lost = await call('/login/passkey', { json: { response: device.get(publicKey) } })
    assert.equal(await codeOf(lost), '401 invalid-code')
    const again = await signIn('bob')
    assert.equal(await codeOf(await call('/private', { cookie: again })), LACKING)
    const [, anew] = await enrol(direct, again)
    assert.equal(await codeOf(await call('/private', { cookie: anew })), '200')
  })

  it('is nobody’s business where nobody asks for it; tokens of programs are as before', async (t) => {
    const free = await open(t)
    assert.equal(
      await codeOf(await free.call('/private', { cookie: await free.signIn('root') })),
      '200',
    )
    const { auth, call } = await open(t, 'everybody')
    await auth.users.add({ name: 'robot', kind: 'service' })
    const { token } = await auth.tokens.create('robot', { label: 'x' })
    assert.equal(await codeOf(await call('/private', { bearer: token })), '200')
  })

  it('is not asked for without keys to keep it under, in the lesson, or of nobody known', async (t) => {
    const refused: [object, string][] = [
      [{ requireSecondFactor: 'everybody' }, 'keys-required'],
      [{ requireSecondFactor: 'somebody' }, 'option-invalid'],
      [
        { requireSecondFactor: 'admins', loginErrors: 'lesson', host: '127.0.0.1' },
        'option-invalid',
      ],
    ]
    for (const [options, code] of refused) await assert.rejects(openDirect(t, options), { code })
  })
})
