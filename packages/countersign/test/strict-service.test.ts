/**
 * `up` as strict as it can be told to be: a second factor for administrators, a list of passwords that nobody may choose, and tokens
 * that are worth nothing alone. In several processes, which have to know it alike.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Session } from '@countersign/client'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { readPasswordList } from '../src/password-list.ts'
import { tellUsers } from '../src/service/tell-users.ts'
import { appCode } from './app-code.ts'
import { addUser, PASSWORD, type RunningService, signIn, startUp } from './running-service.ts'

scrubProcess()

const LEAKED = 'what everybody chose in 2026'
const folder = temporaryFolder(after)
const data = path.join(folder, 'data')
const told = path.join(folder, 'told')
let service: RunningService

before(async () => {
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(path.join(data, 'leaked.txt'), `first of them\n${LEAKED}\n`)
  const tell = `echo "$COUNTERSIGN_USER $COUNTERSIGN_EVENT $COUNTERSIGN_REASON" >> ${told}`
  const settings = [
    'refusedPasswords = "leaked.txt"',
    'boundTokensOnly = true',
    `tellUsers = '${tell}; test -z "$COUNTERSIGN_DATABASE"'`,
    '',
  ].join('\n')
  writeFileSync(path.join(data, 'countersign.toml'), settings, { mode: 0o600 })
  service = await startUp(data, ['--require-second-factor', 'admins', '--workers', '2'])
  await addUser(data, 'ada', 'admin')
  await addUser(data, 'bob', 'viewer')
})
after(async () => {
  await service[Symbol.asyncDispose]()
})

async function answerOf(session: Session, target: string, json?: object): Promise<string> {
  const response =
    json === undefined ? await session.get(target) : await session.post(target, { json })
  const code = /"(?:code|error)":"([\w-]+)"/.exec(await response.text())?.[1]
  return code === undefined ? String(response.status) : `${response.status} ${code}`
}

describe('a strict service', () => {
  it('lets no administrator do anything without a second factor, in none of its processes', async () => {
    await using ada = await signIn(service, 'ada')
    for (let times = 0; times < 4; times++) {
      assert.equal(await answerOf(ada, '/ca/certificates'), '403 second-factor-required')
      assert.equal(await answerOf(ada, '/admin/principals'), '403 second-factor-required')
    }
    await using bob = await signIn(service, 'bob')
    assert.equal(await answerOf(bob, '/ca/certificates'), '200')
    const begun = JSON.parse(
      await (await ada.post('/auth/factors', { json: { type: 'totp' } })).text(),
    )
    const code = (ahead: number): string => appCode(String(begun.secret), ahead)
    const confirm = `/auth/factors/${begun.id}/confirm`
    assert.equal(await answerOf(ada, confirm, { code: code(0) }), '201')
    assert.equal(await answerOf(ada, '/admin/principals'), '403 second-factor-required')
    // The next one, as a clock half a minute ahead would show it.
    assert.equal(await answerOf(ada, '/auth/step-up', { totp: code(1) }), '200')
    assert.equal(await answerOf(ada, '/admin/principals'), '200')
    const reset = await runProgram(['user', 'factors', 'ada', '--reset', '--data', data])
    assert.equal(reset.code, 0, reset.stderr)
    await using again = await signIn(service, 'ada')
    assert.equal(await answerOf(again, '/admin/principals'), '403 second-factor-required')
  })

  it('tells users of what was changed about them, and of who has their password alone', async () => {
    const lines = async (wanted: RegExp): Promise<void> => {
      const end = performance.now() + 30_000
      for (;;) {
        const text = existsSync(told) ? readFileSync(told, 'utf8') : ''
        if (wanted.test(text)) return
        assert.ok(performance.now() < end, text)
        await wait(20)
      }
    }
    await using bob = await signIn(service, 'bob')
    const begun = await bob.post('/auth/factors', { json: { type: 'totp' } })
    const { id, secret } = JSON.parse(await begun.text())
    const code = appCode(String(secret), 0)
    assert.equal(await answerOf(bob, `/auth/factors/${id}/confirm`, { code }), '201')
    await lines(/^bob user_updated totp added$/m)
    await using eve = new Session({ baseUrl: service.url, ca: service.roots })
    const first = await eve.post('/login', { json: { username: 'bob', password: PASSWORD } })
    const { challenge } = JSON.parse(await first.text())
    assert.equal(
      await answerOf(eve, '/login/mfa', { challenge, totp: '000000' }),
      '401 invalid-code',
    )
    await lines(/^bob authn_login_fail totp-wrong$/m)
    assert.doesNotMatch(readFileSync(told, 'utf8'), /authn_login_success|session_created/)
    assert.equal((await runProgram(['user', 'factors', 'bob', '--reset', '--data', data])).code, 0)
    await lines(/^bob user_updated factors reset$/m)
  })

  it('refuses the passwords of its list, over HTTP and at the command line', async () => {
    await using bob = await signIn(service, 'bob')
    for (const listed of [LEAKED, LEAKED.toUpperCase()]) {
      const json = { current: PASSWORD, new: listed }
      assert.equal(await answerOf(bob, '/auth/password', json), '422 weak-password')
    }
    const added = await runProgram(['user', 'add', 'eve', '--password-stdin', '--data', data], {
      input: `${LEAKED}\n`,
    })
    assert.equal(added.code, 1)
    assert.match(added.stderr, /not good enough: listed/)
  })

  it('makes tokens for nobody who proves no certificate and no key', async () => {
    await using session = new Session({ baseUrl: service.url, ca: service.roots })
    const form = { grant_type: 'client_credentials' }
    const answer = await session.post('/oauth/token', { form })
    assert.match(await answer.text(), /tokens are bound here/)
    await using bob = await signIn(service, 'bob')
    assert.equal(await answerOf(bob, '/auth/access-token', {}), '403 binding-missing')
  })
})

describe('what users are told', () => {
  it('is no flood, however often somebody guesses, and what fails is a line', async () => {
    const notes: string[] = []
    const file = path.join(folder, 'flood')
    const noted = Promise.withResolvers<void>()
    const tell = tellUsers(
      `echo "$COUNTERSIGN_USER $COUNTERSIGN_REASON" >> ${file}; exit 3`,
      (text) => {
        notes.push(text)
        if (notes.length === 3) noted.resolve()
      },
    )
    const event = { type: 'authn_login_fail', time: new Date(), name: 'ada' } as const
    for (let times = 0; times < 500; times++) {
      tell({ ...event, reason: 'totp-wrong' })
      tell({ ...event, reason: 'password-wrong' })
      tell({ ...event, name: undefined, reason: 'totp-wrong' })
      tell({ ...event, type: 'session_created' })
    }
    tell({ ...event, name: 'bob', reason: 'totp-wrong' })
    tell({ ...event, type: 'authn_password_change', name: 'x; touch y' })
    await noted.promise
    assert.equal(readFileSync(file, 'utf8'), 'ada totp-wrong\nbob totp-wrong\nx; touch y \n')
    assert.match(notes[0] ?? '', /^ada was not told of authn_login_fail: the command ended with 3$/)
  })
})

describe('a list of passwords', () => {
  it('has one at least, can be read, and is not larger than 64 MiB', () => {
    assert.equal(readPasswordList(undefined, data), undefined)
    const isListed = readPasswordList('leaked.txt', data)
    assert.deepEqual(
      [isListed?.(LEAKED), isListed?.('other'), isListed?.('')],
      [true, false, false],
    )
    writeFileSync(path.join(folder, 'empty.txt'), '\n\r\n')
    for (const [file, words] of [
      ['nothing.txt', /nothing\.txt: .*no such file/],
      [path.join(folder, 'empty.txt'), /holds no password/],
      [folder, /cannot read the passwords of/],
    ] as const) {
      assert.throws(() => readPasswordList(file, data), { code: 'file-unreadable', message: words })
    }
  })
})
