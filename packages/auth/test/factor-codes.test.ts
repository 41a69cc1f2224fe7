/**
 * Codes of an app and recovery codes: enrolled, asked for at sign-in, good once, counted apart.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { totpCode, totpStep } from '../src/factors/totp.ts'
import { codeOf, type Direct, openDirect, sessionCookieOf, TLS } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const folder = temporaryFolder(after)

const MINUTE = 60_000

interface Enrolled extends Direct {
  /** The session that enrolled. */
  cookie: string
  id: string
  recoveryCodes: string[]
  code: () => string
}

function seedOf(secret: string): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = Array.from(secret)
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  return Uint8Array.from({ length: Math.floor(bits.length / 8) }, (_, at) =>
    Number.parseInt(bits.slice(at * 8, at * 8 + 8), 2),
  )
}

async function json(answer: Response): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await answer.text())
}

function mfaCookieOf(answer: Response): string {
  const cookie = answer.headers.getSetCookie().find((each) => each.includes('-mfa='))
  return cookie?.split(';')[0] ?? ''
}

async function enrol(
  t: Parameters<typeof openDirect>[0],
  options: Parameters<typeof openDirect>[1] = {},
): Promise<Enrolled> {
  const direct = await openDirect(t, options)
  const { auth, call, now, signIn, pass } = direct
  await auth.users.add({ name: 'ada', password: PASSWORD })
  await auth.users.add({ name: 'eve', password: PASSWORD })
  const cookie = await signIn('ada')
  const begun = await call('/auth/factors', { cookie, json: { type: 'totp' } })
  assert.equal(begun.status, 201)
  const { id, secret, uri } = await json(begun)
  assert.match(uri, /^otpauth:\/\/totp\/countersign:ada\?secret=/)
  const seed = seedOf(secret)
  const code = (): string => totpCode(seed, totpStep(now()))
  const confirmed = await call(`/auth/factors/${id}/confirm`, { cookie, json: { code: code() } })
  assert.equal(confirmed.status, 201)
  const { recoveryCodes } = await json(confirmed)
  pass(MINUTE)
  return { ...direct, cookie, id, recoveryCodes, code }
}

async function firstStep(
  direct: Direct,
  more: object = {},
): Promise<{ challenge: string; cookie: string; methods: string[] }> {
  const answer = await direct.call('/login', {
    json: { username: 'ada', password: PASSWORD, ...more },
  })
  assert.equal(answer.status, 401)
  const { code, challenge, methods } = await json(answer.clone())
  assert.equal(code, 'mfa-required')
  assert.equal(sessionCookieOf(answer), '')
  return { challenge, methods, cookie: mfaCookieOf(answer) }
}

describe('a code of an app', () => {
  it('makes sign-in two steps, and the session worth more', async (t) => {
    const direct = await enrol(t)
    const { call, code, events } = direct
    const { challenge, cookie, methods } = await firstStep(direct, { remember: true })
    assert.deepEqual(methods, ['totp', 'recovery'])
    assert.match(cookie, /^__Host-countersign-mfa=[\w-]{43}$/)
    const answer = await call('/login/mfa', { cookie, json: { challenge, totp: code() } })
    assert.equal(answer.status, 200)
    assert.ok(answer.headers.getSetCookie().some((each) => /-sid=.*Max-Age=/.test(each)))
    assert.ok(answer.headers.getSetCookie().some((each) => /-mfa=;.*Max-Age=0/.test(each)))
    const who = await json(await call('/auth/session', { cookie: sessionCookieOf(answer) }))
    assert.deepEqual([who.amr, who.aal, who.via], [['pwd', 'otp', 'mfa'], 2, 'session'])
    assert.equal(await codeOf(await call('/strong', { cookie: sessionCookieOf(answer) })), '200')
    assert.ok(events.some(({ type }) => type === 'authn_login_success'))
  })

  it('is no session in between: the cookie and the challenge let nobody in (GHSA-xg6x-h9c9-2m83, better-auth #9203)', async (t) => {
    const direct = await enrol(t)
    const { call } = direct
    const { challenge, cookie } = await firstStep(direct)
    const token = cookie.slice(cookie.indexOf('=') + 1)
    for (const path of ['/private', '/auth/session', '/auth/factors', '/auth/tokens']) {
      assert.equal(await codeOf(await call(path, { cookie })), '401 credentials-required')
      assert.equal(
        await codeOf(await call(path, { cookie: `__Host-countersign-sid=${token}` })),
        '401 credentials-invalid',
      )
      assert.equal(await codeOf(await call(path, { bearer: challenge })), '401 credentials-invalid')
    }
    assert.deepEqual(await direct.auth.findSecrets(), [])
  })

  it('is asked for after a reset too, which makes no session (CVE-2026-18963, ASVS 6.4.3)', async (t) => {
    const direct = await enrol(t)
    const { auth, call, code, cookie } = direct
    const token = await auth.createResetCode('ada')
    const password = 'another five words of hers'
    const done = await call('/auth/reset/confirm', { cookie, json: { token, new: password } })
    assert.deepEqual([done.status, done.headers.getSetCookie()], [204, []])
    assert.equal((await call('/private', { cookie })).status, 401)
    const answer = await call('/login', { json: { username: 'ada', password } })
    assert.equal(sessionCookieOf(answer), '')
    const { challenge } = await json(answer.clone())
    assert.equal(await codeOf(answer.clone()), '401 mfa-required')
    const proof = { cookie: mfaCookieOf(answer), json: { challenge, totp: code() } }
    assert.equal((await call('/login/mfa', proof)).status, 200)
  })

  it('needs both halves, and both of one sign-in', async (t) => {
    const direct = await enrol(t)
    const { call, code } = direct
    const one = await firstStep(direct)
    const two = await firstStep(direct)
    const attempts: [string, string][] = [
      ['', one.challenge],
      [one.cookie, two.challenge],
      [two.cookie, one.challenge],
      [one.cookie, one.cookie.slice(-43)],
      [`${one.cookie}; ${two.cookie}`, one.challenge],
    ]
    for (const [cookie, challenge] of attempts) {
      const answer = await call('/login/mfa', { cookie, json: { challenge, totp: code() } })
      assert.equal(await codeOf(answer), '401 challenge-invalid')
    }
    const right = { cookie: one.cookie, json: { challenge: one.challenge, totp: code() } }
    assert.equal((await call('/login/mfa', right)).status, 200)
    // Replayed: the sign-in is done.
    assert.equal(await codeOf(await call('/login/mfa', right)), '401 challenge-invalid')
  })

  it('is never accepted twice, not in another sign-in either (RFC 6238 §5.2)', async (t) => {
    const direct = await enrol(t)
    const { call, code, pass } = direct
    const totp = code()
    const one = await firstStep(direct)
    const two = await firstStep(direct)
    const send = async (step: typeof one): Promise<string> =>
      await codeOf(
        await call('/login/mfa', {
          cookie: step.cookie,
          json: { challenge: step.challenge, totp },
        }),
      )
    assert.equal(await send(one), '200')
    assert.equal(await send(two), '401 invalid-code')
    pass(30_000)
    assert.equal(await send(two), '401 invalid-code')
  })

  it('ends with the challenge after five minutes, with a new password, and with its owner', async (t) => {
    const direct = await enrol(t)
    const { auth, call, code, pass } = direct
    const send = async (step: { cookie: string; challenge: string }): Promise<string> =>
      await codeOf(
        await call('/login/mfa', {
          cookie: step.cookie,
          json: { challenge: step.challenge, totp: code() },
        }),
      )
    const late = await firstStep(direct)
    pass(5 * MINUTE)
    assert.equal(await send(late), '401 challenge-invalid')
    const outdated = await firstStep(direct)
    await auth.users.setPassword('ada', PASSWORD)
    assert.equal(await send(outdated), '401 challenge-invalid')
    const disabled = await firstStep(direct)
    await auth.users.disable('ada')
    assert.equal(await send(disabled), '401 challenge-invalid')
  })

  it('is counted apart: five wrong ones in 15 minutes, and a right password gives none back (keycloak #46164)', async (t) => {
    const direct = await enrol(t)
    const { call, code, pass, recoveryCodes } = direct
    const answers: string[] = []
    for (let guess = 0; guess < 6; guess += 1) {
      const { cookie, challenge } = await firstStep(direct)
      answers.push(
        await codeOf(await call('/login/mfa', { cookie, json: { challenge, totp: '000000' } })),
      )
    }
    assert.deepEqual(answers, [
      ...Array.from({ length: 5 }, () => '401 invalid-code'),
      '429 too-many-attempts',
    ])
    const { cookie, challenge } = await firstStep(direct)
    // Nor is there another door: the right one, a recovery code, a step-up.
    for (const proof of [{ totp: code() }, { recovery: recoveryCodes[0] }]) {
      const answer = await call('/login/mfa', { cookie, json: { challenge, ...proof } })
      assert.equal(await codeOf(answer), '429 too-many-attempts')
    }
    assert.equal(
      await codeOf(await call('/auth/step-up', { cookie: direct.cookie, json: { totp: code() } })),
      '429 too-many-attempts',
    )
    pass(15 * MINUTE)
    const after15 = await firstStep(direct)
    const answer = await call('/login/mfa', {
      cookie: after15.cookie,
      json: { challenge: after15.challenge, totp: code() },
    })
    assert.equal(answer.status, 200)
  })

  it('steps up, and is asked for before factors change where there is one', async (t) => {
    const { call, code, cookie, id, pass } = await enrol(t)
    // The session that enrolled has proved a password only.
    assert.equal(
      await codeOf(await call('/auth/factors', { cookie, json: { type: 'totp' } })),
      '401 step-up-required',
    )
    assert.equal(
      await codeOf(await call(`/auth/factors/${id}`, { cookie, method: 'DELETE' })),
      '401 step-up-required',
    )
    const byPassword = await call('/auth/step-up', { cookie, json: { password: PASSWORD } })
    const renewed = sessionCookieOf(byPassword)
    assert.equal(
      await codeOf(await call(`/auth/factors/${id}`, { cookie: renewed, method: 'DELETE' })),
      '401 step-up-required',
    )
    const strong = sessionCookieOf(
      await call('/auth/step-up', { cookie: renewed, json: { totp: code() } }),
    )
    assert.equal(await codeOf(await call('/strong', { cookie: strong })), '200')
    pass(16 * MINUTE)
    assert.equal(
      await codeOf(await call(`/auth/factors/${id}`, { cookie: strong, method: 'DELETE' })),
      '401 step-up-required',
    )
    const fresh = sessionCookieOf(
      await call('/auth/step-up', { cookie: strong, json: { totp: code() } }),
    )
    assert.equal(
      (await call(`/auth/factors/${id}`, { cookie: fresh, method: 'DELETE' })).status,
      204,
    )
    assert.deepEqual(await json(await call('/auth/factors', { cookie: fresh })), [])
    // Without it a password is enough again.
    assert.equal(
      (await call('/login', { json: { username: 'ada', password: PASSWORD } })).status,
      200,
    )
  })

  it('is nothing until a first code confirms it, and nobody else can', async (t) => {
    const { call, signIn, pass } = await enrol(t)
    const cookie = await signIn('eve')
    const { id, secret } = await json(
      await call('/auth/factors', { cookie, json: { type: 'totp' } }),
    )
    assert.equal(
      (await call('/login', { json: { username: 'eve', password: PASSWORD } })).status,
      200,
    )
    assert.deepEqual(await json(await call('/auth/factors', { cookie })), [])
    assert.match(secret, /^[A-Z2-7]{32}$/)
    assert.equal(
      await codeOf(await call(`/auth/factors/${id}/confirm`, { cookie, json: { code: '000000' } })),
      '401 invalid-code',
    )
    pass(10 * MINUTE)
    assert.equal(
      await codeOf(await call(`/auth/factors/${id}/confirm`, { cookie, json: { code: '000000' } })),
      '401 invalid-code',
    )
  })

  it('of another is one that does not exist', async (t) => {
    const { call, id, signIn } = await enrol(t)
    const cookie = await signIn('eve')
    assert.equal(
      await codeOf(await call(`/auth/factors/${id}`, { cookie, method: 'DELETE' })),
      '404 factor-unknown',
    )
    assert.equal(await codeOf(await call('/auth/factors')), '401 credentials-required')
  })

  it('takes what it takes, and nothing else', async (t) => {
    const direct = await enrol(t)
    const { call } = direct
    const { cookie, challenge } = await firstStep(direct)
    const bodies: object[] = [
      { challenge },
      { challenge, totp: 123_456 },
      { challenge, totp: '1'.repeat(33) },
      { challenge, totp: '000000', recovery: 'x' },
      { challenge, password: PASSWORD },
      { totp: '000000' },
    ]
    for (const body of bodies) {
      assert.equal(
        await codeOf(await call('/login/mfa', { cookie, json: body })),
        '400 malformed-request',
      )
    }
    const plain = { ...TLS, encrypted: false }
    assert.equal(
      await codeOf(
        await call('/login/mfa', { cookie, json: { challenge, totp: '0' }, peer: plain }),
      ),
      '403 tls-required',
    )
    const headers = { 'sec-fetch-site': 'cross-site' }
    assert.equal(
      await codeOf(await call('/login/mfa', { cookie, json: { challenge, totp: '0' }, headers })),
      '403 cross-site-request',
    )
    assert.equal(
      await codeOf(await call('/login/mfa', { cookie, form: { challenge, totp: '0' } })),
      '415 unsupported-media-type',
    )
  })

  it('ends every other session when it is added; recovery codes alone are none', async (t) => {
    const { auth, call, now, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const other = await signIn('ada')
    const cookie = await signIn('ada')
    const made = await json(await call('/auth/factors', { cookie, json: { type: 'recovery' } }))
    assert.equal(made.codes.length, 10)
    assert.equal(
      (await call('/login', { json: { username: 'ada', password: PASSWORD } })).status,
      200,
    )
    assert.equal(await codeOf(await call('/private', { cookie: other })), '200')
    const begun = await call('/auth/factors', { cookie, json: { type: 'totp', label: 'phone' } })
    const { id, secret } = await json(begun)
    const code = totpCode(seedOf(secret), totpStep(now()))
    const confirmed = await call(`/auth/factors/${id}/confirm`, { cookie, json: { code } })
    // There are codes already, and they stay.
    assert.equal((await json(confirmed)).recoveryCodes, undefined)
    assert.equal(await codeOf(await call('/private', { cookie: other })), '401 credentials-invalid')
    assert.equal(await codeOf(await call('/private', { cookie })), '200')
  })
})

const race = async (t: Parameters<typeof openDirect>[0], url?: string): Promise<void> => {
  const direct = await enrol(t, {
    ...(url === undefined ? {} : { url, keys: { path: join(folder, 'auth.keys') } }),
    throttle: { perFactor: 100, perName: 100 },
  })
  const { call, code, recoveryCodes, auth } = direct
  const [recovery = ''] = recoveryCodes
  const steps = await Promise.all(Array.from({ length: 20 }, async () => await firstStep(direct)))
  const together = async (proof: object): Promise<string[]> =>
    await Promise.all(
      steps.map(
        async ({ cookie, challenge }) =>
          await codeOf(await call('/login/mfa', { cookie, json: { challenge, ...proof } })),
      ),
    )
  const answers = await together({ recovery })
  assert.deepEqual(answers.toSorted(), [
    '200',
    ...Array.from({ length: 19 }, () => '401 invalid-code'),
  ])
  const winner = answers.indexOf('200')
  steps.splice(winner, 1)
  const byApp = await together({ totp: code() })
  assert.equal(byApp.filter((each) => each === '200').length, 1)
  assert.deepEqual(await auth.findSecrets(), [])
}

describe('a recovery code', () => {
  it('is good once, however it is typed, and not for another', async (t) => {
    const direct = await enrol(t)
    const { call, recoveryCodes, signIn } = direct
    assert.equal(recoveryCodes.length, 10)
    assert.equal(new Set(recoveryCodes).size, 10)
    const [first = ''] = recoveryCodes
    const send = async (recovery: string): Promise<Response> => {
      const { cookie, challenge } = await firstStep(direct)
      return await call('/login/mfa', { cookie, json: { challenge, recovery } })
    }
    const used = await send(first.toLowerCase().replaceAll('-', ' '))
    assert.equal(used.status, 200)
    assert.equal(await codeOf(await send(first)), '401 invalid-code')
    const cookie = sessionCookieOf(used)
    const listed = await json(await call('/auth/factors', { cookie }))
    assert.deepEqual(listed.at(-1), { id: 'recovery', type: 'recovery', remaining: 9 })
    assert.ok(!JSON.stringify(listed).includes(first.slice(0, 5)))
    // New ones end the old.
    const { codes } = await json(
      await call('/auth/factors', { cookie, json: { type: 'recovery' } }),
    )
    assert.equal(await codeOf(await send(recoveryCodes[1] ?? '')), '401 invalid-code')
    assert.equal((await send(codes[0])).status, 200)
    const eve = await signIn('eve')
    assert.equal(
      await codeOf(await call('/auth/step-up', { cookie: eve, json: { recovery: codes[1] } })),
      '401 invalid-code',
    )
  })

  it('has one winner of 20 who send it at once, and so has a code of an app', async (t) => {
    await race(t)
  })

  describe('on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
    let postgres: Postgres | undefined
    before(async () => {
      postgres = await startPostgres({ onMissing: (reason) => assert.fail(reason) })
    })
    after(async () => {
      await postgres?.stop()
    })
    it('has one winner of 20', async (t) => {
      assert.ok(postgres !== undefined)
      await race(t, await postgres.createDatabase())
    })
  })
})
