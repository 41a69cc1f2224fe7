/**
 * A service that is signed in to, in a process of its own: `node bench/auth-subject.ts NAME`.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createAuth } from '@countersign/auth'
import { Session } from '@countersign/client'
import { type FetchEnvironment, serve } from '@countersign/server'
import { openStore } from '@countersign/store'
import { Hono } from 'hono'
import { makeIdentity } from './identity.ts'
import { reportTo } from './servers.ts'

const { ca, cert, key } = makeIdentity()
const CREDENTIALS = { username: 'ada', password: 'correct horse battery staple' }
// The throttle would turn a flood away before it costs anything: here every guess is checked.
const UNTHROTTLED = 1_000_000_000

const folder = mkdtempSync(path.join(tmpdir(), 'bench-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const store = await openStore(`sqlite:${path.join(folder, 'auth.db')}`)
const auth = await createAuth({
  store,
  throttle: {
    perAddress: UNTHROTTLED,
    perName: UNTHROTTLED,
    perNameEverywhere: UNTHROTTLED,
    consecutive: UNTHROTTLED,
  },
})
await auth.users.add({ name: CREDENTIALS.username, password: CREDENTIALS.password })
const app = new Hono<{ Bindings: FetchEnvironment }>()
app.route('/', auth.routes)
const hello = auth.protect<FetchEnvironment>(() => Response.json({ hello: 'world' }))
app.get('/', (c) => hello(c.req.raw, c.env))
const { port } = await serve(app, { cert, key })
reportTo(process, { port, ca, cookie: await signIn() })

async function signIn(): Promise<string> {
  await using client = new Session({ baseUrl: `https://localhost:${port}`, ca })
  const response = await client.post('/login', { json: CREDENTIALS })
  await response.bytes()
  const [[name, value] = []] = Object.entries(response.cookies)
  if (!response.ok || name === undefined) throw new Error(`signing in failed: ${response.status}`)
  return `${name}=${value}`
}
