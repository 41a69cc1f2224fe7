/**
 * Sign-in: what a login costs beside its hash, what a flood of logins costs others, what a token costs to look up.
 *
 * Usage: node bench/auth.ts [--part logins|flood|lookups] [--sessions N] [--json FILE]
 *
 * @module
 */
import { fork } from 'node:child_process'
import { hash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Auth, createAuth } from '@countersign/auth'
import { Session } from '@countersign/client'
import { openStore } from '@countersign/store'
import { hashRaw } from '@node-rs/argon2'
import Database from 'better-sqlite3'
import { checkBars, compare, rateOfAsync, saveResults } from './harness.ts'
import { ServerProcess } from './servers.ts'

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '1000000' },
    part: { type: 'string' },
    json: { type: 'string' },
  },
})
const MANY = Number(values.sessions)
const PART = values.part
const PASSWORD = 'correct horse battery staple'
const PEER = { address: '192.0.2.1', encrypted: true }

/** What the whole of sign-in asks the database for a session. */
const LOOKUP = `select s.*, p.name, p.kind, p.status, p.epoch as principal_epoch, r.role
  from auth_session s join auth_principal p on p.id = s.principal_id left join auth_role r on r.principal_id = p.id
  where s.hash = ? order by r.role`

if (PART === undefined || PART === 'logins') await logins()
if (PART === undefined || PART === 'flood') await flood()
if (PART === undefined || PART === 'lookups') await lookups()
saveResults()

/** A login is a hash and little else. */
async function logins(): Promise<void> {
  await using store = await openStore('sqlite::memory:')
  await using auth = await createAuth({ store })
  await auth.users.add({ name: 'ada', password: PASSWORD })
  const salt = randomBytes(16)
  const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32, algorithm: 2 }
  const comparison = await compare('a login, 19 MiB and two passes of argon2id', 'per second', [
    {
      name: 'the hash alone',
      run: () => rateOfAsync(() => hashRaw(PASSWORD, { ...cost, salt }), 1000),
    },
    { name: 'POST /login', run: () => rateOfAsync(() => login(auth), 1000) },
  ])
  checkBars(comparison, [{ subject: 'POST /login', against: 'the hash alone', atLeast: 0.9 }])
}

async function login(auth: Auth): Promise<void> {
  const request = new Request('https://localhost/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'ada', password: PASSWORD }),
  })
  const { status } = await auth.routes.fetch(request, { peer: PEER })
  if (status !== 200) throw new Error(`the login was answered ${status}`)
}

/**
 * Sixteen that guess at once, and others that ask for a page. Two ways to look at it, and the bar is held to both: one reader who rests
 * a millisecond after each page, on a server that has nothing else to do in quiet, which is the stricter; and fifty who ask again as soon
 * as they are answered, on a server that is as busy in quiet as under attack.
 */
async function flood(): Promise<void> {
  await using server = await ServerProcess.start('auth-subject.ts', 'auth')
  const { ca, cookie = '', port } = server.listening
  const baseUrl = `https://localhost:${port}`
  const guessers = fork(fileURLToPath(new URL('auth-flood.ts', import.meta.url)), [baseUrl, ca])
  await using session = new Session({ baseUrl, ca, headers: { cookie } })
  const off = async (): Promise<number> => {
    guessers.send('off')
    const [guesses]: number[] = await once(guessers, 'message')
    return guesses ?? Number.NaN
  }
  for (const [who, readers] of [
    ['one reader at rest', 1],
    ['fifty readers at once', 50],
  ] as const) {
    const before = await off()
    const measure = async (withFlood: boolean): Promise<number> => {
      if (withFlood) guessers.send('on')
      const times = await Promise.all(Array.from({ length: readers }, () => read(session, readers)))
      await off()
      return 1000 / percentile99(times.flat())
    }
    const comparison = await compare(`p99 of a GET behind a session, ${who}, as 1000 / ms`, '1/s', [
      { name: 'quiet', run: () => measure(false) },
      { name: 'sixteen guessing', run: () => measure(true) },
    ])
    const load = loadavg()[0]?.toFixed(1)
    console.log(`  ${(await off()) - before} guesses were answered meanwhile; load ${load}`)
    checkBars(comparison, [{ subject: 'sixteen guessing', against: 'quiet', atLeast: 1 / 1.3 }])
  }
  guessers.disconnect()
}

/** What each of one reader's pages took, in milliseconds. */
async function read(session: Session, readers: number): Promise<number[]> {
  const times: number[] = []
  const ends = performance.now() + 2000
  while (performance.now() < ends) {
    const started = performance.now()
    const answer = await session.get('/')
    await answer.bytes()
    times.push(performance.now() - started)
    if (!answer.ok) throw new Error(`the GET was answered ${answer.status}`)
    // Alone not as fast as it can: a person's page, not another flood.
    if (readers === 1) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return times
}

function percentile99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN
}

/** SHA-256 and the row, among few sessions and among many. */
async function lookups(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-'))
  try {
    const few = await filled(path.join(folder, 'few.db'), MANY / 10)
    const many = await filled(path.join(folder, 'many.db'), MANY)
    await using stack = new AsyncDisposableStack()
    const subjects = []
    const files = [
      [`${MANY / 10} sessions`, few],
      [`${MANY} sessions`, many],
    ] as const
    for (const [name, { file, tokens }] of files) {
      const bare = new DatabaseSync(file)
      stack.defer(() => {
        bare.close()
      })
      const statement = bare.prepare(LOOKUP)
      const peer = new Database(file)
      stack.defer(() => {
        peer.close()
      })
      const peerStatement = peer.prepare(LOOKUP)
      const store = stack.use(await openStore(`sqlite:${file}`))
      const auth = stack.use(await createAuth({ store }))
      let at = 0
      const next = (): string => tokens[(at = (at + 1) % tokens.length)] ?? ''
      subjects.push(
        {
          name: `node:sqlite, ${name}`,
          run: () =>
            rateOfAsync(async () => {
              await Promise.resolve()
              const [row] = statement.all(hash('sha256', next(), 'base64url'))
              if (row === undefined) throw new Error('no such session')
            }),
        },
        {
          name: `better-sqlite3, ${name}`,
          run: () =>
            rateOfAsync(async () => {
              await Promise.resolve()
              const [row] = peerStatement.all(hash('sha256', next(), 'base64url'))
              if (row === undefined) throw new Error('no such session')
            }),
        },
        {
          name: `authenticate(), ${name}`,
          run: () =>
            rateOfAsync(async () => {
              const headers = { cookie: `__Host-countersign-sid=${next()}` }
              const who = await auth.authenticate(
                new Request('https://localhost/', { headers }),
                PEER,
              )
              if (!('principal' in who)) throw new Error('nobody was recognised')
            }),
        },
      )
    }
    const comparison = await compare(
      'a token that nobody remembers, looked up',
      'per second',
      subjects,
    )
    checkBars(comparison, [
      {
        subject: `authenticate(), ${MANY} sessions`,
        against: `authenticate(), ${MANY / 10} sessions`,
        atLeast: 0.7,
      },
      {
        subject: `node:sqlite, ${MANY} sessions`,
        against: `node:sqlite, ${MANY / 10} sessions`,
        atLeast: 0.7,
      },
      {
        subject: `node:sqlite, ${MANY} sessions`,
        against: `better-sqlite3, ${MANY} sessions`,
        atLeast: 0.85,
      },
    ])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A database with so many sessions of one user, and the tokens of 20,000 of them: more than are remembered. */
async function filled(file: string, sessions: number): Promise<{ file: string; tokens: string[] }> {
  {
    await using store = await openStore(`sqlite:${file}`)
    await using auth = await createAuth({ store })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    await login(auth)
  }
  const database = new DatabaseSync(file)
  const columns = database
    .prepare(
      "select name from pragma_table_info('auth_session') where name not in ('hash', 'sid', 'last_seen')",
    )
    .all()
    .map((row) => String(row['name']))
    .join(', ')
  const copy = database.prepare(
    `insert into auth_session (hash, sid, last_seen, ${columns}) select ?, ?, ?, ${columns} from auth_session limit 1`,
  )
  const tokens: string[] = []
  const step = Math.max(1, Math.floor(sessions / 20_000))
  database.exec('begin')
  for (let count = 0; count < sessions; count++) {
    const token = randomBytes(32).toString('base64url')
    if (count % step === 0) tokens.push(token)
    // Seen just now, for as long as this takes: what is measured is a look, and not what is written once a minute.
    copy.run(hash('sha256', token, 'base64url'), `S${count}`, Date.now() + 3_600_000)
  }
  database.exec('commit')
  database.close()
  return { file, tokens: tokens.toSorted() }
}
