import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { codeOf, deviceCookieOf, type Direct, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const MINUTE = 60_000
const DAY = 86_400_000
// The hash costs as little as it may: what is tested is who is let through to it.
const CHEAP = { memoryKib: 19_456, passes: 2, queue: 200 }

async function guess(
  { call }: Direct,
  username: string,
  how: { address?: string; cookie?: string; password?: string } = {},
): Promise<Response> {
  const { address = '198.51.100.9', cookie, password = 'wrong' } = how
  return await call('/login', {
    json: { username, password },
    cookie,
    peer: { ...TLS, address },
  })
}

describe('a browser that its owner has signed in from', () => {
  it('gets in from the very address that strangers guess from', async (t) => {
    const direct = await openDirect(t, { hashing: CHEAP })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    const first = await guess(direct, 'ada', { password: PASSWORD })
    const cookie = deviceCookieOf(first)
    assert.match(
      first.headers.getSetCookie().join(),
      /__Host-countersign-dev=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=15552000/,
    )
    const flood = await Promise.all(Array.from({ length: 30 }, () => guess(direct, 'ada')))
    assert.deepEqual(
      [401, 429].map((status) => flood.filter((answer) => answer.status === status).length),
      [10, 20],
    )
    assert.equal((await guess(direct, 'ada', { password: PASSWORD })).status, 429)
    assert.equal((await guess(direct, 'ada', { password: PASSWORD, cookie })).status, 200)
  })

  it('gets in while one address guesses at many names, of which sixty are tried', async (t) => {
    const direct = await openDirect(t, { hashing: CHEAP })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = deviceCookieOf(await guess(direct, 'ada', { password: PASSWORD }))
    const names = Array.from({ length: 80 }, (_, index) => `name ${index}`)
    const spray = await Promise.all(names.map((name) => guess(direct, name)))
    assert.deepEqual(
      [401, 429].map((status) => spray.filter((answer) => answer.status === status).length),
      [60, 20],
    )
    assert.equal((await guess(direct, 'ada', { password: PASSWORD })).status, 429)
    assert.equal((await guess(direct, 'ada', { password: PASSWORD, cookie })).status, 200)
  })

  it('is a stranger again after ten failures, and then counted as one', async (t) => {
    const direct = await openDirect(t, { hashing: CHEAP })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = deviceCookieOf(await guess(direct, 'ada', { password: PASSWORD }))
    for (let count = 0; count < 10; count++) {
      assert.equal((await guess(direct, 'ada', { cookie })).status, 401)
    }
    const dead = await guess(direct, 'ada', { cookie, password: PASSWORD })
    assert.equal(await codeOf(dead), '429 too-many-attempts')
    const other = { address: '203.0.113.4', password: PASSWORD }
    assert.equal((await guess(direct, 'ada', other)).status, 200)
  })

  it('is known for one name only, and by nothing that was made up', async (t) => {
    const direct = await openDirect(t, { hashing: CHEAP })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    await direct.auth.users.add({ name: 'bob', password: PASSWORD })
    const cookie = deviceCookieOf(await guess(direct, 'bob', { password: PASSWORD }))
    const [nonce, key] = cookie.split('.')
    const made = [
      cookie,
      `${nonce}.${key}.${'A'.repeat(43)}`,
      `${nonce}.ffffffff.${'A'.repeat(43)}`,
      '__Host-countersign-dev=',
      `${cookie}; ${cookie}`,
    ]
    for (let count = 0; count < 10; count++) await guess(direct, 'ada')
    for (const each of made) {
      const answer = await guess(direct, 'ada', { cookie: each, password: PASSWORD })
      assert.equal(answer.status, 429, each)
    }
  })
})

describe('a hundred failures without a success in between', () => {
  it("end passwords for strangers, whether the name is anybody's or not", async (t) => {
    const direct = await openDirect(t, {
      hashing: CHEAP,
      throttle: { consecutive: 12, perNameEverywhere: 1000 },
    })
    const { auth, events, pass } = direct
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const known = await guess(direct, 'ada', { address: '192.0.2.7', password: PASSWORD })
    const cookie = deviceCookieOf(known)
    for (const name of ['ada', 'nobody']) {
      for (let count = 0; count < 12; count++) {
        const address = `198.51.100.${count}`
        assert.equal((await guess(direct, name, { address })).status, 401)
      }
      pass(11 * MINUTE)
      const stranger = { address: '203.0.113.1', password: PASSWORD }
      assert.equal(await codeOf(await guess(direct, name, stranger)), '429 too-many-attempts')
      assert.equal(events.at(-1)?.reason, 'locked')
    }
    // Not for ever: the owner's browser opens it, for everybody.
    const owner = await guess(direct, 'ada', { address: '192.0.2.7', password: PASSWORD, cookie })
    assert.equal(owner.status, 200)
    const stranger = { address: '203.0.113.1', password: PASSWORD }
    assert.equal((await guess(direct, 'ada', stranger)).status, 200)
  })

  it('are opened by a reset, and by a month', async (t) => {
    const direct = await openDirect(t, {
      hashing: CHEAP,
      throttle: { consecutive: 3, perNameEverywhere: 1000 },
    })
    const { auth, call, pass } = direct
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const lock = async (): Promise<void> => {
      for (let count = 0; count < 3; count++) await guess(direct, 'ada')
      const locked = await guess(direct, 'ada', { address: '203.0.113.1', password: PASSWORD })
      assert.equal(locked.status, 429)
    }
    await lock()
    const token = await auth.createResetCode('ada')
    const confirmed = await call('/auth/reset/confirm', { json: { token, new: PASSWORD } })
    assert.equal(confirmed.status, 204)
    const right = { address: '203.0.113.1', password: PASSWORD }
    assert.equal((await guess(direct, 'ada', right)).status, 200)
    await lock()
    pass(30 * DAY)
    assert.equal((await guess(direct, 'ada', right)).status, 200)
  })
})

describe('what is left', () => {
  it('stands in RateLimit and RateLimit-Policy, and is the same for a name that nobody has', async (t) => {
    const direct = await openDirect(t, { hashing: CHEAP })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    for (const name of ['ada', 'nobody']) {
      const address = name === 'ada' ? '198.51.100.1' : '198.51.100.2'
      const told: (string | null)[] = []
      for (let count = 0; count < 11; count++) {
        const { headers } = await guess(direct, name, { address })
        told.push(headers.get('ratelimit'))
        assert.equal(headers.get('ratelimit-policy'), '"attempts";q=10;w=600')
      }
      assert.deepEqual(
        [told[0], told[9], told[10]],
        ['"attempts";r=9;t=600', '"attempts";r=0;t=600', '"attempts";r=0;t=600'],
      )
    }
  })

  it('is counted by /64 of IPv6, so that a flood of addresses is one (CVE-2026-45364)', async (t) => {
    const direct = await openDirect(t, { hashing: CHEAP })
    await direct.auth.users.add({ name: 'ada', password: PASSWORD })
    for (let count = 0; count < 10; count++) {
      const address = `2001:db8:1:2:${count}::${count + 1}`
      assert.equal((await guess(direct, 'ada', { address })).status, 401)
    }
    assert.equal((await guess(direct, 'ada', { address: '2001:db8:1:2::ffff' })).status, 429)
    assert.equal((await guess(direct, 'ada', { address: '2001:db8:1:3::1' })).status, 401)
  })

  it('does not ask what a proxy says: X-Forwarded-For changes nothing (futrx #112, schautrack #140)', async (t) => {
    const { auth, call } = await openDirect(t, { hashing: CHEAP })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const statuses: number[] = []
    for (let count = 0; count < 11; count++) {
      const headers = { 'x-forwarded-for': `10.0.0.${count}`, forwarded: `for=10.0.0.${count}` }
      const json = { username: 'ada', password: 'wrong' }
      statuses.push((await call('/login', { json, headers })).status)
    }
    assert.deepEqual(statuses.slice(-2), [401, 429])
  })
})
