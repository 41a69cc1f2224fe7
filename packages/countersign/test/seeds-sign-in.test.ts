/**
 * The rows A1 to A8 of the lesson on sign-in, each with our client, curl and Python's requests. A7 is in `tokens.test.ts`.
 *
 * Two services: the program as it is, and the lesson with its three cookies, behind a certificate that vouches for itself. What the
 * document's own server answers is in `lesson-bytes.test.ts`.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createAuth } from '@countersign/auth'
import type { Session } from '@countersign/client'
import { type FetchEnvironment, serve, type Server } from '@countersign/server'
import { openStore } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'
import { Hono } from 'hono'
import { type Ask, counterparts, type Told, valuesOf } from './counterparts.ts'
import { addUser, PASSWORD, type RunningService, signIn, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
const data = path.join(folder, 'data')
const pubkey = path.join(folder, 'pubkey.pem')
const jars = path.join(folder, 'jars')
mkdirSync(jars)
const clients = counterparts(jars)
const stack = new AsyncDisposableStack()
let program: RunningService
let lesson: Server

before(async () => {
  for (const client of clients) stack.use(client)
  program = await startUp(data)
  await addUser(data, 'Alice', 'admin')
  await addUser(data, 'Bob', 'viewer')
  lesson = await startLesson()
})
after(async () => {
  await stack.disposeAsync()
  await program[Symbol.asyncDispose]()
})

/** A test of a row with each of the three. */
function row(name: string, work: (ask: Asker) => Promise<void>): void {
  for (const client of clients) {
    it(`${name}, with ${client.name}`, { skip: client.skip }, async () => {
      await work({
        program: (where, how = {}) =>
          client.ask({ url: program.url + where, roots: program.roots, ...how }),
        lesson: (where, how = {}) =>
          client.ask({
            url: `https://localhost:${lesson.port}${where}`,
            roots: pubkey,
            ...how,
          }),
      })
    })
  }
}

/** Asks one of the two services. */
interface Asker {
  program: (where: string, how?: Partial<Ask>) => Promise<Told>
  lesson: (where: string, how?: Partial<Ask>) => Promise<Told>
}

const ALICE = { username: 'Alice', password: 'alice_pw' }
const TOKEN = /^app1-token=[\w-]{22}; Path=\/$/
const TIME = /^app1-login-timestamp=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?; Path=\/$/

describe('A1: POST /login sets a random token and answers "Logged in"', () => {
  row('A1 a form, one cookie', async ({ program: ask }) => {
    const form = { username: 'Alice', password: PASSWORD }
    const answers = [await ask('/login', { form }), await ask('/login', { form })]
    for (const { status, text, setCookies } of answers) {
      assert.deepEqual([status, text], [200, 'Logged in'])
      assert.match(
        setCookies[0] ?? '',
        /^__Host-countersign-sid=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
      )
    }
    assert.notEqual(answers[0]?.setCookies[0], answers[1]?.setCookies[0])
  })

  row('A1 JSON', async ({ program: ask }) => {
    const json = { username: 'Alice', password: PASSWORD }
    const { status, text, setCookies } = await ask('/login', { json })
    assert.equal(status, 200)
    assert.equal(JSON.parse(text).principal.name, 'Alice')
    assert.match(setCookies[0] ?? '', /^__Host-countersign-sid=/)
  })

  row("A1 the document's three cookies", async ({ lesson: ask }) => {
    const { status, text, setCookies } = await ask('/login', { form: ALICE })
    assert.deepEqual([status, text], [200, 'Logged in'])
    const [username, token = '', time = '', ...others] = setCookies
    assert.deepEqual([username, others], ['app1-username=Alice; Path=/', []])
    assert.match(token, TOKEN)
    assert.match(time, TIME)
  })
})

describe('A2: failures of a sign-in', () => {
  row("A2 in the document's words", async ({ lesson: ask }) => {
    const table = [
      [{ username: 'Alice' }, 401, 'Login required'],
      [{ username: '', password: 'x' }, 401, 'Login required'],
      [{ username: 'Mallory', password: 'x' }, 401, 'No such user'],
      [{ username: 'Alice', password: 'wrong_pw' }, 403, 'Password incorrect'],
    ] as const
    for (const [form, status, realm] of table) {
      assert.deepEqual(await ask('/login', { form }), {
        status,
        text: 'Verification failed',
        challenge: `Basic realm="${realm}"`,
        setCookies: [],
      })
    }
  })

  row('A2 one and the same by default', async ({ program: ask }) => {
    const json = { username: 'Alice', password: 'wrong_pw' }
    const wrong = await ask('/login', { json })
    const unknown = await ask('/login', { json: { ...json, username: 'Mallory' } })
    assert.equal(wrong.status, 401)
    assert.match(wrong.challenge ?? '', /^Bearer realm="countersign"/)
    assert.deepEqual(unknown, wrong)
  })
})

describe('A3: GET /get-info', () => {
  row('A3 the secret, for the cookies of a sign-in', async ({ lesson: ask }) => {
    const cookies = valuesOf(await ask('/login', { form: ALICE }))
    const { status, text } = await ask('/get-info', { cookies })
    assert.deepEqual([status, text], [200, '{"Secret-number":42}\n'])
  })

  row('A3 403 for another name', async ({ lesson: ask }) => {
    const cookies = valuesOf(await ask('/login', { form: ALICE }))
    const changed = { ...cookies, 'app1-username': 'Bob' }
    const { status, text, challenge } = await ask('/get-info', { cookies: changed })
    assert.deepEqual([status, text, challenge], [403, 'Bob denied access to resource', null])
  })

  row('A3 401 without a credential, always', async ({ lesson: ask, program: asProgram }) => {
    for (const cookies of [{}, { 'app1-username': 'Alice' }, { 'app1-username': 'Mallory' }]) {
      const { status, challenge } = await ask('/get-info', { cookies })
      assert.deepEqual([status, challenge], [401, 'Basic realm="Login required"'])
    }
    assert.equal((await asProgram('/auth/session')).status, 401)
  })
})

describe('A5: cookies', () => {
  row('A5 kept by hand and passed back', async ({ lesson: ask }) => {
    const login = await ask('/login', { form: { username: 'Bob', password: 'bob_pw' } })
    assert.equal((await ask('/get-info')).status, 401)
    assert.equal((await ask('/get-info', { cookies: valuesOf(login) })).status, 200)
  })

  row('A5 kept in the jar of a session', async ({ lesson: ask, program: asProgram }) => {
    const jar = 'a5'
    const form = { username: 'Bob', password: 'bob_pw' }
    assert.equal((await ask('/login', { form, jar })).text, 'Logged in')
    assert.equal((await ask('/get-info', { jar })).text, '{"Secret-number":42}\n')
    const ours = { jar: 'a5-program', form: { username: 'Bob', password: PASSWORD } }
    assert.equal((await asProgram('/login', ours)).status, 200)
    const { text } = await asProgram('/auth/session', { jar: ours.jar })
    assert.equal(JSON.parse(text).principal.name, 'Bob')
  })
})

describe('A6: routes answer differently by who asks', () => {
  const tokens = new Map<string, string>()
  before(async () => {
    await using session = await signIn(program, 'Bob')
    for (const scope of ['ca:list', 'other']) tokens.set(scope, await newToken(session, [scope]))
  })

  row('A6 by role', async ({ program: ask }) => {
    const seen: (string | number)[] = []
    for (const username of ['Alice', 'Bob']) {
      const jar = `a6-${username}`
      await ask('/login', { form: { username, password: PASSWORD }, jar })
      const { status, text } = await ask('/admin/principals', { jar })
      seen.push(status, status === 200 ? 'ok' : JSON.parse(text).code)
    }
    const { status, text } = await ask('/admin/principals')
    assert.deepEqual(
      [...seen, status, JSON.parse(text).code],
      [200, 'ok', 403, 'role-missing', 401, 'credentials-required'],
    )
  })

  row('A6 by scope', async ({ program: ask }) => {
    const bearer = tokens.get('ca:list') ?? ''
    assert.equal((await ask('/ca/certificates', { bearer })).status, 200)
    const other = await ask('/ca/certificates', { bearer: tokens.get('other') ?? '' })
    assert.equal(other.status, 403)
    assert.match(other.challenge ?? '', /error="insufficient_scope".*scope="ca:list"/)
  })
})

describe('A8: HTTPS from a (certificate, key) pair', () => {
  row('A8 the pair of files, and the certificate is what is trusted', async ({ lesson: ask }) => {
    assert.equal((await ask('/login', { form: ALICE })).status, 200)
    await assert.rejects(
      ask('/login', { form: ALICE, roots: undefined }),
      /self.signed|signed by itself/i,
    )
  })
})

describe('A4: users and tokens', () => {
  const tokens = new Map<string, string>()
  const asAlice = { form: { username: 'Alice', password: PASSWORD }, jar: 'a4' }
  before(async () => {
    for (const client of clients.filter(({ skip }) => skip === false)) {
      const { status } = await client.ask({
        url: `${program.url}/login`,
        roots: program.roots,
        ...asAlice,
      })
      assert.equal(status, 200)
    }
    await using session = await signIn(program, 'Bob')
    tokens.set('Bob', await newToken(session))
    // The cookie of a host goes to all of its ports, so that another one is no difference.
    await program.command.stop()
    program = await startUp(data)
  })

  row('A4 survive a restart', async ({ program: ask }) => {
    const session = await ask('/auth/session', { jar: asAlice.jar })
    assert.equal(JSON.parse(session.text).principal?.name, 'Alice', session.text)
    const token = await ask('/auth/session', { bearer: tokens.get('Bob') ?? '' })
    assert.equal(JSON.parse(token.text).principal?.name, 'Bob', token.text)
    assert.equal((await ask('/login', { form: asAlice.form })).status, 200)
  })
})

/** An API token of whoever is signed in. */
async function newToken(session: Session, scopes?: string[]): Promise<string> {
  const response = await session.post('/auth/tokens', { json: { label: 'x', scopes } })
  const body: unknown = await response.json()
  assert.equal(response.status, 201, JSON.stringify(body))
  return String(Reflect.get(Object(body), 'token'))
}

/** The lesson, from the two files of its document. */
async function startLesson(): Promise<Server> {
  const store = stack.use(await openStore('sqlite::memory:'))
  const host = '127.0.0.1'
  const auth = stack.use(
    await createAuth({ store, host, loginErrors: 'lesson', lessonCookies: true, throttle: MANY }),
  )
  await auth.users.add({ name: 'Alice', password: 'alice_pw' })
  await auth.users.add({ name: 'Bob', password: 'bob_pw' })
  const key = PrivateKey.generateSync('p256')
  const name = Name.from({ commonName: 'localhost' })
  const certificate = buildCertificate(
    {
      subject: name,
      issuer: name,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      subjectAltNames: [{ type: 'dns', value: 'localhost' }],
      extendedKeyUsage: ['serverAuth'],
    },
    key.signer(),
  )
  const privateKey = path.join(folder, 'private.pem')
  writeFileSync(pubkey, certificate.pem)
  writeFileSync(privateKey, key.toPem(), { mode: 0o600 })
  const app = new Hono<{ Bindings: FetchEnvironment }>()
  app.route('/', auth.routes)
  return stack.use(await serve(app, { host, cert: pubkey, key: privateKey }))
}

/** Three clients get each failure: more of them than one person makes. */
const MANY = { perName: 100 }
