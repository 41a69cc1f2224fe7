/**
 * The routes of sign-in mounted in one line in Express and Fastify, over real HTTPS: in, looked at, out.
 */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:https'
import { describe, it } from 'node:test'
import { type Auth, type AuthPeer, callerOf, type NodeRoutesOptions } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import express from 'express'
import fastify from 'fastify'
import { type Answer, askTls } from './ask-tls.ts'
import { openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const tls = { cert: identity.chainPem, key: identity.keyPem }
const JSON_TYPE = { 'content-type': 'application/json' }

interface Ask {
  method?: string
  headers?: Record<string, string>
  json?: unknown
  form?: Record<string, string>
}

interface Started {
  ask: (path: string, how?: Ask) => Promise<Answer>
  close: () => Promise<void>
}

const FRAMEWORKS: [string, (auth: Auth, options?: NodeRoutesOptions) => Promise<Started>][] = [
  ['Express 5', startExpress],
  ['Fastify 5', startFastify],
]

for (const [name, start] of FRAMEWORKS) {
  describe(`the routes in ${name}`, () => {
    it('sign in, tell who that is, and sign out', async (t) => {
      const { auth } = await openDirect(t)
      await auth.users.add({ name: 'ada', password: PASSWORD })
      const { ask, close } = await start(auth)
      t.after(close)
      const json = { username: 'ada', password: PASSWORD }
      const forms: Ask[] = [{ json }, { form: json }]
      for (const how of forms) {
        const signedIn = await ask('/login', { method: 'POST', ...how })
        assert.equal(signedIn.status, 200, signedIn.text)
        const cookies = signedIn.headers['set-cookie'] ?? []
        assert.equal(cookies.length, 2)
        assert.match(
          cookies[0] ?? '',
          /^__Host-countersign-sid=[\w-]{43}; Path=\/; Secure; HttpOnly/,
        )
        assert.equal(signedIn.headers['cache-control'], 'no-store')
        const cookie = cookies[0]?.split(';')[0] ?? ''
        const session = await ask('/auth/session?x=1', { headers: { cookie } })
        assert.equal(JSON.parse(session.text).principal.name, 'ada')
        // The application's own route knows them as well.
        assert.equal((await ask('/me', { headers: { cookie } })).text, 'ada')
        const out = await ask('/auth/logout', { method: 'POST', headers: { cookie } })
        assert.deepEqual([out.status, out.text], [204, ''])
        assert.equal(out.headers['clear-site-data'], '"cookies"')
        assert.equal((await ask('/auth/session', { headers: { cookie } })).status, 401)
      }
    })

    it('refuse as they do elsewhere', async (t) => {
      const { auth } = await openDirect(t)
      await auth.users.add({ name: 'ada', password: PASSWORD })
      const { ask, close } = await start(auth)
      t.after(close)
      const json = { username: 'ada', password: 'wrong' }
      const post = { method: 'POST' }
      const rows: [string, Ask, number, string][] = [
        ['/login', { ...post, json }, 401, 'invalid-credentials'],
        ['/login', { ...post, json: {} }, 400, 'malformed-request'],
        ['/login', post, 415, 'unsupported-media-type'],
        ['/login', { ...post, json, headers: { 'content-type': 'text/xml' } }, 415, 'unsupported'],
        ['/login', { ...post, json: { ...json, more: 'x'.repeat(20_000) } }, 413, 'body-too-large'],
        [
          '/login',
          { ...post, json, headers: { 'sec-fetch-site': 'cross-site' } },
          403,
          'cross-site',
        ],
        ['/auth/sessions/01M80XGTK15TQRFY11B9JJR41N', { method: 'DELETE' }, 401, 'credentials'],
        ['/admin/audit', {}, 401, 'credentials-required'],
        ['/auth/session', { headers: { authorization: 'Bearer x' } }, 401, 'credentials-invalid'],
      ]
      for (const [path, how, status, words] of rows) {
        const answer = await ask(path, how)
        assert.equal(answer.status, status, `${path} ${answer.text}`)
        assert.match(String(answer.headers['content-type']), /problem\+json/)
        assert.match(answer.text, new RegExp(words))
        if (status === 401) assert.ok(answer.headers['www-authenticate'])
      }
      assert.equal((await ask('/auth/session', { method: 'HEAD' })).text, '')
    })

    it('leave the application its own paths and bodies', async (t) => {
      const { auth } = await openDirect(t)
      const { ask, close } = await start(auth)
      t.after(close)
      const echoed = await ask('/echo', { method: 'POST', json: { a: 1 } })
      assert.deepEqual([echoed.status, echoed.text], [200, '{"a":1}'])
      assert.equal((await ask('/admin/pages/own')).text, 'own')
      for (const path of ['/auth', '/auth/nothing', '/loginx', '/auth/sessions/a/b']) {
        assert.equal((await ask(path)).status, 404, path)
      }
    })

    it('take the peer that the server knows', async (t) => {
      const { auth } = await openDirect(t)
      await auth.users.add({ name: 'ada' })
      const { certificate } = authority.issue({ names: ['ada'], client: true })
      await auth.certificates.add('ada', certificate.pem)
      const peer = (): AuthPeer => ({ address: '192.0.2.1', encrypted: true, certificate })
      const { ask, close } = await start(auth, { peer })
      t.after(close)
      assert.equal(JSON.parse((await ask('/auth/session')).text).via, 'mtls')
      const misspelt: NodeRoutesOptions = JSON.parse('{"peers":1}')
      assert.throws(() => auth.expressRoutes(misspelt), { code: 'option-unknown' })
      assert.throws(() => auth.fastifyRoutes(misspelt), { code: 'option-unknown' })
    })
  })
}

describe('the routes in Express 5', () => {
  it('say so where a body was read before them', async (t) => {
    const { auth } = await openDirect(t)
    const app = express()
    app.use(express.json())
    app.use(auth.expressRoutes())
    app.use(tellFault)
    const { ask, close } = await listening(createServer(tls, app))
    t.after(close)
    const json = { username: 'ada', password: PASSWORD }
    const answer = await ask('/login', { method: 'POST', json })
    assert.deepEqual([answer.status, answer.text], [500, 'body-taken'])
    // Without a body there is nothing to miss.
    assert.equal((await ask('/auth/logout', { method: 'POST' })).status, 204)
  })
})

async function startExpress(auth: Auth, options?: NodeRoutesOptions): Promise<Started> {
  const app = express()
  app.use(auth.expressRoutes(options))
  app.get('/me', auth.express(), (request, response) => {
    response.send(callerOf(request).principal.name)
  })
  app.post('/echo', express.json(), (request, response) => {
    response.json(request.body)
  })
  app.get('/admin/pages/own', (_request, response) => {
    response.send('own')
  })
  return await listening(createServer(tls, app))
}

const tellFault: express.ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(500).send(String(error.code))
}

async function startFastify(auth: Auth, options?: NodeRoutesOptions): Promise<Started> {
  const app = fastify({ https: tls })
  await app.register(auth.fastifyRoutes(options))
  app.route({
    method: 'GET',
    url: '/me',
    onRequest: auth.fastify(),
    handler: async (request) => callerOf(request).principal.name,
  })
  app.route({ method: 'POST', url: '/echo', handler: async (request) => request.body })
  app.route({ method: 'GET', url: '/admin/pages/own', handler: async () => 'own' })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { ask: asker(port), close: async () => app.close() }
}

async function listening(server: Server): Promise<Started> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    resolve(typeof address === 'object' && address !== null ? address.port : 0)
  })
  return {
    ask: asker(await promise),
    close: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

function asker(port: number): Started['ask'] {
  return async (path, { method = 'GET', headers = {}, json, form } = {}) => {
    const body =
      json === undefined ? form && new URLSearchParams(form).toString() : JSON.stringify(json)
    const kind =
      json === undefined
        ? form && { 'content-type': 'application/x-www-form-urlencoded' }
        : JSON_TYPE
    return await askTls({
      port,
      path,
      method,
      headers: { ...kind, ...headers },
      ca: authority.rootPem,
      ...(body === undefined ? {} : { body }),
    })
  }
}
