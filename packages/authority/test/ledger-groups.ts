/** What becomes of those whose entries of the ledger share a commit, on every database. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type AuthorityEvent, initAuthority, openAuthorityEvents } from '@countersign/authority'
import { json, openStore, type Store } from '@countersign/store'
import { temporaryFolder } from '@countersign/testkit'
import { AuditTrail } from '../src/audit-trail.ts'
import type { LedgerTables } from '../src/ledger-schema.ts'
import {
  LedgerWriter,
  type NewEntry,
  type SignedUnder,
  StaleIssuerError,
} from '../src/ledger-writer.ts'
import { codeOf } from './fixture.ts'
import type { TestDatabases } from './ledger-conformance.ts'

/** Declares the tests. */
export function ledgerGroupTests(databases: TestDatabases): void {
  const folder = temporaryFolder(after)
  const now = new Date('2030-01-02T00:00:00Z')
  let store: Store
  let writer: LedgerWriter
  let under: SignedUnder
  let root: string
  let commits = 0

  before(async () => {
    store = await openStore(await databases.create())
    await initAuthority({ store, folder, clock: () => now })
    const rows = await store
      .database<LedgerTables>()
      .selectFrom('certificate_authority')
      .select(['id', 'kind', 'fingerprint'])
      .execute()
    const issuer = rows.find(({ kind }) => kind === 'issuer')
    assert.ok(issuer !== undefined)
    under = { id: issuer.id, fingerprint: issuer.fingerprint }
    root = rows.find(({ kind }) => kind === 'root')?.id ?? ''
    const counted = counting(store, () => {
      commits += 1
    })
    writer = new LedgerWriter(counted, new AuditTrail(counted, () => now, 'ann', assert.ifError))
  })
  after(() => store.close())

  function entry(name: string, changes: Partial<NewEntry> = {}): NewEntry {
    return {
      ca: under.id,
      serial: randomBytes(16).toString('hex').toUpperCase(),
      profile: 'server',
      requester: 'test',
      names: name,
      key_type: 'p256',
      fingerprint: randomBytes(32).toString('hex'),
      certificate: Uint8Array.of(0x30, 0x00),
      not_before: now.getTime(),
      not_after: now.getTime() + 86_400_000,
      issued_at: now.getTime(),
      root,
      crl_partition: 0,
      ...changes,
    }
  }

  /** Adds an entry, with an event that bears its name; the code of what it rejects with. */
  async function add(one: NewEntry, tokenId?: string, signer = under): Promise<string> {
    const events = [{ type: 'certificate_issued', subject: one.names }] as const
    const added =
      tokenId === undefined
        ? writer.add([one], signer, events)
        : writer.addSpending(one, signer, tokenId, events)
    return await outcomeOf(added)
  }

  async function newToken(expiresAt = now.getTime() + 60_000): Promise<string> {
    const id = randomBytes(8).toString('hex')
    const database = store.database<LedgerTables>()
    await database
      .insertInto('enrolment_token')
      .values({
        id,
        hash: id,
        names: json([]),
        profile: 'server',
        max_days: null,
        created_by: 'test',
        created_at: now.getTime(),
        expires_at: expiresAt,
        used_at: null,
        fingerprint: null,
      })
      .execute()
    return id
  }

  async function usedBy(tokenId: string): Promise<string | null | undefined> {
    const row = await store
      .database<LedgerTables>()
      .selectFrom('enrolment_token')
      .select('fingerprint')
      .where('id', '=', tokenId)
      .executeTakeFirst()
    return row?.fingerprint
  }

  /** The names in the ledger that begin with a word, and those of the events, which are taken by this. */
  async function written(word: string): Promise<{ entries: string[]; events: string[] }> {
    const rows = await store
      .database<LedgerTables>()
      .selectFrom('certificate')
      .select('names')
      .where('names', 'like', `${word}%`)
      .execute()
    return {
      entries: rows.map(({ names }) => names).toSorted(),
      events: (await taken(1000)).filter((text) => text.startsWith(word)),
    }
  }

  /** The subjects of the oldest events, which are removed. */
  async function taken(limit: number): Promise<string[]> {
    const events = await openAuthorityEvents(store)
    const found = await store.transaction<LedgerTables, AuthorityEvent[]>(async (transaction) =>
      events.take(transaction, limit),
    )
    return found.map(({ subject }) => subject)
  }

  describe('entries that are added at once', () => {
    it('share a commit, and their events stand in the order of asking', async () => {
      commits = 0
      const names = Array.from({ length: 20 }, (_, index) => `many-${index + 10}`)
      const tokens = new Map([[names[3], await newToken()]])
      const outcomes = await Promise.all(
        names.map(async (name) => add(entry(name), tokens.get(name))),
      )
      assert.deepEqual(new Set(outcomes), new Set(['none']))
      assert.equal(commits, 1)
      assert.deepEqual(await written('many'), { entries: names, events: names })
    })

    it('come along where they are heard in the same turn of the event loop', async () => {
      commits = 0
      const later = Promise.withResolvers<string>()
      // A microtask is what a request takes whose body is there already.
      queueMicrotask(() => process.nextTick(() => void add(entry('turn-b')).then(later.resolve)))
      assert.equal(await add(entry('turn-a')), 'none')
      assert.equal(await later.promise, 'none')
      assert.equal(commits, 1)
      assert.deepEqual((await written('turn')).entries, ['turn-a', 'turn-b'])
    })

    it('of one token are one, and the others’ are none the worse for it', async () => {
      const [token, other] = [await newToken(), await newToken()]
      const [first, second, third] = [entry('token-a'), entry('token-b'), entry('token-c')]
      commits = 0
      const outcomes = await Promise.all([
        add(entry('token-plain')),
        add(first, token),
        add(second, token),
        add(third, other),
        add(entry('token-d'), token),
      ])
      assert.deepEqual(outcomes, ['none', 'none', 'token-used', 'none', 'token-used'])
      assert.equal(commits, 1)
      const names = ['token-a', 'token-c', 'token-plain']
      const found = await written('token-')
      assert.deepEqual(found.entries, names)
      assert.deepEqual(found.events, ['token-plain', 'token-a', 'token-c'])
      assert.equal(await usedBy(token), first.fingerprint)
      assert.equal(await usedBy(other), third.fingerprint)
    })

    it('are not there for a token that ended, was used before or never was', async () => {
      const [ended, used] = [await newToken(now.getTime()), await newToken()]
      assert.equal(await add(entry('before'), used), 'none')
      const outcomes = await Promise.all([
        add(entry('ended'), ended),
        add(entry('ended'), used),
        add(entry('ended'), 'nobody'),
        add(entry('ended-not')),
      ])
      assert.deepEqual(outcomes, ['token-used', 'token-used', 'token-used', 'none'])
      assert.deepEqual(await written('ended'), { entries: ['ended-not'], events: ['ended-not'] })
      assert.equal(await usedBy(ended), null)
    })

    it('are not there for an issuer that changed meanwhile, and its token stays good', async () => {
      const token = await newToken()
      const stale = { ...under, fingerprint: 'f'.repeat(64) }
      commits = 0
      const outcomes = await Promise.all([
        add(entry('stale-a')),
        add(entry('stale-b'), undefined, stale),
        add(entry('stale-c'), token, stale),
        add(entry('stale-d')),
      ])
      assert.deepEqual(outcomes, ['none', 'stale', 'stale', 'none'])
      assert.equal(commits, 1)
      const names = ['stale-a', 'stale-d']
      assert.deepEqual(await written('stale'), { entries: names, events: names })
      assert.equal(await usedBy(token), null)
    })

    it('of a serial that is taken are refused alone, and the token stays good', async () => {
      const [former, token, good] = [entry('serial-taken'), await newToken(), await newToken()]
      assert.equal(await add(former), 'none')
      await written('serial')
      const { serial } = former
      const twin = entry('serial-c')
      const outcomes = await Promise.all([
        add(entry('serial-a')),
        add(entry('serial-b', { serial }), token),
        add(twin, good),
        add(entry('serial-d', { serial: twin.serial })),
      ])
      assert.deepEqual(outcomes, ['none', 'unique-violation', 'none', 'unique-violation'])
      const found = await written('serial')
      assert.deepEqual(found.entries, ['serial-a', 'serial-c', 'serial-taken'])
      assert.deepEqual(found.events, ['serial-a', 'serial-c'])
      assert.equal(await usedBy(token), null)
      assert.equal(await usedBy(good), twin.fingerprint)
    })

    it('as a batch are all there or none, whatever others add', async () => {
      const former = entry('batch-taken')
      assert.equal(await add(former), 'none')
      const batch = [
        entry('batch-a'),
        entry('batch-b', { serial: former.serial }),
        entry('batch-c'),
      ]
      const outcomes = await Promise.all([
        outcomeOf(writer.add(batch, under)),
        outcomeOf(writer.add([entry('batch-d'), entry('batch-e')], under)),
        outcomeOf(writer.add([], under)),
      ])
      assert.deepEqual(outcomes, ['unique-violation', 'none', 'none'])
      assert.deepEqual((await written('batch')).entries, ['batch-d', 'batch-e', 'batch-taken'])
    })

    it('with a value that no database holds are refused alone', async () => {
      const outcomes = await Promise.all([
        add(entry('value-a')),
        add(entry('value-b', { requester: 'a\0b' })),
        add(entry('value-c')),
      ])
      assert.deepEqual(outcomes, ['none', 'value-invalid', 'none'])
      const names = ['value-a', 'value-c']
      assert.deepEqual(await written('value'), { entries: names, events: names })
    })

    it('have events that are taken a page at a time, and no other is removed', async () => {
      const names = ['page-a', 'page-b', 'page-c', 'page-d', 'page-e']
      await written('page')
      for (const name of names) assert.equal(await add(entry(name)), 'none')
      assert.deepEqual(await taken(2), ['page-a', 'page-b'])
      // On PostgreSQL one may be under way, under a lower number than others that are there already.
      const [isWritten, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const slow = store.transaction<LedgerTables, void>(async (transaction) => {
        const trail = new AuditTrail(store, () => now, 'ann', assert.ifError)
        await trail.record(transaction, [{ type: 'certificate_issued', subject: 'page-slow' }])
        isWritten.resolve()
        if (store.dialect === 'postgres') await mayEnd.promise
      })
      await isWritten.promise
      assert.equal(await add(entry('page-f')), 'none')
      const rest = await taken(1000)
      mayEnd.resolve()
      await slow
      rest.push(...(await taken(1000)))
      assert.deepEqual(rest.toSorted(), ['page-c', 'page-d', 'page-e', 'page-f', 'page-slow'])
    })

    it('are all refused where the database is closed, and nobody waits for ever', async () => {
      const other = await openStore('sqlite::memory:')
      const lost = new LedgerWriter(other)
      await other.close()
      for (let round = 0; round < 2; round++) {
        const outcomes = await Promise.all(
          ['a', 'b', 'c'].map(async (name) => outcomeOf(lost.add([entry(name)], under))),
        )
        assert.equal(outcomes.includes('none'), false)
      }
    })
  })
}

async function outcomeOf(added: Promise<void>): Promise<string> {
  try {
    return await codeOf(added)
  } catch (error) {
    if (error instanceof StaleIssuerError) return 'stale'
    throw error
  }
}

/** The same store, whose transactions are counted. */
function counting(store: Store, begun: () => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name === 'transaction') begun()
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
