import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import { describe, it } from 'node:test'
import { type Auth, callerOf, type NodeGuardOptions } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import express from 'express'
import fastify from 'fastify'
import { openDirect } from './direct.ts'
import { PASSWORD } from './service.ts'
import { type Answer, askTls } from './ask-tls.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost', '127.0.0.1'] })
const tls = { cert: identity.chainPem, key: identity.keyPem }
type Ask = (path: string, headers?: Record<string, string>, method?: string) => Promise<Answer>

interface Started {
  ask: Ask
  close: () => Promise<void>
}

const FRAMEWORKS: [string, (auth: Auth) => Promise<Started>][] = [
  ['Express 5', startExpress],
  ['Fastify 5', startFastify],
]

for (const [name, start] of FRAMEWORKS) {
  describe(`a guard in ${name}`, () => {
    it('lets in who may, and tells the others what is missing', async (t) => {
      const direct = await openDirect(t)
      const { auth, signIn } = direct
      await auth.users.add({ name: 'ada', password: PASSWORD, roles: ['reader'] })
      const { token } = await auth.tokens.create('ada', { label: 'x', scopes: ['a'] })
      const cookie = await signIn('ada')
      const { ask, close } = await start(auth)
      t.after(close)
      const authorization = `Bearer ${token}`
      const rows: [string, Record<string, string>, number, string][] = [
        ['/me', {}, 401, 'credentials-required'],
        ['/me', { cookie }, 200, 'ada'],
        ['/me', { authorization }, 200, 'ada'],
        ['/me', { cookie, authorization }, 400, 'two-credentials'],
        ['/me', { cookie: `${cookie}; ${cookie}` }, 401, 'credentials-invalid'],
        ['/readers', { cookie }, 200, 'ada'],
        ['/admins', { cookie }, 403, 'role-missing'],
        ['/scoped', { authorization }, 403, 'scope-missing'],
        ['/scoped', { cookie }, 200, 'ada'],
        ['/open', {}, 500, 'not-guarded'],
      ]
      for (const [path, headers, status, words] of rows) {
        const answer = await ask(path, headers)
        assert.equal(answer.status, status, `${path} ${answer.text}`)
        assert.match(answer.text, new RegExp(words))
        if (status === 401) assert.ok(answer.headers['www-authenticate'])
      }
      const forged = { cookie, 'sec-fetch-site': 'cross-site' }
      assert.equal((await ask('/me', forged, 'POST')).status, 403)
      assert.equal((await ask('/me', { cookie }, 'POST')).status, 200)
      assert.equal((await ask('/me', { host: 'not a host' })).status, 400)
    })

    it('hands a renewed token out, and asks for a fresh proof', async (t) => {
      const { auth, pass, signIn } = await openDirect(t)
      await auth.users.add({ name: 'ada', password: PASSWORD })
      const cookie = await signIn('ada')
      const { ask, close } = await start(auth)
      t.after(close)
      assert.equal((await ask('/me', { cookie })).headers['set-cookie'], undefined)
      await auth.users.setRoles('ada', ['reader'])
      const [renewed = ''] = (await ask('/me', { cookie })).headers['set-cookie'] ?? []
      assert.match(
        renewed,
        /^__Host-countersign-sid=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
      )
      pass(16 * 60_000)
      const stale = await ask('/fresh', { cookie: renewed.split(';')[0] ?? '' })
      assert.equal(stale.status, 401)
      assert.match(String(stale.headers['www-authenticate']), /max_age="900"/)
    })

    it('refuses a misspelt rule when it is made', async (t) => {
      const { auth } = await openDirect(t)
      const misspelt: NodeGuardOptions = JSON.parse('{"role":["admin"]}')
      const make = (options: NodeGuardOptions): unknown =>
        name === 'Express 5' ? auth.express(options) : auth.fastify(options)
      assert.throws(() => make(misspelt), { code: 'option-unknown' })
      assert.throws(() => make({ maxAuthAgeMs: 0.5 }), { code: 'option-invalid' })
    })
  })
}

async function startExpress(auth: Auth): Promise<Started> {
  const app = express()
  for (const [path, options] of ROUTES) {
    app.all(path, auth.express(options), (request, response) => {
      response.type('text').send(callerOf(request).principal.name)
    })
  }
  app.get('/open', (request, response) => {
    response.send(callerOf(request).principal.name)
  })
  app.use(tellFault)
  const server = createServer(tls, app)
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  return {
    ask: asker(port),
    close: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const tellFault: express.ErrorRequestHandler = (error, _request, response, _next) => {
  response.status(500).send(String(error.code))
}

async function startFastify(auth: Auth): Promise<Started> {
  const app = fastify({ https: tls })
  for (const [path, options] of ROUTES) {
    app.route({
      method: ['GET', 'POST'],
      url: path,
      onRequest: auth.fastify(options),
      handler: async (request) => callerOf(request).principal.name,
    })
  }
  app.route({
    method: 'GET',
    url: '/open',
    handler: async (request) => callerOf(request).principal.name,
  })
  app.setErrorHandler(async (error, _request, reply) => {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown'
    return await reply.code(500).send(String(code))
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { ask: asker(port), close: async () => app.close() }
}

const ROUTES: [string, NodeGuardOptions | undefined][] = [
  ['/me', undefined],
  ['/readers', { roles: ['reader'] }],
  ['/admins', { roles: ['admin'] }],
  ['/scoped', { scopes: ['reports:read'] }],
  ['/fresh', { maxAuthAgeMs: 900_000 }],
]

function asker(port: number): Ask {
  return (path, headers = {}, method = 'GET') =>
    askTls({ port, path, headers, method, ca: authority.rootPem })
}
