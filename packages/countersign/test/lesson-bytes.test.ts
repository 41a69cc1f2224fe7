/**
 * The lesson's answers byte for byte (SEEDS A1 to A3): as they are written down here, and as a Flask server of the same behaviour gives
 * them. Where the two differ on purpose stands at the end.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { createAuth } from '@countersign/auth'
import { type FetchEnvironment, serve, type Server } from '@countersign/server'
import { openStore } from '@countersign/store'
import {
  outsidePython,
  type RunningCommand,
  scrubProcess,
  skipWithoutPython,
  startCommand,
} from '@countersign/testkit'
import { Hono } from 'hono'

scrubProcess()

/** What counts of an answer, with what is drawn by chance or by the clock left out. */
interface Bytes {
  status: number
  type: string | undefined
  challenge: string | undefined
  length: string | undefined
  cookies: string[]
  body: string
}

/** A request of the lesson; `cookie` is made of those that Alice and Bob were given. */
interface Lesson {
  path: string
  method?: string
  form?: string
  cookie?: (alice: string, bob: string) => string
}

const HTML = 'text/html; charset=utf-8'
const failed = (status: number, realm: string): Bytes => ({
  status,
  type: HTML,
  challenge: `Basic realm="${realm}"`,
  length: '19',
  cookies: [],
  body: 'Verification failed',
})
const denied = (name: string): Bytes => ({
  status: 403,
  type: HTML,
  challenge: undefined,
  length: String(name.length + ' denied access to resource'.length),
  cookies: [],
  body: `${name} denied access to resource`,
})
const welcome = (name: string): Bytes => ({
  status: 200,
  type: HTML,
  challenge: undefined,
  length: '9',
  cookies: [
    `app1-username=${name}; Path=/`,
    'app1-token=TOKEN; Path=/',
    'app1-login-timestamp=TIME; Path=/',
  ],
  body: 'Logged in',
})
const secret: Bytes = {
  status: 200,
  type: 'application/json',
  challenge: undefined,
  length: '21',
  cookies: [],
  body: '{"Secret-number":42}\n',
}
const login = (form: string): Lesson => ({ path: '/login', form })

const TABLE: [name: string, request: Lesson, expected: Bytes][] = [
  ['A1 Alice', login('username=Alice&password=alice_pw'), welcome('Alice')],
  ['A1 Bob, the fields the other way', login('password=bob_pw&username=Bob'), welcome('Bob')],
  ['A1 more fields', login('username=Bob&password=bob_pw&next=%2F'), welcome('Bob')],
  ['A2 nothing', login(''), failed(401, 'Login required')],
  ['A2 no body', { path: '/login', method: 'POST' }, failed(401, 'Login required')],
  ['A2 no password', login('username=Alice'), failed(401, 'Login required')],
  ['A2 an empty password', login('username=Alice&password='), failed(401, 'Login required')],
  ['A2 no name', login('password=alice_pw'), failed(401, 'Login required')],
  ['A2 an empty name', login('username=&password=alice_pw'), failed(401, 'Login required')],
  ['A2 an unknown name', login('username=Mallory&password=x'), failed(401, 'No such user')],
  [
    'A2 a wrong password',
    login('username=Alice&password=bob_pw'),
    failed(403, 'Password incorrect'),
  ],
  [
    'A2 a password in capitals',
    login('username=Alice&password=ALICE_PW'),
    failed(403, 'Password incorrect'),
  ],
  ['A3 the cookies', { path: '/get-info', cookie: (alice) => alice }, secret],
  [
    'A3 the cookies without the time',
    { path: '/get-info', cookie: (alice) => alice.replace(/; app1-login.*/, '') },
    secret,
  ],
  [
    'A3 another name',
    { path: '/get-info', cookie: (alice) => alice.replace('=Alice', '=Bob') },
    denied('Bob'),
  ],
  [
    'A3 a name that nobody has',
    { path: '/get-info', cookie: (alice) => alice.replace('=Alice', '=Mallory') },
    denied('Mallory'),
  ],
  [
    "A3 another's token",
    { path: '/get-info', cookie: (_, bob) => bob.replace('=Bob', '=Alice') },
    denied('Alice'),
  ],
  [
    'A3 a token that was made up',
    { path: '/get-info', cookie: () => 'app1-username=Alice; app1-token=AAAAAAAAAAAAAAAAAAAAAA' },
    denied('Alice'),
  ],
  [
    'A3 a token without a name',
    { path: '/get-info', cookie: () => 'app1-token=AAAAAAAAAAAAAAAAAAAAAA' },
    denied('None'),
  ],
]

describe('the lesson', () => {
  const stack = new AsyncDisposableStack()
  let site: Server
  before(async () => {
    site = await startLesson(stack)
  })
  after(async () => stack.disposeAsync())

  for (const [name, lesson, expected] of TABLE) {
    it(`${name}: is answered as it is written`, async () => {
      assert.deepEqual(await told(site.port, lesson), expected)
    })
  }

  describe('beside a Flask server', { skip: skipWithoutPython({ modules: ['flask'] }) }, () => {
    let flask: RunningCommand
    let port = 0
    before(async () => {
      flask = startCommand(outsidePython({ modules: ['flask'] }) ?? 'python3', ['-c', FLASK])
      port = Number((await flask.waitForOutput(/port (\d+)/))[1])
    })
    after(async () => flask[Symbol.asyncDispose]())

    for (const [name, lesson, expected] of TABLE) {
      it(`${name}: is answered as Flask answers`, async () => {
        const theirs = await told(port, lesson)
        assert.deepEqual(theirs, expected)
        assert.deepEqual(await told(site.port, lesson), theirs)
      })
    }

    it('A3 no credential is 401, where Flask gives the secret away', async () => {
      const cookies = [undefined, 'app1-username=Mallory', 'a=1']
      for (const cookie of cookies) {
        const lesson = {
          path: '/get-info',
          ...(cookie === undefined ? {} : { cookie: () => cookie }),
        }
        assert.equal((await told(port, lesson)).body, secret.body)
        assert.deepEqual(await told(site.port, lesson), failed(401, 'Login required'))
      }
    })

    it('A3 a name is escaped, where Flask repeats what it was sent', async () => {
      assert.equal(
        (await told(port, { path: '/get-info', cookie: withMarkup })).body,
        '<b> denied access to resource',
      )
      const ours = await told(site.port, { path: '/get-info', cookie: withMarkup })
      assert.deepEqual([ours.status, ours.body], [403, '&#60;b&#62; denied access to resource'])
    })
  })
})

/** A name that is markup. */
const withMarkup = (): string => 'app1-username=<b>; app1-token=x'

async function told(port: number, { path, method, form, cookie }: Lesson): Promise<Bytes> {
  const alice = cookie === undefined ? '' : await signIn(port, 'Alice', 'alice_pw')
  const bob = cookie === undefined ? '' : await signIn(port, 'Bob', 'bob_pw')
  const headers: Record<string, string> = {
    ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    ...(cookie === undefined ? {} : { cookie: cookie(alice, bob) }),
  }
  const answer = await send(
    port,
    path,
    method ?? (form === undefined ? 'GET' : 'POST'),
    headers,
    form,
  )
  const cookies = answer.cookies.map((line) =>
    line
      .replace(/^app1-token=[\w-]{22};/, 'app1-token=TOKEN;')
      .replace(/=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?;/, '=TIME;'),
  )
  return { ...answer, cookies }
}

async function signIn(port: number, username: string, password: string): Promise<string> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const form = new URLSearchParams({ username, password }).toString()
  const { cookies } = await send(port, '/login', 'POST', headers, form)
  return cookies.map((line) => line.split(';')[0] ?? '').join('; ')
}

async function send(
  port: number,
  path: string,
  method: string,
  headers: Record<string, string>,
  body = '',
): Promise<Bytes> {
  const length = method === 'GET' ? {} : { 'content-length': Buffer.byteLength(body) }
  const options = { host: '127.0.0.1', port, path, method, agent: false }
  const sent = request({ ...options, headers: { ...headers, ...length } })
  sent.end(body)
  const [answer]: IncomingMessage[] = await once(sent, 'response')
  assert.ok(answer !== undefined)
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += String(chunk)
  return {
    status: answer.statusCode ?? 0,
    type: answer.headers['content-type'],
    challenge: answer.headers['www-authenticate'],
    length: answer.headers['content-length'],
    cookies: answer.headers['set-cookie'] ?? [],
    body: text,
  }
}

/** The lesson over plain HTTP, as the Flask server beside it. */
async function startLesson(stack: AsyncDisposableStack): Promise<Server> {
  const store = stack.use(await openStore('sqlite::memory:'))
  const host = '127.0.0.1'
  const lesson = {
    host,
    allowPlainLoopback: true,
    loginErrors: 'lesson',
    lessonCookies: true,
  } as const
  const auth = stack.use(await createAuth({ store, ...lesson }))
  await auth.users.add({ name: 'Alice', password: 'alice_pw' })
  await auth.users.add({ name: 'Bob', password: 'bob_pw' })
  const app = new Hono<{ Bindings: FetchEnvironment }>()
  app.route('/', auth.routes)
  return stack.use(await serve(app, { host }))
}

/** A server that behaves as the lesson's. */
const FLASK = `
import secrets
from datetime import datetime
from flask import Flask, jsonify, make_response, request
from werkzeug.serving import make_server

app = Flask('lesson')
passwords = {'Alice': 'alice_pw', 'Bob': 'bob_pw'}
tokens = {}

def refused(realm, status):
    return make_response('Verification failed', status, {'WWW-Authenticate': f'Basic realm="{realm}"'})

@app.post('/login')
def login():
    name, password = request.form.get('username'), request.form.get('password')
    if not (name and password): return refused('Login required', 401)
    if name not in passwords: return refused('No such user', 401)
    if passwords[name] != password: return refused('Password incorrect', 403)
    tokens[name] = secrets.token_urlsafe(16)
    answer = make_response('Logged in', 200)
    answer.set_cookie('app1-username', name)
    answer.set_cookie('app1-token', tokens[name])
    answer.set_cookie('app1-login-timestamp', datetime.now().isoformat())
    return answer

@app.get('/get-info')
def info():
    name = request.cookies.get('app1-username')
    if request.cookies.get('app1-token') != tokens.get(name):
        return make_response(f'{name} denied access to resource', 403)
    return jsonify({'Secret-number': 42})

server = make_server('127.0.0.1', 0, app)
print('port', server.port, flush=True)
server.serve_forever()
`
