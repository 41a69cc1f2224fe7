/**
 * A passkey as the fresh proof of somebody who is signed in: for one session, once, by its owner.
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

interface Owner {
  device: PasskeyDevice
  cookie: string
}

/** Somebody with a passkey, signed in by it. */
async function enrol({ auth, call, signIn }: Direct, name: string): Promise<Owner> {
  await auth.users.add({ name, password: PASSWORD })
  const first = await signIn(name)
  const device = new PasskeyDevice(ORIGIN)
  const begun = await call('/auth/factors', { cookie: first, json: { type: 'passkey' } })
  const response = device.create((await json(begun)).publicKey)
  const made = await call('/auth/factors', { cookie: first, json: { type: 'passkey', response } })
  assert.equal(made.status, 201)
  return { device, cookie: await signInBy(call, device) }
}

async function signInBy(call: Direct['call'], device: PasskeyDevice): Promise<string> {
  const { publicKey } = await json(await call('/login/passkey/options', { method: 'POST' }))
  return sessionCookieOf(
    await call('/login/passkey', { json: { response: device.get(publicKey) } }),
  )
}

/** A challenge for a step-up of this session. */
async function challengeFor(call: Direct['call'], cookie: string): Promise<{ challenge: string }> {
  const answer = await call('/auth/step-up/options', { cookie, method: 'POST' })
  assert.equal(answer.status, 200)
  return (await json(answer)).publicKey
}

async function prove(call: Direct['call'], cookie: string, webauthn: unknown): Promise<Response> {
  return await call('/auth/step-up', { cookie, json: { webauthn } })
}

describe('POST /auth/step-up {"webauthn"}', () => {
  it('proves it freshly and strongly, under a new token', async (t) => {
    const direct = await openDirect(t)
    const { call, events, pass } = direct
    const { device, cookie } = await enrol(direct, 'ada')
    pass(16 * MINUTE)
    assert.equal(await codeOf(await call('/fresh', { cookie })), '401 step-up-required')
    const answer = await prove(call, cookie, device.get(await challengeFor(call, cookie)))
    assert.equal(answer.status, 200)
    const renewed = sessionCookieOf(answer)
    assert.equal(await codeOf(await call('/fresh', { cookie: renewed })), '200')
    assert.equal(await codeOf(await call('/strong', { cookie: renewed })), '200')
    assert.equal(await codeOf(await call('/private', { cookie })), '401 credentials-invalid')
    const { type, reason } = events.findLast((event) => event.type === 'authn_step_up') ?? {}
    assert.deepEqual([type, reason], ['authn_step_up', 'pop'])
  })

  const wrong: [string, PasskeyFaults][] = [
    ['of another origin', { origin: 'https://evil.test' }],
    ['for another host name', { rpId: 'evil.test' }],
    ['without the user verified', { flags: 0x01 }],
    ['by another key', { foreignKey: true }],
    ['with a counter that stands still', { counter: 1 }],
    ['with a counter set back to nothing', { counter: 0 }],
    ['of another ceremony', { type: 'webauthn.create' }],
    ['to a challenge of its own', { challenge: Buffer.alloc(32).toString('base64url') }],
  ]
  for (const [what, faults] of wrong) {
    it(`refuses one ${what}, and leaves the session as it was`, async (t) => {
      const direct = await openDirect(t)
      const { call, pass } = direct
      const { device, cookie } = await enrol(direct, 'ada')
      pass(16 * MINUTE)
      const forged = device.get(await challengeFor(call, cookie), faults)
      assert.equal(await codeOf(await prove(call, cookie, forged)), '401 invalid-code')
      assert.equal(await codeOf(await call('/fresh', { cookie })), '401 step-up-required')
      const good = device.get(await challengeFor(call, cookie))
      assert.equal(await codeOf(await prove(call, cookie, good)), '200')
    })
  }

  it('takes a challenge once, within five minutes, in the session that asked for it', async (t) => {
    const direct = await openDirect(t)
    const { call, pass } = direct
    const { device, cookie } = await enrol(direct, 'ada')
    const other = await signInBy(call, device)
    const asked = await challengeFor(call, cookie)
    assert.equal(await codeOf(await prove(call, other, device.get(asked))), '401 invalid-code')
    const response = device.get(await challengeFor(call, cookie))
    const answer = await prove(call, cookie, response)
    assert.equal(answer.status, 200)
    const renewed = sessionCookieOf(answer)
    assert.equal(await codeOf(await prove(call, renewed, response)), '401 invalid-code')
    const late = await challengeFor(call, renewed)
    pass(5 * MINUTE)
    assert.equal(await codeOf(await prove(call, renewed, device.get(late))), '401 invalid-code')
  })

  it('takes no challenge of a sign-in, and gives none for one', async (t) => {
    const direct = await openDirect(t)
    const { call } = direct
    const { device, cookie } = await enrol(direct, 'ada')
    const anybody = await json(await call('/login/passkey/options', { method: 'POST' }))
    assert.equal(
      await codeOf(await prove(call, cookie, device.get(anybody.publicKey))),
      '401 invalid-code',
    )
    const first = await call('/login', { json: { username: 'ada', password: PASSWORD } })
    const { challenge, webauthn } = await json(first.clone())
    assert.equal(await codeOf(await prove(call, cookie, device.get(webauthn))), '401 invalid-code')
    const pending = first.headers.getSetCookie()[0]?.split(';')[0]
    const asked = device.get(await challengeFor(call, cookie))
    const second = await call('/login/mfa', {
      cookie: pending,
      json: { challenge, webauthn: asked },
    })
    assert.equal(await codeOf(second), '401 invalid-code')
    const direct2 = await call('/login/passkey', { json: { response: asked } })
    assert.equal(await codeOf(direct2), '401 invalid-code')
  })

  it('takes nobody else’s passkey, whoever asked for the challenge', async (t) => {
    const direct = await openDirect(t)
    const { call } = direct
    const ada = await enrol(direct, 'ada')
    const eve = await enrol(direct, 'eve')
    const own = eve.device.get(await challengeFor(call, ada.cookie))
    assert.equal(await codeOf(await prove(call, ada.cookie, own)), '401 invalid-code')
    const hers = ada.device.get(await challengeFor(call, eve.cookie))
    assert.equal(await codeOf(await prove(call, eve.cookie, hers)), '401 invalid-code')
    const stolen = eve.device.get(await challengeFor(call, eve.cookie))
    assert.equal(await codeOf(await prove(call, ada.cookie, stolen)), '401 invalid-code')
  })

  it('is nothing without a passkey, without a session, and after five wrong ones', async (t) => {
    const direct = await openDirect(t)
    const { auth, call, signIn } = direct
    const ada = await enrol(direct, 'ada')
    await auth.users.add({ name: 'bob', password: PASSWORD })
    const bob = await signIn('bob')
    const options = (how: object): Promise<Response> =>
      call('/auth/step-up/options', { method: 'POST', ...how })
    assert.equal(await codeOf(await options({ cookie: bob })), '404 factor-unknown')
    assert.equal(await codeOf(await options({})), '401 credentials-required')
    const { token } = await auth.tokens.create('bob', { label: 'x' })
    assert.equal(await codeOf(await options({ bearer: token })), '403 method-refused')
    const crossing = { cookie: ada.cookie, headers: { 'sec-fetch-site': 'cross-site' } }
    assert.equal(await codeOf(await options(crossing)), '403 cross-site-request')
    assert.equal(await codeOf(await prove(call, ada.cookie, 'x')), '400 malformed-request')
    for (let guess = 0; guess < 5; guess++) {
      assert.equal(await codeOf(await prove(call, ada.cookie, {})), '401 invalid-code')
    }
    const good = ada.device.get(await challengeFor(call, ada.cookie))
    assert.equal(await codeOf(await prove(call, ada.cookie, good)), '429 too-many-attempts')
  })
})
