import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, hash, type KeyObject, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { describe, it } from 'node:test'
import { callerOf } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import express from 'express'
import fastify from 'fastify'
import { askTls } from './ask-tls.ts'
import {
  addClient,
  type Answer,
  claimsOf,
  JWT_BEARER,
  jwt,
  type OAuthService,
  startOAuth,
} from './oauth-service.ts'

scrubProcess()

const authority = testAuthority()
const front = authority.issue({ names: ['localhost', '127.0.0.1'] })
const frontOf = { tls: { cert: front.chainPem, key: front.keyPem }, ca: authority.rootPem }
const KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const OTHER = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

function jwkOf(key: KeyObject): object {
  return createPublicKey(key).export({ format: 'jwk' })
}

/** A proof for a request, but for what is given. */
function proof(
  service: OAuthService,
  claims: object,
  header: object = {},
  key: KeyObject = KEY,
): string {
  return jwt(
    key,
    { typ: 'dpop+jwt', alg: 'ES256', jwk: jwkOf(key), ...header },
    {
      jti: randomUUID(),
      htm: 'GET',
      htu: `${service.origin}/private`,
      iat: Math.floor(service.now().getTime() / 1000),
      ...claims,
    },
  )
}

/** A token bound to `KEY`. */
async function boundToken(service: OAuthService): Promise<string> {
  const robot = await addClient(service, 'robot')
  const dpop = proof(service, { htm: 'POST', htu: `${service.origin}/oauth/token` })
  const form = { grant_type: 'client_credentials', ...robot.proof(service) }
  const { status, body } = await service.token(form, { headers: { dpop } })
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(body['token_type'], 'DPoP')
  return String(body['access_token'])
}

/** Asks with a proof for an address, and with one for another. */
async function tryBoth(
  service: OAuthService,
  token: string,
  port: number,
  path: string,
): Promise<void> {
  const ath = hash('sha256', token, 'base64url')
  for (const [target, status] of [
    [path, 200],
    ['/', 401],
  ] as const) {
    const htu = `https://localhost:${port}${target}`
    const { ca } = frontOf
    const headers = {
      host: `localhost:${port}`,
      authorization: `DPoP ${token}`,
      dpop: proof(service, { ath, htu }),
    }
    const answer = await askTls({ port, path: `${path}?q=1`, headers, method: 'GET', ca })
    assert.equal(answer.status, status, `${target} ${answer.text}`)
  }
}

describe('a token that is bound to a key', () => {
  it('is good with a proof for each request, and with nothing else', async (t) => {
    const service = await startOAuth(t)
    const token = await boundToken(service)
    const jkt = Reflect.get(Object(claimsOf(token)['cnf']), 'jkt')
    const { x, y } = createPublicKey(KEY).export({ format: 'jwk' })
    const thumbprint = hash(
      'sha256',
      JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }),
      'base64url',
    )
    assert.equal(jkt, thumbprint)
    const ath = hash('sha256', token, 'base64url')
    const call = (
      headers: Record<string, string>,
      path = '/private',
      method = 'GET',
    ): Promise<Answer> => service.send(path, { method, headers })
    const authorization = `DPoP ${token}`
    const good = proof(service, { ath })
    assert.equal((await call({ authorization, dpop: good })).status, 200)
    const replayed = await call({ authorization, dpop: good })
    assert.equal(replayed.status, 401)
    assert.equal(replayed.body['code'], 'dpop-proof-invalid')
    assert.match(
      replayed.headers.get('www-authenticate') ?? '',
      /^DPoP realm="countersign", error="invalid_dpop_proof", error_description="[^"]+", algs="ES256 [^"]+"$/,
    )
    const query = await call({ authorization, dpop: proof(service, { ath }) }, '/private?a=1#b')
    assert.equal(query.status, 200, 'the query does not count')
    const written = proof(service, {
      ath,
      htu: `${service.origin.replace('https', 'HTTPS')}/%70rivate?x`,
    })
    assert.equal((await call({ authorization, dpop: written })).status, 200, 'the same address')
    const seconds = Math.floor(service.now().getTime() / 1000)
    const rows: [reason: string, dpop: string | undefined][] = [
      ['dpop-missing', undefined],
      ['dpop-malformed', 'x'],
      ['dpop-malformed', `${proof(service, { ath })}, ${proof(service, { ath })}`],
      ['dpop-type', proof(service, { ath }, { typ: 'JWT' })],
      ['dpop-type', proof(service, { ath }, { typ: undefined })],
      ['dpop-malformed', proof(service, { ath }, { crit: ['x'] })],
      ['dpop-algorithm', proof(service, { ath }, { alg: 'none' })],
      ['dpop-algorithm', proof(service, { ath }, { alg: 'HS256' })],
      ['dpop-algorithm', proof(service, { ath }, { alg: 'RS256' })],
      ['dpop-key', proof(service, { ath }, { alg: 'ES384' })],
      ['dpop-key', proof(service, { ath }, { jwk: undefined })],
      ['dpop-key', proof(service, { ath }, { jwk: KEY.export({ format: 'jwk' }) })],
      ['dpop-key', proof(service, { ath }, { jwk: { kty: 'oct', k: 'AAAA' } })],
      ['dpop-signature', proof(service, { ath }, { jwk: jwkOf(OTHER) })],
      ['dpop-method', proof(service, { ath, htm: 'POST' })],
      ['dpop-method', proof(service, { ath, htm: 'get' })],
      ['dpop-address', proof(service, { ath, htu: `${service.origin}/other` })],
      ['dpop-address', proof(service, { ath, htu: `${service.origin}/private/` })],
      ['dpop-address', proof(service, { ath, htu: 'https://other.test/private' })],
      ['dpop-address', proof(service, { ath, htu: `http${service.origin.slice(5)}/private` })],
      ['dpop-address', proof(service, { ath, htu: '/private' })],
      ['dpop-address', proof(service, { ath, htu: 1 })],
      ['dpop-time', proof(service, { ath, iat: seconds - 62 })],
      ['dpop-time', proof(service, { ath, iat: seconds + 62 })],
      ['dpop-time', proof(service, { ath, iat: undefined })],
      ['dpop-time', proof(service, { ath, iat: String(seconds) })],
      ['dpop-token', proof(service, {})],
      ['dpop-token', proof(service, { ath: hash('sha256', `${token}x`, 'base64url') })],
      ['dpop-malformed', proof(service, { ath, jti: undefined })],
      ['dpop-malformed', proof(service, { ath, jti: '' })],
      ['dpop-malformed', proof(service, { ath, jti: 'j'.repeat(300) })],
      ['key-differs', proof(service, { ath }, {}, OTHER)],
    ]
    for (const [reason, dpop] of rows) {
      const headers = dpop === undefined ? { authorization } : { authorization, dpop }
      const answer = await call(headers)
      assert.equal(answer.status, 401, reason)
      assert.equal(service.events.at(-1)?.reason, reason, dpop)
    }
    const bearer = await call({ authorization: `Bearer ${token}`, dpop: proof(service, { ath }) })
    assert.equal(bearer.status, 401, 'RFC 9449 §7.1: not as a bearer token')
    const none = await service.send('/private')
    assert.match(
      none.headers.get('www-authenticate') ?? '',
      /^Bearer realm="countersign", DPoP algs="ES256 /,
    )
  })

  it('is not what a token is that was never bound', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const form = { grant_type: 'client_credentials', ...robot.proof(service) }
    const { body } = await service.token(form)
    const token = String(body['access_token'])
    const dpop = proof(service, { ath: hash('sha256', token, 'base64url') })
    const answer = await service.send('/private', {
      headers: { authorization: `DPoP ${token}`, dpop },
    })
    assert.equal(answer.status, 401)
    assert.equal(service.events.at(-1)?.reason, 'dpop-unbound')
  })

  it('is not got with a proof that does not fit', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    for (const dpop of ['x', proof(service, {}), proof(service, { htm: 'POST' })]) {
      const form = { grant_type: 'client_credentials', ...robot.proof(service) }
      const answer = await service.token(form, { headers: { dpop } })
      assert.deepEqual([answer.status, answer.body['error']], [400, 'invalid_dpop_proof'])
    }
  })

  it('is refreshed by the same key only, and a thief without it ends nothing', async (t) => {
    const service = await startOAuth(t)
    const alice = await addClient(service, 'alice', { kind: 'user' })
    const at = { htm: 'POST', htu: `${service.origin}/oauth/token` }
    const form = {
      grant_type: JWT_BEARER,
      assertion: alice.assertion(service),
      scope: 'offline_access',
    }
    const got = await service.token(form, { headers: { dpop: proof(service, at) } })
    assert.equal(got.status, 200, JSON.stringify(got.body))
    const refresh = {
      grant_type: 'refresh_token',
      refresh_token: String(got.body['refresh_token']),
    }
    const thief = await service.token(refresh)
    assert.equal(thief.body['error'], 'invalid_grant')
    const other = await service.token(refresh, { headers: { dpop: proof(service, at, {}, OTHER) } })
    assert.equal(other.body['error'], 'invalid_grant')
    const owner = await service.token(refresh, { headers: { dpop: proof(service, at) } })
    assert.equal(owner.status, 200)
    assert.equal(owner.body['token_type'], 'DPoP')
  })
})

describe('a service that asks for nonces', () => {
  it('says which, and takes it for ten minutes at most', async (t) => {
    const service = await startOAuth(t, { tokens: { dpopNonces: true } })
    const robot = await addClient(service, 'robot')
    const at = { htm: 'POST', htu: `${service.origin}/oauth/token` }
    const ask = (claims: object): Promise<Answer> => {
      const form = { grant_type: 'client_credentials', ...robot.proof(service) }
      return service.token(form, { headers: { dpop: proof(service, { ...at, ...claims }) } })
    }
    const first = await ask({})
    assert.deepEqual([first.status, first.body['error']], [400, 'use_dpop_nonce'])
    const nonce = first.headers.get('dpop-nonce') ?? ''
    assert.match(nonce, /^[\w-]{43}$/)
    assert.equal((await ask({ nonce: 'mine' })).body['error'], 'use_dpop_nonce')
    const got = await ask({ nonce })
    assert.equal(got.status, 200)
    const token = String(got.body['access_token'])
    const ath = hash('sha256', token, 'base64url')
    const call = (claims: object): Promise<Answer> =>
      service.send('/private', {
        headers: { authorization: `DPoP ${token}`, dpop: proof(service, { ath, ...claims }) },
      })
    const refused = await call({})
    assert.equal(refused.status, 401)
    assert.equal(refused.body['code'], 'dpop-nonce-required')
    assert.match(refused.headers.get('www-authenticate') ?? '', /^DPoP .*error="use_dpop_nonce"/)
    assert.equal((await call({ nonce: refused.headers.get('dpop-nonce') })).status, 200)
    service.pass(600_000)
    assert.equal((await ask({ nonce })).body['error'], 'use_dpop_nonce')
  })
})

describe('a token that is bound to a key, in other frameworks', () => {
  it('is good in Express, below a path as well', async (t) => {
    const service = await startOAuth(t)
    const token = await boundToken(service)
    const app = express()
    const below = express.Router()
    below.get('/mine', service.auth.express(), (request, response) => {
      response.send(callerOf(request).principal.name)
    })
    app.use('/reports', below)
    const server = createServer(frontOf.tls, app)
    const listening = once(server, 'listening')
    server.listen(0, '127.0.0.1')
    await listening
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await tryBoth(service, token, port, '/reports/mine')
  })

  it('is good in Fastify', async (t) => {
    const service = await startOAuth(t)
    const token = await boundToken(service)
    const app = fastify({ https: frontOf.tls })
    app.route({
      method: 'GET',
      url: '/reports/mine',
      onRequest: service.auth.fastify(),
      handler: async (request) => callerOf(request).principal.name,
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    t.after(async () => app.close())
    const address = app.server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await tryBoth(service, token, port, '/reports/mine')
  })
})
