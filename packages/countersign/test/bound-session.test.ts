/**
 * What is bound to a certificate, over real connections: full and resumed, with the certificate, another, none.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type ConnectionOptions } from 'node:tls'
import { describe, it } from 'node:test'
import { type Auth, createAuth } from '@countersign/auth'
import { type FetchEnvironment, serve, type Server } from '@countersign/server'
import { openStore } from '@countersign/store'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { Hono } from 'hono'
import { PASSWORD } from './running-service.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const clientOf = (name: string): { cert: string; key: string } => {
  const { chainPem, keyPem } = authority.issue({ names: [name], client: true })
  return { cert: chainPem, key: keyPem }
}
const ADA = clientOf('ada')
const EVE = clientOf('eve')
const ca = authority.rootPem

interface Visit {
  status: number
  reused: boolean
  session: Buffer
  cookie: string
}

/** One request on a connection of its own. */
async function visit(
  { port }: Server,
  options: ConnectionOptions,
  request: { path?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Visit> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...options })
  let { session } = options
  socket.on('session', (fresh: Buffer) => {
    session = fresh
  })
  await once(socket, 'secureConnect')
  const reused = socket.isSessionReused()
  const { path = '/', body, headers = {} } = request
  const lines = [
    `${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`,
    'host: localhost',
    'connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined
      ? []
      : ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]),
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  assert.ok(session !== undefined)
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    reused,
    session,
    cookie: /set-cookie: ([^;]*-sid=[^;]*)/i.exec(text)?.[1] ?? '',
  }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(`bound to a certificate, ${version}`, () => {
    const only = { minVersion: version, maxVersion: version }

    it('a session is good with it, on a full and on a resumed connection', async () => {
      await using stack = new AsyncDisposableStack()
      const { server } = await started(stack)
      const { cookie, session } = await signIn(server, { ...only, ...ADA })
      const headers = { cookie }
      assert.equal((await visit(server, { ...only, ...ADA }, { headers })).status, 200)
      const again = await visit(server, { ...only, ...ADA, session }, { headers })
      assert.deepEqual([again.status, again.reused], [200, true])
    })

    it('it is good for nothing without it: nobody, another, and nobody on a session of nobody (nodejs/node #35317)', async () => {
      await using stack = new AsyncDisposableStack()
      const { server } = await started(stack)
      const { cookie } = await signIn(server, { ...only, ...ADA })
      const headers = { cookie }
      assert.equal((await visit(server, only, { headers })).status, 401)
      assert.equal((await visit(server, { ...only, ...EVE }, { headers })).status, 401)
      // nodejs/node #35317: Node calls this one authorized.
      const nobody = await visit(server, only)
      const resumed = await visit(server, { ...only, session: nobody.session }, { headers })
      assert.deepEqual([resumed.status, resumed.reused], [401, true])
      const eve = await visit(server, { ...only, ...EVE })
      const asEve = await visit(server, { ...only, ...EVE, session: eve.session }, { headers })
      assert.equal(asEve.status, 401)
    })

    it('an API token is too', async () => {
      await using stack = new AsyncDisposableStack()
      const { server, auth } = await started(stack)
      const [{ fingerprint } = assert.fail()] = Certificate.parseAll(ADA.cert)
      const x5tS256 = Buffer.from(fingerprint, 'hex').toString('base64url')
      const { token } = await auth.tokens.create('ada', { label: 'x', x5tS256 })
      const headers = { authorization: `Bearer ${token}` }
      assert.equal((await visit(server, { ...only, ...ADA }, { headers })).status, 200)
      assert.equal((await visit(server, { ...only, ...EVE }, { headers })).status, 401)
      const nobody = await visit(server, only)
      const resumed = await visit(server, { ...only, session: nobody.session }, { headers })
      assert.deepEqual([resumed.status, resumed.reused], [401, true])
    })
  })
}

async function started(stack: AsyncDisposableStack): Promise<{ server: Server; auth: Auth }> {
  const store = stack.use(await openStore('sqlite::memory:'))
  const auth = stack.use(await createAuth({ store, session: { bindCertificate: true } }))
  await auth.users.add({ name: 'ada', password: PASSWORD })
  const app = new Hono<{ Bindings: FetchEnvironment }>()
  app.route('/', auth.routes)
  app.get('/', auth.guard(), (c) => c.text('page'))
  const server = stack.use(
    await serve(app, { cert: identity.chainPem, key: identity.keyPem, ca, verifyUser: 'ask' }),
  )
  return { server, auth }
}

async function signIn(server: Server, options: ConnectionOptions): Promise<Visit> {
  const body = JSON.stringify({ username: 'ada', password: PASSWORD })
  const signedIn = await visit(server, options, { path: '/login', body })
  assert.equal(signedIn.status, 200)
  return signedIn
}
