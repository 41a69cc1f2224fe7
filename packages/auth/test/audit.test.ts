import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createAuth } from '@countersign/auth'
import { openStore, type Store } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { AuditLog } from '../src/audit-log.ts'
import { verifyAudit } from '../src/audit-verify.ts'
import { SecretBox } from '../src/secret-box.ts'
import { type Direct, openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const folder = temporaryFolder(after)

interface AuditRow {
  seq: number
  ts: number
  event: string
  principal_id: string | null
  address: string | null
  detail: string
  prev_hash: string
  hash: string
}

interface Tables {
  auth_audit: AuditRow
  auth_audit_head: { id: number; seq: number; hash: string }
}

let files = 0
/** With a key beside the database, and eight rows. */
async function filled(t: Parameters<typeof openDirect>[0], keyed = true): Promise<Direct> {
  const file = path.join(folder, `audit-${(files += 1)}`)
  const keys = keyed ? { keys: { path: `${file}.keys` } } : {}
  const direct = await openDirect(t, { url: `sqlite:${file}.db`, ...keys })
  for (let count = 0; count < 8; count++) {
    direct.pass(1000)
    await direct.auth.users.add({ name: `user ${count}` })
  }
  await direct.auth.audit.list()
  return direct
}

describe('the audit log', () => {
  it('holds what happened, the latest first, with the true reason and nothing secret', async (t) => {
    const { auth, call, signIn } = await openDirect(t)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const cookie = await signIn('ada')
    for (const [username, password] of [
      ['ada', 'wrong guess'],
      ['my-secret-typo', PASSWORD],
    ]) {
      await call('/login', { json: { username, password } })
    }
    const { token } = await auth.tokens.create('ada', { label: 'x' })
    await call('/private', { bearer: `${token.slice(0, -1)}!` })
    const entries = await auth.audit.list()
    assert.deepEqual(
      entries.map(({ event, detail }) => [event, detail['reason']]),
      [
        ['authn_token_invalid', 'authorization-unsupported'],
        ['authn_token_created', undefined],
        ['authn_login_fail', 'user-unknown'],
        ['authn_login_fail', 'password-wrong'],
        ['authn_login_success', undefined],
        ['session_created', undefined],
        ['user_created', undefined],
      ],
    )
    const told = JSON.stringify(entries)
    const secrets = [PASSWORD, 'wrong guess', 'my-secret-typo', cookie.slice(-43), token.slice(-49)]
    for (const secret of secrets) assert.ok(!told.includes(secret))
    const failed = await auth.audit.list({ event: 'authn_login_fail', limit: 1 })
    assert.deepEqual([failed.length, failed[0]?.address], [1, '192.0.2.1'])
    assert.equal((await auth.audit.list({ since: new Date(Date.now() + 86_400_000) })).length, 0)
  })

  it('writes the same refusal over and over as one row with a count, and counts what does not fit', async (t) => {
    const { store, now } = await openDirect(t)
    const secrets = await SecretBox.open(undefined, store, now)
    await using log = new AuditLog(store, now, secrets, true)
    const time = now()
    for (let count = 0; count < 50; count++) {
      log.append({ type: 'authn_token_invalid', time, reason: 'token-unknown', address: '::1' })
    }
    log.append({ type: 'authn_token_invalid', time, reason: 'token-unknown', address: '::2' })
    const few = await log.list()
    assert.deepEqual(
      few.map(({ address, detail }) => [address, detail['count']]),
      [
        ['::2', undefined],
        ['::1', 50],
      ],
    )
    for (let count = 0; count < 10_007; count++) {
      log.append({ type: 'session_created', time, sid: String(count) })
    }
    await log.flush()
    log.append({ type: 'session_created', time, sid: 'after' })
    const [, lost] = await log.list({ event: 'sys_audit_lost' })
    const [only] = await log.list({ event: 'sys_audit_lost' })
    assert.deepEqual([only?.detail['count'], lost], [7, undefined])
    assert.partialDeepStrictEqual(await verifyAudit(store, secrets), { ok: true, rows: 10_004 })
  })

  it('is whole after a restart, and says where it ends', async (t) => {
    const direct = await filled(t)
    const first = await direct.auth.audit.verify()
    assert.partialDeepStrictEqual(first, { ok: true, rows: 8, head: { seq: 8 } })
    await direct.auth.close()
    const name = new URL(direct.store.url).pathname
    await using store = await openStore(`sqlite:${name}`)
    await using again = await createAuth({ store, keys: { path: name.replace('.db', '.keys') } })
    await again.users.add({ name: 'one more' })
    assert.partialDeepStrictEqual(await again.audit.verify(first.head), { ok: true, rows: 9 })
  })

  it('is one chain for two processes that write at once', async (t) => {
    const direct = await filled(t)
    const name = new URL(direct.store.url).pathname
    await using store = await openStore(`sqlite:${name}`)
    await using other = await createAuth({ store, keys: { path: name.replace('.db', '.keys') } })
    await Promise.all(
      Array.from({ length: 20 }, async (_, count) => {
        const { users, audit } = count % 2 === 0 ? other : direct.auth
        await users.add({ name: `more ${count}` })
        await audit.list({ limit: 1 })
      }),
    )
    assert.partialDeepStrictEqual(await other.audit.verify(), { ok: true, rows: 28 })
  })

  it('waits for a store that is away, and then writes what waited, in order', async (t) => {
    const direct = await filled(t)
    const { auth, events, store } = direct
    const file = new URL(store.url).pathname
    renameSync(file, `${file}.away`)
    await untilAway(store)
    const cookie = `__Host-countersign-sid=${'A'.repeat(43)}`
    assert.equal((await direct.call('/private', { cookie })).status, 503)
    assert.equal(events.at(-1)?.type, 'sys_store_unavailable')
    await assert.rejects(auth.audit.list())
    renameSync(`${file}.away`, file)
    const [last] = await auth.audit.list()
    assert.deepEqual([last?.seq, last?.event], [9, 'sys_store_unavailable'])
    assert.partialDeepStrictEqual(await auth.audit.verify(), { ok: true, rows: 9 })
  })

  it('is not held up by an event that no database takes', async (t) => {
    const { store, now } = await openDirect(t)
    const secrets = await SecretBox.open(undefined, store, now)
    await using log = new AuditLog(store, now, secrets, true)
    log.append({ type: 'session_created', time: now(), address: 'a\0b' })
    await log.flush()
    log.append({ type: 'session_created', time: now(), reason: 'a\0b', sid: '\ud800' })
    const entries = await log.list()
    assert.deepEqual(
      entries.map(({ event, detail }) => [event, detail['count'] ?? detail['reason']]),
      [
        ['session_created', 'a\0b'],
        ['sys_audit_lost', 1],
      ],
    )
    assert.partialDeepStrictEqual(await verifyAudit(store, secrets), { ok: true, rows: 2 })
  })

  it('keeps nobody from ending when the store was closed first', async (t) => {
    const { auth, store } = await openDirect(t)
    await auth.users.add({ name: 'ada' })
    await store.close()
    await auth.close()
  })

  it('is left out where a service keeps one of its own', async (t) => {
    const { auth } = await openDirect(t, { audit: false })
    await auth.users.add({ name: 'ada' })
    assert.deepEqual(await auth.audit.list(), [])
  })
})

const TAMPERED: [string, (store: Store) => Promise<unknown>, { seq: number; fault: string }][] = [
  ['a row was changed', set(3, { detail: '{}' }), { seq: 3, fault: 'changed' }],
  ['an address was changed', set(3, { address: '10.0.0.1' }), { seq: 3, fault: 'changed' }],
  ['a time was changed', set(3, { ts: 1 }), { seq: 3, fault: 'changed' }],
  ['a row was deleted', remove(4, 4), { seq: 4, fault: 'missing' }],
  ['the first rows were deleted', remove(1, 2), { seq: 1, fault: 'missing' }],
  ['the tail was cut off', remove(7, 8), { seq: 7, fault: 'missing' }],
  ['everything was deleted', remove(1, 8), { seq: 1, fault: 'missing' }],
  ['two rows changed places', swapped, { seq: 2, fault: 'changed' }],
  ['a row was put in', inserted, { seq: 5, fault: 'changed' }],
  ['a row was put in without the key', unkeyed, { seq: 5, fault: 'unkeyed' }],
  ['the tail and the head were cut back by hand', cutBack, { seq: 6, fault: 'head' }],
  ['the head was deleted', headless, { seq: 8, fault: 'head' }],
]

describe('audit verify names the first broken row when', () => {
  for (const [what, tamper, broken] of TAMPERED) {
    it(what, async (t) => {
      const { auth, store } = await filled(t)
      await tamper(store)
      assert.partialDeepStrictEqual(await auth.audit.verify(), { ok: false, broken })
    })
  }

  it('the tail was cut off and the log went on', async (t) => {
    const { auth, store } = await filled(t)
    await remove(7, 8)(store)
    await auth.users.add({ name: 'afterwards' })
    assert.partialDeepStrictEqual(await auth.audit.verify(), {
      ok: false,
      broken: { seq: 7, fault: 'missing' },
    })
  })

  it('the head was deleted and the log went on', async (t) => {
    const { auth, store } = await filled(t)
    await headless(store)
    await auth.users.add({ name: 'afterwards' })
    const [, damaged] = await auth.audit.list()
    assert.equal(damaged?.event, 'sys_audit_damaged')
  })

  it('log and head were put back together, which only a head that was kept elsewhere shows', async (t) => {
    const { auth, store } = await filled(t)
    const db = store.database<Tables>()
    const old = await db.selectFrom('auth_audit_head').selectAll().executeTakeFirstOrThrow()
    await auth.users.add({ name: 'afterwards' })
    const { head } = await auth.audit.verify()
    await remove(9, 9)(store)
    await db.updateTable('auth_audit_head').set(old).execute()
    assert.partialDeepStrictEqual(await auth.audit.verify(), { ok: true, rows: 8 })
    assert.partialDeepStrictEqual(await auth.audit.verify(head), {
      ok: false,
      broken: { seq: 9, fault: 'missing' },
    })
  })

  it('a row was changed in a log without a key', async (t) => {
    const { auth, store } = await filled(t, false)
    assert.partialDeepStrictEqual(await auth.audit.verify(), { ok: true, rows: 8 })
    await set(3, { detail: '{}' })(store)
    assert.partialDeepStrictEqual(await auth.audit.verify(), {
      ok: false,
      broken: { seq: 3, fault: 'changed' },
    })
  })
})

/** The store looks four times a second whether its file is still there. */
async function untilAway(store: Store): Promise<void> {
  const end = Date.now() + 15_000
  while (Date.now() < end) {
    try {
      await store.ping()
    } catch {
      return
    }
    await setTimeout(25)
  }
  assert.fail('the store is still there')
}

function set(seq: number, change: Partial<AuditRow>): (store: Store) => Promise<unknown> {
  return (store) =>
    store.database<Tables>().updateTable('auth_audit').set(change).where('seq', '=', seq).execute()
}

function remove(from: number, to: number): (store: Store) => Promise<unknown> {
  return (store) =>
    store
      .database<Tables>()
      .deleteFrom('auth_audit')
      .where('seq', '>=', from)
      .where('seq', '<=', to)
      .execute()
}

async function rowOf(store: Store, seq: number): Promise<AuditRow> {
  const db = store.database<Tables>()
  return await db
    .selectFrom('auth_audit')
    .selectAll()
    .where('seq', '=', seq)
    .executeTakeFirstOrThrow()
}

async function swapped(store: Store): Promise<void> {
  const { seq: second, ...two } = await rowOf(store, 2)
  const { seq: third, ...three } = await rowOf(store, 3)
  await set(second, three)(store)
  await set(third, two)(store)
}

/** Makes room, and writes a row like another one. */
async function inserted(store: Store): Promise<void> {
  const db = store.database<Tables>()
  for (let seq = 8; seq >= 5; seq--) await set(seq, { seq: seq + 1 })(store)
  await db
    .insertInto('auth_audit')
    .values({ ...(await rowOf(store, 4)), seq: 5 })
    .execute()
}

async function unkeyed(store: Store): Promise<void> {
  await set(5, { hash: `sha256.${'A'.repeat(43)}` })(store)
}

async function cutBack(store: Store): Promise<void> {
  await remove(7, 8)(store)
  const { seq, hash } = await rowOf(store, 6)
  await store.database<Tables>().updateTable('auth_audit_head').set({ seq, hash }).execute()
}

async function headless(store: Store): Promise<void> {
  await store.database<Tables>().deleteFrom('auth_audit_head').execute()
}
