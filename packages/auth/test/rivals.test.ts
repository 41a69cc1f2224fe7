/**
 * What is good once is good once among processes of the operating system, too: two of them on one database, each making ten requests at
 * the same moment.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { on } from 'node:events'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Auth, createAuth } from '@countersign/auth'
import { openStore, type Store } from '@countersign/store'
import {
  type Postgres,
  scrubProcess,
  skipWithoutPostgres,
  startPostgres,
  temporaryFolder,
} from '@countersign/testkit'
import { ASSERTION_TYPE, jwt, JWT_BEARER } from './oauth-service.ts'
import type { RivalAnswer, RivalOrder, RivalStart } from './rival-process.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const ISSUER = 'https://service.test'
const NEW = 'another five words of hers'
const TIMES = 10

/** One of the processes. */
class Rival {
  readonly #child: ChildProcess
  readonly #messages: AsyncIterator<unknown>

  constructor() {
    const file = fileURLToPath(new URL('rival-process.ts', import.meta.url))
    this.#child = fork(file, [], {
      execArgv: ['--conditions=@countersign/source', '--disable-warning=ExperimentalWarning'],
    })
    const ended = new AbortController()
    this.#child.once('exit', () => {
      ended.abort()
    })
    this.#messages = on(this.#child, 'message', { signal: ended.signal })
  }

  async ready(): Promise<void> {
    assert.equal(await this.#next(), 'ready')
  }

  async open(start: RivalStart): Promise<void> {
    this.#child.send(start)
    assert.equal(await this.#next(), 'open')
  }

  async make(order: RivalOrder): Promise<RivalAnswer[]> {
    this.#child.send(order)
    const answers = await this.#next()
    assert.ok(Array.isArray(answers))
    return answers
  }

  end(): void {
    this.#child.kill()
  }

  async #next(): Promise<unknown> {
    const { value } = await this.#messages.next()
    return Array.isArray(value) ? value[0] : undefined
  }
}

interface Arena {
  auth: Auth
  store: Store
  rivals: readonly [Rival, Rival]
}

async function openArena(start: RivalStart): Promise<Arena> {
  const store = await openStore(start.url)
  const keys = { path: start.keys }
  const auth = await createAuth({ store, keys, issuer: ISSUER })
  const rivals = [new Rival(), new Rival()] as const
  for (const rival of rivals) await rival.ready()
  for (const rival of rivals) await rival.open(start)
  return { auth, store, rivals }
}

/** One request. */
type Ask = Omit<RivalOrder, 'bodies'> & { body: string }

function times({ body, ...order }: Ask, count: number): RivalOrder {
  return { ...order, bodies: Array.from({ length: count }, () => body) }
}

/** The same from both at once, ten times each. */
async function both({ rivals: [one, two] }: Arena, ask: Ask): Promise<RivalAnswer[]> {
  const order = times(ask, TIMES)
  return (await Promise.all([one.make(order), two.make(order)])).flat()
}

function form(where: string, values: Record<string, string>): Ask {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { path: where, method: 'POST', headers, body: new URLSearchParams(values).toString() }
}

function json(where: string, value: unknown, more: Record<string, string> = {}): Ask {
  const headers = { 'content-type': 'application/json', ...more }
  return { path: where, method: 'POST', headers, body: JSON.stringify(value) }
}

function won(answers: readonly RivalAnswer[], status: number): number {
  assert.equal(answers.length, 2 * TIMES)
  for (const answer of answers) assert.ok(answer.status < 500 || answer.status === 503, answer.body)
  return answers.filter((answer) => answer.status === status).length
}

function disable(name: string, cookie = ''): RivalOrder {
  return times(json(`/admin/principals/${name}/disable`, {}, { cookie }), 1)
}

/** A user with a key of their own, and what signs for them. */
async function withKey({ auth }: Arena, name: string): Promise<(claims?: object) => string> {
  await auth.users.add({ name, kind: 'service' })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await auth.publicKeys.add(name, { ...publicKey.export({ format: 'jwk' }) })
  return (claims = {}) => {
    const now = Math.floor(Date.now() / 1000)
    const usual = { iss: name, sub: name, aud: ISSUER, jti: randomUUID(), iat: now, exp: now + 60 }
    return jwt(privateKey, { alg: 'ES256', typ: 'JWT' }, { ...usual, ...claims })
  }
}

function provedBy(assertion: string): Record<string, string> {
  return { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion }
}

/** What has one winner, or one outcome, the same on either database. */
function rules(arena: () => Arena): void {
  it('one makes the first administrator with one code', async () => {
    const { auth } = arena()
    const code = await auth.createSetupCode()
    const order = json('/auth/setup', { code, username: 'root', password: PASSWORD })
    assert.equal(won(await both(arena(), order), 200), 1)
    assert.equal((await auth.users.list()).length, 1)
  })

  it('one sets a password with one reset code', async () => {
    const { auth } = arena()
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const token = await auth.createResetCode('ada')
    const order = json('/auth/reset/confirm', { token, new: NEW })
    assert.equal(won(await both(arena(), order), 204), 1)
  })

  it('one gets a token for one assertion, as a client and as a grant', async () => {
    const sign = await withKey(arena(), 'robot')
    const client = { grant_type: 'client_credentials', ...provedBy(sign()) }
    assert.equal(won(await both(arena(), form('/oauth/token', client)), 200), 1)
    const grant = { grant_type: JWT_BEARER, assertion: sign() }
    assert.equal(won(await both(arena(), form('/oauth/token', grant)), 200), 1)
  })

  it('one gets in by one proof of possession', async () => {
    const sign = await withKey(arena(), 'prover')
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: publicKey.export({ format: 'jwk' }) }
    const iat = Math.floor(Date.now() / 1000)
    const claims = { jti: randomUUID(), htm: 'POST', htu: `${ISSUER}/oauth/token`, iat }
    const dpop = jwt(privateKey, header, claims)
    const [one, two] = arena().rivals
    // Each with an assertion of its own, so that the proof alone decides.
    const order = (): RivalOrder => {
      const bodies = Array.from(
        { length: TIMES },
        () => form('/oauth/token', { grant_type: JWT_BEARER, assertion: sign() }).body,
      )
      const { headers, ...rest } = form('/oauth/token', {})
      return { ...rest, headers: { ...headers, dpop }, bodies }
    }
    const answers = await Promise.all([one.make(order()), two.make(order())])
    assert.equal(won(answers.flat(), 200), 1)
  })

  it('all who use one refresh token get one successor, and no family ends', async () => {
    const { auth } = arena()
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await auth.users.add({ name: 'bob' })
    await auth.publicKeys.add('bob', { ...publicKey.export({ format: 'jwk' }) })
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: 'bob',
      sub: 'bob',
      aud: ISSUER,
      jti: randomUUID(),
      iat: now,
      exp: now + 60,
    }
    const assertion = jwt(privateKey, { alg: 'ES256', typ: 'JWT' }, claims)
    const begin = form('/oauth/token', {
      grant_type: JWT_BEARER,
      assertion,
      scope: 'offline_access',
    })
    const [begun] = await arena().rivals[0].make(times(begin, 1))
    const first: string = JSON.parse(begun?.body ?? '{}').refresh_token
    const used = await both(
      arena(),
      form('/oauth/token', { grant_type: 'refresh_token', refresh_token: first }),
    )
    assert.equal(won(used, 200), 2 * TIMES)
    const successors = new Set(used.map(({ body }) => String(JSON.parse(body).refresh_token)))
    assert.equal(successors.size, 1)
    const [next = ''] = successors
    const again = form('/oauth/token', { grant_type: 'refresh_token', refresh_token: next })
    assert.equal(won(await both(arena(), again), 200), 2 * TIMES)
  })

  it('of two administrators who take each other out one is left', async () => {
    const { auth } = arena()
    for (const { name } of await auth.users.list()) await auth.users.setRoles(name, [])
    const names = ['one', 'two']
    for (const name of names) await auth.users.add({ name, password: PASSWORD, roles: ['admin'] })
    const cookies: string[] = []
    for (const username of names) {
      const request = new Request(`${ISSUER}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username, password: PASSWORD }),
      })
      const answer = await auth.routes.fetch(request, {
        peer: { address: '192.0.2.9', encrypted: true },
      })
      const cookie = answer.headers.getSetCookie().find((each) => each.includes('-sid='))
      cookies.push(cookie?.split(';')[0] ?? '')
    }
    const [first, second] = arena().rivals
    const answers = await Promise.all([
      first.make(disable('two', cookies[0])),
      second.make(disable('one', cookies[1])),
    ])
    assert.equal(
      answers.flat().filter(({ status }) => status === 204).length,
      1,
      JSON.stringify(answers),
    )
    const left = (await auth.users.list()).filter(
      ({ roles, status }) => roles.includes('admin') && status === 'active',
    )
    assert.equal(left.length, 1)
  })
}

function arenaOf(url: () => string | Promise<string>): () => Arena {
  const folder = temporaryFolder(after)
  let arena: Arena | undefined
  before(async () => {
    const keys = path.join(folder, 'rivals.keys')
    arena = await openArena({ url: await url(), keys, issuer: ISSUER })
  })
  after(async () => {
    for (const rival of arena?.rivals ?? []) rival.end()
    await arena?.auth.close()
    await arena?.store.close()
  })
  return () => {
    assert.ok(arena !== undefined, 'the processes were not started')
    return arena
  }
}

describe('two processes on one SQLite file', () => {
  const folder = temporaryFolder(after)
  rules(arenaOf(() => `sqlite:${path.join(folder, 'rivals.db')}`))
})

describe('two processes on PostgreSQL', { skip: skipWithoutPostgres() }, () => {
  let postgres: Postgres | undefined
  before(async () => {
    postgres = await startPostgres({ onMissing: (reason) => assert.fail(reason) })
  })
  after(async () => {
    await postgres?.stop()
  })
  rules(
    arenaOf(async () => {
      assert.ok(postgres !== undefined, 'PostgreSQL was not started')
      return await postgres.createDatabase()
    }),
  )
})
