import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { createAuth } from '@countersign/auth'
import { openStore } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { SecretBox } from '../src/secret-box.ts'
import { openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const folder = temporaryFolder(after)
let files = 0
const nextFile = (): string => path.join(folder, `box-${(files += 1)}`)
const clock = (): Date => new Date()

async function opened(file: string): Promise<SecretBox> {
  const store = await openStore('sqlite::memory:')
  await using auth = await createAuth({ store })
  assert.ok(await auth.needsSetup())
  return await SecretBox.open({ path: file }, store, clock)
}

function typed(text: string): string {
  return Buffer.from(text.padEnd(32, text).slice(0, 32)).toString('base64url')
}

function flip(text = ''): string {
  return `${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`
}

function keyFile(file: string, ...keys: string[]): void {
  const entries = keys.map((key) => ({ created: '2026-01-01T00:00:00.000Z', key }))
  writeFileSync(file, JSON.stringify({ version: 1, keys: entries }), { mode: 0o600 })
}

describe('the file of keys', () => {
  it('is made at the first start, for its owner only, and stays', async () => {
    const file = nextFile()
    const box = await opened(file)
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)
    const sealed = box.seal('a seed', 'totp:1')
    const again = await opened(file)
    assert.equal(Buffer.from(again.open(sealed, 'totp:1')).toString(), 'a seed')
    assert.equal(again.mac('device', 'x'), box.mac('device', 'x'))
    assert.notEqual(again.mac('device', 'x'), box.mac('session', 'x'))
  })

  it('is one for two processes that start at once', async () => {
    const file = nextFile()
    const boxes = await Promise.all(Array.from({ length: 5 }, () => opened(file)))
    assert.equal(new Set(boxes.map((box) => box.keyId)).size, 1)
  })

  it('is refused when others may read it', { skip: process.platform === 'win32' }, async () => {
    const file = nextFile()
    await opened(file)
    chmodSync(file, 0o640)
    await assert.rejects(opened(file), {
      code: 'keys-unusable',
      hint: `close it to them: chmod 600 ${file}`,
    })
  })

  it('is refused with what people type, repeat or paste for a key, and with what is no file of keys', async () => {
    const bad = ['keyboard cat', 'changeme', 'secret', 'countersign', '\0', '0123456789abcdef'].map(
      typed,
    )
    for (const key of [...bad, randomBytes(31).toString('base64url'), 'not base64!']) {
      const file = nextFile()
      keyFile(file, key)
      await assert.rejects(opened(file), { code: 'keys-unusable' })
    }
    for (const text of ['', '{}', '[]', '{"version":2,"keys":[]}', '{"version":1,"keys":[]}']) {
      const file = nextFile()
      writeFileSync(file, text, { mode: 0o600 })
      await assert.rejects(opened(file), { code: 'keys-unusable' })
    }
  })

  it('opens what was sealed with an older key, and seals with the first one', async () => {
    const file = nextFile()
    const [old, young] = [
      randomBytes(32).toString('base64url'),
      randomBytes(32).toString('base64url'),
    ]
    keyFile(file, old)
    const sealed = (await opened(file)).seal('a seed', 'totp:1')
    keyFile(file, young, old)
    const box = await opened(file)
    assert.deepEqual(Buffer.from(box.open(sealed, 'totp:1')).toString(), 'a seed')
    assert.equal(box.isStale(sealed), true)
    assert.equal(box.isStale(box.seal('a seed', 'totp:1')), false)
    keyFile(file, young)
    const without = await opened(file)
    assert.throws(() => without.open(sealed, 'totp:1'), { code: 'secret-unreadable' })
  })

  it('is missed when the database was used with another one, and not made anew', async (t) => {
    const file = nextFile()
    const direct = await openDirect(t, { keys: { path: file } })
    rmSync(file)
    const { store } = direct
    await assert.rejects(createAuth({ store, keys: { path: file } }), { code: 'keys-missing' })
    assert.ok(!existsSync(file))
    keyFile(file, randomBytes(32).toString('base64url'))
    await assert.rejects(createAuth({ store, keys: { path: file } }), { code: 'keys-missing' })
  })

  it('never goes into the database, nor into a message', async (t) => {
    const file = nextFile()
    const { auth, store } = await openDirect(t, { keys: { path: file } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await auth.audit.list()
    const { keys } = JSON.parse(readFileSync(file, 'utf8'))
    const rows = await store
      .database<{ auth_key: object }>()
      .selectFrom('auth_key')
      .selectAll()
      .execute()
    assert.ok(!JSON.stringify(rows).includes(keys[0].key))
    assert.match(JSON.stringify(rows), /"id":"[0-9a-f]{8}"/)
  })
})

describe('what is sealed', () => {
  it('opens under the same words only, and not when a bit of it was changed', async () => {
    const box = await opened(nextFile())
    const sealed = box.seal('a seed', 'totp:1')
    assert.throws(() => box.open(sealed, 'totp:2'), { code: 'secret-unreadable' })
    const parts = sealed.split('.')
    const changed = [
      parts.with(0, 'v2'),
      parts.with(1, 'ffffffff'),
      parts.with(2, flip(parts[2])),
      parts.with(3, flip(parts[3])),
      parts.with(3, 'AAAA'),
      [...parts, 'x'],
      ['nonsense'],
    ]
    for (const each of changed) {
      assert.throws(() => box.open(each.join('.'), 'totp:1'), { code: 'secret-unreadable' })
    }
    assert.notEqual(box.seal('a seed', 'totp:1'), sealed)
  })

  it('is nothing where its key would end with the process', async () => {
    await using store = await openStore(`sqlite:${nextFile()}.db`)
    await using auth = await createAuth({ store })
    assert.ok(await auth.needsSetup())
    const box = await SecretBox.open(undefined, store, clock)
    assert.throws(() => box.seal('a seed', 'totp:1'), { code: 'keys-required' })
  })
})

describe('the scan for secrets', () => {
  it('finds none in a database that was used for everything, and finds what is planted', async (t) => {
    const { auth, call, signIn, store } = await openDirect(t, { keys: { path: nextFile() } })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    await auth.createResetCode('ada')
    await auth.createSetupCode()
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    await call('/auth/step-up', { cookie, json: { password: PASSWORD } })
    await auth.audit.list()
    assert.deepEqual(await auth.findSecrets(), [])
    const db = store.database<{
      auth_credential: { label: string; secret_enc: string }
      auth_session: { user_agent: string }
      auth_password: { phc: string }
    }>()
    await db
      .updateTable('auth_credential')
      .set({ label: token, secret_enc: 'JBSWY3DPEHPK3PXP' })
      .execute()
    await db
      .updateTable('auth_session')
      .set({
        user_agent: 'x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P',
      })
      .execute()
    await db.updateTable('auth_password').set({ phc: PASSWORD }).execute()
    const found = await auth.findSecrets()
    assert.deepEqual(
      found.map(({ table, column, what }) => `${table}.${column} ${what}`),
      [
        'auth_credential.label api-token',
        'auth_credential.secret_enc not-sealed',
        'auth_password.phc not-argon2',
        'auth_session.user_agent jwt',
      ],
    )
    assert.ok(!JSON.stringify(found).includes(token))
  })
})
