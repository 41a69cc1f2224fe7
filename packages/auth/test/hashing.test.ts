import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { argon2Sync } from 'node:crypto'
import { createAuth } from '@countersign/auth'
import { openStore } from '@countersign/store'
import { scrubProcess } from '@countersign/testkit'
import { builtInArgon2id, loadArgon2id } from '../src/argon2.ts'
import { HashGate } from '../src/hash-gate.ts'
import { PasswordHasher } from '../src/password-hasher.ts'
import { DEFAULT_COST, formatPhc, isBelow, parsePhc } from '../src/phc.ts'
import { PASSWORD, startService } from './service.ts'

scrubProcess()

const SALT = Buffer.from('0123456789abcdef')

describe('argon2id', () => {
  it('is the same from every implementation', async () => {
    const fast = await (await loadArgon2id())('pässword', SALT, DEFAULT_COST, 32)
    const builtIn = await builtInArgon2id('pässword', SALT, DEFAULT_COST, 32)
    const direct = argon2Sync('argon2id', {
      message: 'pässword',
      nonce: SALT,
      memory: 19_456,
      passes: 2,
      parallelism: 1,
      tagLength: 32,
    })
    assert.deepEqual(Buffer.from(fast), direct)
    assert.deepEqual(Buffer.from(builtIn), direct)
  })
})

describe('a PHC string', () => {
  const tag = Buffer.alloc(32, 7)
  const text = formatPhc({ ...DEFAULT_COST, salt: SALT, tag })

  it('is written as others write it and read back', () => {
    assert.match(text, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
    const read = parsePhc(text)
    assert.deepEqual(
      { ...read, salt: Buffer.from(read.salt), tag: Buffer.from(read.tag) },
      { ...DEFAULT_COST, salt: SALT, tag },
    )
  })

  it('is refused where it is anything else', () => {
    const broken = [
      '',
      text.replace('argon2id', 'argon2i'),
      text.replace('v=19', 'v=16'),
      text.replace('m=19456', 'm=019456'),
      text.replace('m=19456', 'm=-1'),
      text.replace('p=1', 'p=0'),
      text.replace('m=19456', 'm=7'),
      `${text}=`,
      `${text}\n`,
      text.replace(/.$/, 'x'),
      text.slice(0, -30),
      text.replace(/\$[\w+/]{22}\$/, '$AA$'),
      `$2b$12$${'a'.repeat(53)}`,
    ]
    for (const each of broken) {
      assert.throws(() => parsePhc(each), { code: 'password-hash-malformed' }, each)
    }
  })

  it('is refused where it would cost too much, before anything is computed', () => {
    for (const [from, to] of [
      ['m=19456', 'm=4194304'],
      ['t=2', 't=11'],
      ['p=1', 'p=17'],
    ] as const) {
      assert.throws(() => parsePhc(text.replace(from, to)), { code: 'password-hash-too-costly' })
    }
    parsePhc(text.replace('m=19456', 'm=262144').replace('t=2', 't=10'))
  })

  it('is below a policy that asks for more of anything', () => {
    assert.equal(isBelow(DEFAULT_COST, DEFAULT_COST), false)
    for (const more of [{ memoryKib: 20_000 }, { passes: 3 }, { lanes: 2 }]) {
      assert.equal(isBelow(DEFAULT_COST, { ...DEFAULT_COST, ...more }), true)
    }
  })
})

describe('the hasher', () => {
  it('hashes the same password to two strings and knows both', async () => {
    const hasher = await PasswordHasher.create(new HashGate(), DEFAULT_COST)
    const [one, two] = await Promise.all([hasher.hash(PASSWORD), hasher.hash(PASSWORD)])
    assert.notEqual(one, two)
    for (const phc of [one, two]) {
      assert.deepEqual(await hasher.check(PASSWORD, phc), { matches: true })
      assert.deepEqual(await hasher.check(`${PASSWORD} `, phc), { matches: false })
    }
    assert.deepEqual(await hasher.check(PASSWORD, undefined), { matches: false })
  })

  it('knows the hash that another library wrote', async () => {
    const { hash } = await import('@node-rs/argon2')
    const hasher = await PasswordHasher.create(new HashGate(), DEFAULT_COST)
    assert.deepEqual(await hasher.check(PASSWORD, await hash(PASSWORD)), { matches: true })
  })

  it('renews at sign-in what costs less than the policy', async (t) => {
    const store = await openStore('sqlite::memory:')
    const service = await startService(t, { store })
    await service.auth.users.add({ name: 'Alice', password: PASSWORD })
    const stored = async (): Promise<string | undefined> => {
      const db = store.database<{ auth_password: { phc: string } }>()
      return (await db.selectFrom('auth_password').select('phc').executeTakeFirst())?.phc
    }
    const before = await stored()
    await service.signIn('Alice')
    assert.equal(await stored(), before)
    const dearer = await startService(t, { store, hashing: { passes: 3 } })
    await dearer.signIn('Alice')
    assert.match((await stored()) ?? '', /m=19456,t=3,p=1/)
    await dearer.signIn('Alice')
  })
})

describe('the gate', () => {
  it('runs so many at once, queues so many, and turns the rest away before they start', async () => {
    const gate = new HashGate({ permits: 2, queue: 3 })
    let running = 0
    let most = 0
    let started = 0
    const work = async (): Promise<number> => {
      started += 1
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return started
    }
    const all = await Promise.allSettled(Array.from({ length: 9 }, () => gate.run(work)))
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 5)
    assert.deepEqual([started, most, gate.waiting, gate.isFull], [5, 2, 0, false])
    for (const each of all.slice(5)) {
      assert.equal(each.status === 'rejected' && each.reason.code, 'hashing-overloaded')
    }
  })

  it('gives a permit back when the work fails', async () => {
    const gate = new HashGate({ permits: 1, queue: 1 })
    for (let count = 0; count < 3; count++) {
      await assert.rejects(
        gate.run(() => Promise.reject(new Error('failed'))),
        /failed/,
      )
    }
    assert.equal(await gate.run(async () => 'done'), 'done')
  })

  it('has one permit at least', () => {
    assert.ok(new HashGate().permits >= 1)
  })
})

describe('createAuth', () => {
  it('refuses options that weaken sign-in or make no sense, by name', async () => {
    await using store = await openStore('sqlite::memory:')
    const bad: [object, RegExp][] = [
      [{ hashing: { memoryKib: 8 } }, /hashing/],
      [{ hashing: { passes: 1 } }, /hashing/],
      [{ hashing: { memoryKib: 10_000_000 } }, /hashing/],
      [{ hashing: { permits: 0 } }, /hashing\.permits/],
      [{ passwords: { minLength: 4 } }, /passwords\.minLength/],
      [{ session: { idleMs: 10, absoluteMs: 5 } }, /session\.idleMs/],
      [{ throttle: { perName: 0 } }, /throttle\.perName/],
      [{ throttle: { perName: Number.NaN } }, /throttle\.perName/],
      [{ serviceName: 'a"b' }, /serviceName/],
      [{ cookieName: 'a b' }, /cookieName/],
      [{ sameSite: 'None' }, /sameSite/],
      [{ loginErrors: 'honest' }, /loginErrors/],
      [{ allowPlainLoopback: true, host: '0.0.0.0' }, /allowPlainLoopback/],
    ]
    for (const [options, message] of bad) {
      await assert.rejects(createAuth({ store, ...options }), { code: 'option-invalid', message })
    }
    const misspelt = { store, lessonCookie: true }
    await assert.rejects(createAuth(misspelt), {
      code: 'option-unknown',
      hint: 'did you mean "lessonCookies"?',
    })
  })
})
