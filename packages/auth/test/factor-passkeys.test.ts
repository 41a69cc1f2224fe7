/**
 * Passkeys by an authenticator in software: registered, a second factor, instead of a password; and every way to get one wrong.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { codeOf, type Direct, openDirect, sessionCookieOf } from './direct.ts'
import { PasskeyDevice, type PasskeyFaults } from './passkey-device.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const ORIGIN = 'https://service.internal'
const MINUTE = 60_000

async function json(answer: Response): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await answer.text())
}

interface Registered extends Direct {
  device: PasskeyDevice
  cookie: string
  id: string
}

async function register(t: Parameters<typeof openDirect>[0]): Promise<Registered> {
  const direct = await openDirect(t)
  const { auth, call, signIn } = direct
  await auth.users.add({ name: 'ada', password: PASSWORD })
  await auth.users.add({ name: 'eve', password: PASSWORD })
  const cookie = await signIn('ada')
  const device = new PasskeyDevice(ORIGIN)
  const { publicKey } = await json(
    await call('/auth/factors', { cookie, json: { type: 'passkey' } }),
  )
  assert.deepEqual(publicKey.rp, { name: 'countersign', id: 'service.internal' })
  const response = device.create(publicKey)
  const made = await call('/auth/factors', { cookie, json: { type: 'passkey', response } })
  assert.equal(made.status, 201)
  const { id, recoveryCodes } = await json(made)
  assert.equal(recoveryCodes.length, 10)
  return { ...direct, device, cookie, id }
}

async function login(direct: Registered, faults: PasskeyFaults = {}): Promise<Response> {
  const { call, device } = direct
  const { publicKey } = await json(await call('/login/passkey/options', { method: 'POST' }))
  return await call('/login/passkey', { json: { response: device.get(publicKey, faults) } })
}

/** The random part of a challenge that is for anybody; its end and a seal over both follow. */
function nonceOf({ challenge }: { challenge: string }): string {
  return Buffer.from(challenge, 'base64url').toString().split('.')[0] ?? ''
}

describe('a passkey', () => {
  it('signs in without a password, as two factors', async (t) => {
    const direct = await register(t)
    const answer = await login(direct)
    assert.equal(answer.status, 200)
    const who = await json(await direct.call('/auth/session', { cookie: sessionCookieOf(answer) }))
    assert.deepEqual([who.principal.name, who.amr, who.aal], ['ada', ['pop', 'user', 'mfa'], 2])
    assert.equal((await login(direct)).status, 200)
    assert.deepEqual(await direct.auth.findSecrets(), [])
  })

  it('is a second factor behind a password', async (t) => {
    const { call, device } = await register(t)
    const first = await call('/login', { json: { username: 'ada', password: PASSWORD } })
    assert.equal(first.status, 401)
    const { challenge, methods, webauthn } = await json(first.clone())
    assert.deepEqual(methods, ['webauthn', 'recovery'])
    assert.deepEqual(webauthn.allowCredentials, [{ id: device.id, type: 'public-key' }])
    const cookie = first.headers.getSetCookie()[0]?.split(';')[0]
    const second = await call('/login/mfa', {
      cookie,
      json: { challenge, webauthn: device.get(webauthn) },
    })
    assert.equal(second.status, 200)
    const who = await json(await call('/auth/session', { cookie: sessionCookieOf(second) }))
    assert.deepEqual(who.amr, ['pwd', 'pop', 'mfa'])
  })

  const wrong: [string, PasskeyFaults][] = [
    ['of another origin', { origin: 'https://evil.test' }],
    ['of another port', { origin: 'https://service.internal:8443' }],
    ['over plain HTTP', { origin: 'http://service.internal' }],
    ['for another host name', { rpId: 'evil.test' }],
    ['without the user verified', { flags: 0x01 }],
    ['without the user present', { flags: 0x04 }],
    ['by another key', { foreignKey: true }],
    ['with a counter that stands still', { counter: 1 }],
    ['with a counter set back to nothing', { counter: 0 }],
    ['of another ceremony', { type: 'webauthn.create' }],
    ['to a challenge of its own', { challenge: Buffer.alloc(32).toString('base64url') }],
    [
      'to a challenge with a forged end',
      { challenge: Buffer.from('AAAA.9999999999999.AAAA').toString('base64url') },
    ],
  ]
  it('is refused where anything is not right', async (t) => {
    const direct = await register(t)
    for (const [what, faults] of wrong) {
      assert.equal(await codeOf(await login(direct, faults)), '401 invalid-code', what)
    }
    assert.equal((await login(direct)).status, 200)
  })

  it('proves a challenge once, for five minutes', async (t) => {
    const direct = await register(t)
    const { call, device, pass } = direct
    const options = async (): Promise<{ challenge: string }> =>
      (await json(await call('/login/passkey/options', { method: 'POST' }))).publicKey
    const challenge = await options()
    assert.equal(Buffer.from(nonceOf(challenge), 'base64url').length, 16)
    assert.notEqual(nonceOf(challenge), nonceOf(await options()))
    const response = device.get(challenge)
    assert.equal((await call('/login/passkey', { json: { response } })).status, 200)
    assert.equal(
      await codeOf(await call('/login/passkey', { json: { response } })),
      '401 invalid-code',
    )
    const again = device.get(challenge)
    assert.equal(
      await codeOf(await call('/login/passkey', { json: { response: again } })),
      '401 invalid-code',
    )
    const late = await options()
    pass(5 * MINUTE)
    assert.equal(
      await codeOf(await call('/login/passkey', { json: { response: device.get(late) } })),
      '401 invalid-code',
    )
  })

  it('has one winner of 20 that bring the same proof at once', async (t) => {
    const { call, device } = await register(t)
    const { publicKey } = await json(await call('/login/passkey/options', { method: 'POST' }))
    const response = device.get(publicKey)
    const answers = await Promise.all(
      Array.from(
        { length: 20 },
        async () => (await call('/login/passkey', { json: { response } })).status,
      ),
    )
    assert.deepEqual(
      answers.toSorted((a, b) => a - b),
      [200, ...Array.from({ length: 19 }, () => 401)],
    )
  })

  it('is not registered with a challenge of another, twice, or for another site', async (t) => {
    const { call, device, signIn } = await register(t)
    const eve = await signIn('eve')
    const ada = await byPasskey(call, device)
    const begin = async (cookie: string): Promise<{ challenge: string }> =>
      (await json(await call('/auth/factors', { cookie, json: { type: 'passkey' } }))).publicKey
    const send = async (cookie: string, response: object): Promise<string> =>
      await codeOf(await call('/auth/factors', { cookie, json: { type: 'passkey', response } }))
    const stolen = await begin(ada)
    assert.equal(await send(eve, new PasskeyDevice(ORIGIN).create(stolen)), '401 invalid-code')
    assert.equal(await send(eve, device.create(await begin(eve))), '409 factor-taken')
    assert.equal(
      await send(
        eve,
        new PasskeyDevice(ORIGIN).create(await begin(eve), { origin: 'https://evil.test' }),
      ),
      '401 invalid-code',
    )
    assert.equal(
      await send(eve, new PasskeyDevice(ORIGIN).create(await begin(eve), { rpId: 'evil.test' })),
      '401 invalid-code',
    )
    assert.equal(await send(eve, { id: 'x' }), '401 invalid-code')
    const own = await begin(eve)
    assert.equal(await send(eve, new PasskeyDevice(ORIGIN).create(own)), '201')
    assert.equal(await send(eve, new PasskeyDevice(ORIGIN).create(own)), '401 step-up-required')
  })

  it('lets nobody in once it is removed or its owner disabled', async (t) => {
    const direct = await register(t)
    const { auth, call, id, device } = direct
    await auth.users.disable('ada')
    assert.equal(await codeOf(await login(direct)), '401 invalid-code')
    await auth.users.enable('ada')
    const cookie = await byPasskey(call, device)
    assert.equal((await call(`/auth/factors/${id}`, { cookie, method: 'DELETE' })).status, 204)
    assert.equal(await codeOf(await login(direct)), '401 invalid-code')
  })

  it('is asked for by no page of another site', async (t) => {
    const { call } = await register(t)
    const headers = { 'sec-fetch-site': 'cross-site' }
    assert.equal(
      await codeOf(await call('/login/passkey', { headers, json: { response: {} } })),
      '403 cross-site-request',
    )
  })
})

/** A session of the passkey's owner. */
async function byPasskey(call: Direct['call'], device: PasskeyDevice): Promise<string> {
  const { publicKey } = await json(await call('/login/passkey/options', { method: 'POST' }))
  return sessionCookieOf(
    await call('/login/passkey', { json: { response: device.get(publicKey) } }),
  )
}
