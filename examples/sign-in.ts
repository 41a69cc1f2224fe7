/**
 * Sign-in over HTTPS: users in a database, a cookie for the browser, a route that only some may call.
 *
 * Run: node examples/sign-in.ts
 */
import { Session } from '@countersign/client'
import { createAuth } from '@countersign/auth'
import { type FetchEnvironment, serve } from '@countersign/server'
import { openStore } from '@countersign/store'
import { Hono } from 'hono'

await using store = await openStore('sqlite::memory:')
const auth = await createAuth({ store })
await auth.users.add({ name: 'Alice', password: 'correct horse battery', roles: ['reader'] })
await auth.users.add({ name: 'Bob', password: 'staple battery horse' })

const app = new Hono<{ Bindings: FetchEnvironment }>()
app.route('/', auth.routes)
app.get('/get-info', auth.guard({ roles: ['reader'] }), (c) => c.json({ 'Secret-number': 42 }))
await using server = await serve(app, { adhoc: true })

// No credential is 401, a wrong password and an unknown name too.
await using nobody = new Session({ baseUrl: server.url, ca: server.adhocRoots })
console.log((await nobody.get('/get-info')).status)
const refused = await nobody.post('/login', { form: { username: 'Alice', password: 'wrong' } })
console.log(refused.status, refused.headers.get('www-authenticate'))

// A session keeps the cookie by itself.
await using alice = new Session({ baseUrl: server.url, ca: server.adhocRoots })
await alice.post('/login', { json: { username: 'Alice', password: 'correct horse battery' } })
console.log(await (await alice.get('/get-info')).json())

// Or by hand: the cookie of the answer, passed on with the next call.
const login = { username: 'Bob', password: 'staple battery horse' }
const answer = await nobody.post('/login', { form: login })
const { cookies } = answer
await using other = new Session({ baseUrl: server.url, ca: server.adhocRoots, cookies: false })
console.log((await other.get('/get-info', { cookies })).status)
