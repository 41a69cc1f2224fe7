/**
 * `kill -9` at random moments of issuing, revoking and signing lists, two processes at a time; afterwards ledger, counters, lists and
 * files are held against what was answered and against each other. The suite runs a few rounds, `bench/kill.ts` hundreds.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { initAuthority, openAuthority } from '@countersign/authority'
import { openStore, sql, type Store } from '@countersign/store'
import { startCommand } from '@countersign/testkit'
import { CertificateRevocationList, PrivateKey } from '@countersign/x509'
import type { LedgerTables } from '../src/ledger-schema.ts'
import { childArguments } from './fixture.ts'
import { revokeMany, serialOf } from './many-revoked.ts'
import { randomFrom } from './random.ts'

/** Where, and how often. */
export interface KillOptions {
  readonly url: string
  readonly folder: string
  /** How many processes are killed; two a round. */
  readonly kills: number
  readonly seed: number
  /** How many certificates were revoked before: from some 25,000 on, lists are files. @defaultValue 0 */
  readonly revokedBefore?: number | undefined
  /** Told after each round. */
  readonly onRound?: (done: KillFigures) => void
}

/** What came of it. */
export interface KillFigures {
  readonly kills: number
  readonly issued: number
  readonly revoked: number
  /** Lists of different numbers. */
  readonly lists: number
}

/** What was answered, in all rounds. */
class Answered {
  readonly issued = new Set<string>()
  readonly revoked = new Set<string>()
  /** The digest of each list, by its authority and number. */
  readonly lists = new Map<string, string>()
  readonly newest = new Map<string, number>()

  add(line: string): void {
    const [what, first = '', number = '', digest = ''] = line.split(' ')
    if (what === 'issued') {
      assert.ok(!this.issued.has(first), `serial ${first} was given twice`)
      this.issued.add(first)
    } else if (what === 'revoked') {
      this.revoked.add(first)
    } else if (what === 'list') {
      const key = `${first} ${number}`
      assert.equal(this.lists.get(key) ?? digest, digest, `two lists have the number ${key}`)
      this.lists.set(key, digest)
      this.newest.set(first, Math.max(this.newest.get(first) ?? 0, Number(number)))
    }
  }
}

/** Makes an authority, and kills whoever works on it. */
export async function killRounds(options: KillOptions): Promise<KillFigures> {
  const { url, folder, kills, seed, revokedBefore = 0, onRound } = options
  const random = randomFrom(seed)
  const answered = new Answered()
  {
    await using store = await openStore(url)
    const authority = await initAuthority({ store, folder })
    const [list] = await authority.crl()
    assert.ok(list !== undefined)
    if (revokedBefore > 0) await revokeMany(store, list.ca, list.thisUpdate, revokedBefore)
  }
  let done = 0
  while (done < kills) {
    const count = Math.min(2, kills - done)
    const outputs = await Promise.all(
      Array.from({ length: count }, async () =>
        killed(options, { lines: random() * 40, pauseMs: random() * 12, seed: random() * 2 ** 32 }),
      ),
    )
    for (const output of outputs) {
      for (const line of output) answered.add(line)
    }
    done += count
    await using store = await openStore(url)
    await settled(store)
    await check(store, folder, answered, revokedBefore)
    onRound?.(figures(done, answered))
  }
  return figures(done, answered)
}

function figures(kills: number, { issued, revoked, lists }: Answered): KillFigures {
  return { kills, issued: issued.size, revoked: revoked.size, lists: lists.size }
}

interface Moment {
  /** After how many answers, and how long after. */
  readonly lines: number
  readonly pauseMs: number
  readonly seed: number
}

/** One process from start to end. @returns its whole lines */
async function killed({ url, folder }: KillOptions, moment: Moment): Promise<string[]> {
  const lines = 1 + Math.floor(moment.lines)
  await using child = startCommand(
    process.execPath,
    childArguments('work.ts', url, folder, String(Math.floor(moment.seed))),
  )
  await child.waitForOutput(new RegExp(`(?:[^\\n]+\\n){${lines}}`), 60_000)
  await sleep(moment.pauseMs)
  child.child.kill('SIGKILL')
  const { signal } = await child.ended
  assert.equal(signal, 'SIGKILL', child.stderr())
  return child.stdout().split('\n').slice(0, -1)
}

/** PostgreSQL ends what a killed client has sent it; only then does nothing change any more. */
async function settled(store: Store): Promise<void> {
  if (store.dialect !== 'postgres') return
  const others = sql<{ count: number }>`select count(*) as count from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
  for (;;) {
    const { rows } = await others.execute(store.database<LedgerTables>())
    if (rows[0]?.count === 0) return
    await sleep(20)
  }
}

async function check(
  store: Store,
  folder: string,
  answered: Answered,
  revokedBefore: number,
): Promise<void> {
  const database = store.database<LedgerTables>()
  const authority = await openAuthority({ store, folder })
  // Whoever wrote them is dead.
  assert.deepEqual(
    listFiles(folder).filter((name) => name.endsWith('.tmp')),
    [],
  )
  const before = Array.from({ length: revokedBefore }, (_, index) => serialOf(index + 1))
  const rows = await database
    .selectFrom('certificate')
    .select(['ca', 'serial', 'revoked_at'])
    .execute()
  const bySerial = new Map(rows.map((row) => [row.serial, row]))
  assert.equal(bySerial.size, rows.length, 'a serial is there twice')
  for (const serial of answered.issued) assert.ok(bySerial.has(serial), `${serial} is lost`)
  for (const serial of answered.revoked) {
    assert.ok(bySerial.get(serial)?.revoked_at !== null, `the revocation of ${serial} is lost`)
  }
  for (const { serial, fingerprint } of await authority.list({ limit: 20 })) {
    const certificate = await authority.certificate(fingerprint)
    assert.equal(certificate?.serialNumber, serial)
    assert.ok(certificate.issuedBy(authority.issuer))
  }
  const lists = await authority.crl()
  for (const { id, revocations, crl_number: number } of await database
    .selectFrom('certificate_authority')
    .select(['id', 'revocations', 'crl_number'])
    .execute()) {
    const revoked = [
      ...(id.startsWith('issuer-') ? before : []),
      ...rows.filter((row) => row.ca === id && row.revoked_at !== null).map((row) => row.serial),
    ]
    assert.equal(revocations, revoked.length, `${id} counts its revocations wrongly`)
    const list = lists.find(({ ca }) => ca === id)
    assert.ok(list !== undefined)
    assert.ok(list.number <= number, `${id} has a list that its counter has not come to`)
    assert.ok(list.number >= (answered.newest.get(id) ?? 0), `the numbers of ${id} went back`)
    answered.add(`list ${id} ${list.number} ${await digestOf(list.der)}`)
    const listed = [...CertificateRevocationList.parse(list.der)].map((one) => one.serialNumber)
    // Not deepEqual: what differs in thousands would fill the memory.
    assert.equal(listed.toSorted().join(' '), revoked.toSorted().join(' '))
  }
  checkFolder(folder, authority.rootsPem)
  assert.deepEqual(
    listFiles(folder),
    lists
      .filter(({ ca }) => revokedBefore > 0 && ca.startsWith('issuer-'))
      .map(({ ca, number }) => `${ca}-${number}.crl`),
  )
}

function listFiles(folder: string): string[] {
  const place = path.join(folder, 'crl')
  return existsSync(place) ? readdirSync(place) : []
}

async function digestOf(der: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(der))).toString('hex')
}

function checkFolder(folder: string, rootsPem: string): void {
  const names = readdirSync(folder).filter(
    (name) => !name.startsWith('ledger.db') && name !== 'crl',
  )
  assert.deepEqual(names.toSorted(), [
    'issuer.key',
    'passphrase',
    'root.key',
    'root.passphrase',
    'roots.pem',
  ])
  assert.equal(readFileSync(path.join(folder, 'roots.pem'), 'utf8'), rootsPem)
  for (const [name, own] of [
    ['issuer.key', 'passphrase'],
    ['root.key', 'root.passphrase'],
  ] as const) {
    const passphrase = readFileSync(path.join(folder, own), 'utf8').trim()
    PrivateKey.parse(readFileSync(path.join(folder, name), 'utf8'), { passphrase })
  }
}
