import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { scrubProcess } from '@countersign/testkit'
import { codeOf, openDirect, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const NEW = 'another five words of hers'
const MINUTE = 60_000

describe('a reset', () => {
  it('sets a password once, makes no session and ends every one there is', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    const { token: bearer } = await auth.tokens.create('ada', { label: 'x' })
    const token = await auth.createResetCode('ADA')
    assert.match(token, /^(?:[0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/)
    const typed = token.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o')
    const json = { token: typed, new: NEW }
    const done = await call('/auth/reset/confirm', { json })
    assert.equal(done.status, 204)
    assert.deepEqual(done.headers.getSetCookie(), [])
    assert.equal(await codeOf(await call('/auth/reset/confirm', { json })), '400 invalid-token')
    assert.equal((await call('/private', { cookie })).status, 401)
    assert.equal((await call('/private', { bearer })).status, 401)
    const again = await call('/login', { json: { username: 'ada', password: NEW } })
    assert.equal(again.status, 200)
  })

  it('is over after 15 minutes, with the next code, with another password and with the user (CVE-2026-18963)', async (t) => {
    const { auth, call, pass } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const confirm = async (token: string): Promise<string> =>
      await codeOf(await call('/auth/reset/confirm', { json: { token, new: NEW } }))
    const late = await auth.createResetCode('ada')
    pass(15 * MINUTE)
    assert.equal(await confirm(late), '400 invalid-token')
    const first = await auth.createResetCode('ada')
    const second = await auth.createResetCode('ada')
    assert.equal(await confirm(first), '400 invalid-token')
    await auth.users.setPassword('ada', 'seven green bicycles there')
    assert.equal(await confirm(second), '400 invalid-token')
    const third = await auth.createResetCode('ada')
    await auth.users.disable('ada')
    assert.equal(await confirm(third), '400 invalid-token')
    await assert.rejects(auth.createResetCode('ada'), { code: 'user-disabled' })
    await assert.rejects(auth.createResetCode('nobody'), { code: 'user-unknown' })
  })

  it('does not lose its code to a weak password, and is used by one of many', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const token = await auth.createResetCode('ada')
    const weak = await call('/auth/reset/confirm', { json: { token, new: 'ada' } })
    assert.equal(await codeOf(weak), '422 weak-password')
    const many = await Promise.all(
      Array.from({ length: 5 }, () => call('/auth/reset/confirm', { json: { token, new: NEW } })),
    )
    assert.deepEqual(many.map(({ status }) => String(status)).toSorted(), [
      '204',
      '400',
      '400',
      '400',
      '400',
    ])
  })

  it('is no code for the first administrator, nor the other way round', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const setup = await auth.createSetupCode()
    const reset = await auth.createResetCode('ada')
    const confirmed = await call('/auth/reset/confirm', { json: { token: setup, new: NEW } })
    assert.equal(confirmed.status, 400)
    const json = { code: reset, username: 'root', password: NEW }
    assert.equal((await call('/auth/setup', { json })).status, 400)
  })

  it('is not guessed: ten wrong codes within ten minutes, then 429; the right one is taken all the same', async (t) => {
    const { auth, call } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const wrong = { json: { token: 'AAAAA-AAAAA-AAAAA-AAAAA', new: NEW } }
    for (let count = 0; count < 10; count++) {
      assert.equal((await call('/auth/reset/confirm', wrong)).status, 400)
    }
    assert.equal((await call('/auth/reset/confirm', wrong)).status, 429)
    const token = await auth.createResetCode('ada')
    assert.equal((await call('/auth/reset/confirm', { json: { token, new: NEW } })).status, 204)
  })

  it('is asked for with the same 202 whoever exists, and what was asked is in the audit', async (t) => {
    const { auth, call, events } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    for (const username of ['ada', 'nobody', 'a\u0000b', 'x'.repeat(300)]) {
      const answer = await call('/auth/reset', { json: { username } })
      assert.deepEqual([answer.status, await answer.text()], [202, ''])
    }
    await untilTold(
      () => events.filter(({ type }) => type === 'authn_reset_requested').length === 4,
    )
    const told = events.flatMap(({ type, name, reason }) =>
      type === 'authn_reset_requested' ? [`${name} ${reason}`] : [],
    )
    const unknown = 'undefined user-unknown'
    assert.deepEqual(told.toSorted(), ['ada active', unknown, unknown, unknown])
  })

  it('hands its code to whom the service says, and tells nobody where that fails', async (t) => {
    const sent: string[] = []
    const direct = await openDirect(t, {
      sendResetCode: ({ name }, code) => {
        sent.push(code)
        if (name === 'bob') throw new Error('no letter box')
      },
    })
    const { auth, call, events } = direct
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await auth.users.add({ name: 'bob', password: PASSWORD })
    for (const username of ['ada', 'bob', 'nobody']) {
      assert.equal((await call('/auth/reset', { json: { username } })).status, 202)
    }
    await untilTold(() => sent.length === 2 && events.some(({ type }) => type === 'sys_failure'))
    const token = sent.find((code) => code !== '') ?? ''
    const answers = await Promise.all(
      sent.map((code) => call('/auth/reset/confirm', { json: { token: code, new: NEW } })),
    )
    assert.deepEqual([token.length, answers.map(({ status }) => status)], [23, [204, 204]])
  })

  it('comes over HTTPS, from a page of our own, as JSON', async (t) => {
    const { call } = await openDirect(t)
    for (const path of ['/auth/reset', '/auth/reset/confirm']) {
      const json = { username: 'ada' }
      const plain = await call(path, { json, peer: { ...TLS, encrypted: false } })
      assert.equal(await codeOf(plain), '403 tls-required')
      const headers = { 'sec-fetch-site': 'cross-site' }
      assert.equal(await codeOf(await call(path, { json, headers })), '403 cross-site-request')
      assert.equal((await call(path, { form: { username: 'ada' } })).status, 415)
      assert.equal((await call(path, { json: { odd: 1 } })).status, 400)
    }
  })
})

/** What happens after the answer is seen when it is there. */
async function untilTold(isThere: () => boolean): Promise<void> {
  const end = Date.now() + 15_000
  while (!isThere() && Date.now() < end) await setTimeout(5)
  assert.ok(isThere())
}
