/**
 * One server of the session measurement, in a process of its own: `node bench/session-subject.ts NAME`.
 *
 * @module
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Auth, createAuth } from '@countersign/auth'
import { Session } from '@countersign/client'
import { type FetchEnvironment, serve } from '@countersign/server'
import { openStore } from '@countersign/store'
import express from 'express'
import session from 'express-session'
import { Hono } from 'hono'
import { makeIdentity } from './identity.ts'
import { type Listening, portOf, reportTo } from './servers.ts'

declare module 'express-session' {
  interface SessionData {
    user: string
  }
}

const identity = makeIdentity()
const { ca, cert, key } = identity
const BODY = JSON.stringify({ hello: 'world' })
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) }
const CREDENTIALS = { username: 'ada', password: 'correct horse battery staple' }

const subjects = new Map<string, () => Promise<Listening>>([
  ['node:https, no session', startBare],
  ['countersign, protected route', async () => startOurs(protectedRoute)],
  ['countersign, guard before route', async () => startOurs(guardedRoute)],
  ['countersign, protected route, access log', async () => startOurs(protectedRoute, true)],
  ['express-session, memory', startExpress],
])

const start = subjects.get(process.argv[2] ?? '')
if (start === undefined) throw new Error(`no such subject: ${process.argv[2]}`)
reportTo(process, await start())

async function startBare(): Promise<Listening> {
  const server = createServer(identity, (_request, response) => {
    response.writeHead(200, HEADERS).end(BODY)
  })
  return { port: await listening(server), ca }
}

/** The whole stack: routing by Hono, cookie, token hash, session on SQLite with its short cache, and who may pass. */
async function startOurs(
  addRoute: (app: App, auth: Auth) => void,
  isLogged = false,
): Promise<Listening> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true }))
  const store = await openStore(`sqlite:${path.join(folder, 'sessions.db')}`)
  const auth = await createAuth({ store })
  await auth.users.add({ name: CREDENTIALS.username, password: CREDENTIALS.password })
  const app: App = new Hono()
  app.route('/', auth.routes)
  addRoute(app, auth)
  const accessLog = isLogged ? path.join(folder, 'access.log') : false
  const { port } = await serve(app, { cert, key, accessLog })
  return { port, ca, cookie: await signIn(port, { json: CREDENTIALS }) }
}

type App = Hono<{ Bindings: FetchEnvironment }>

/** One handler for the route, which asks who is calling: Hono then answers at once. */
function protectedRoute(app: App, auth: Auth): void {
  const hello = auth.protect<FetchEnvironment>(() => Response.json({ hello: 'world' }))
  app.get('/', (c) => hello(c.req.raw, c.env))
}

/** Middleware before the handler: Hono makes a promise for each link of the chain. */
function guardedRoute(app: App, auth: Auth): void {
  app.get('/', auth.guard(), (c) => c.json({ hello: 'world' }))
}

async function startExpress(): Promise<Listening> {
  const app = express()
  const cookie = { secure: true, httpOnly: true, sameSite: 'lax' } as const
  app.use(session({ secret: 'bench', resave: false, saveUninitialized: false, cookie }))
  app.post('/login', (request, response) => {
    request.session.user = CREDENTIALS.username
    response.json({ ok: true })
  })
  app.get('/', (request, response) => {
    if (request.session.user === undefined) response.status(401).end()
    else response.json({ hello: 'world' })
  })
  const port = await listening(createServer(identity, app))
  return { port, ca, cookie: await signIn(port, {}) }
}

/** Signs in once and answers the cookie for the measured requests. */
async function signIn(port: number, options: { json?: object }): Promise<string> {
  await using client = new Session({ baseUrl: `https://localhost:${port}`, ca })
  const response = await client.post('/login', options)
  await response.bytes()
  const [[name, value] = []] = Object.entries(response.cookies)
  if (!response.ok || name === undefined) throw new Error(`signing in failed: ${response.status}`)
  return `${name}=${value}`
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return portOf(server)
}
