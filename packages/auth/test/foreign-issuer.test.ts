import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createServer, request } from 'node:https'
import { after, before, describe, it } from 'node:test'
import { createJwtVerifier, type FetchKeys, type JwtVerifier } from '@countersign/auth'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { Provider } from 'oidc-provider'
import { startOAuth } from './oauth-service.ts'

scrubProcess()

const authority = testAuthority()
const identity = authority.issue({ names: ['localhost'] })
const API = 'https://api.test'
const SECRET = 'a secret of this test alone, of no use elsewhere'

describe('oidc-provider as an issuer', () => {
  let issuer = ''
  const server = createServer({ cert: identity.chainPem, key: identity.keyPem })
  before(async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    server.listen(0, '127.0.0.1', resolve)
    await promise
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    issuer = `https://localhost:${address.port}`
    const answer = provider(issuer).callback()
    server.on('request', (incoming, outgoing) => {
      void answer(incoming, outgoing)
    })
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  async function token(): Promise<string> {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'robot',
      client_secret: SECRET,
      resource: API,
      scope: 'reports:read',
    })
    const answer = await send(`${issuer}/token`, form.toString())
    const body: unknown = await answer.json()
    assert.equal(answer.status, 200, JSON.stringify(body))
    return String(Reflect.get(Object(body), 'access_token'))
  }

  function verifier(options: { issuer?: string; audience?: string } = {}): JwtVerifier {
    return createJwtVerifier({
      issuer,
      audience: API,
      jwksUri: `${issuer}/jwks`,
      fetch: fetchKeys,
      algorithms: ['ES256'],
      ...options,
    })
  }

  it('hands out access tokens that our verifier accepts, with keys fetched by our trust', async () => {
    const text = await token()
    const verdict = await verifier().verify(text)
    assert.ok(verdict.ok, JSON.stringify(verdict))
    assert.equal(verdict.claims['client_id'], 'robot')
    assert.equal(verdict.claims['scope'], 'reports:read')
  })

  it('is trusted for its subjects by a service of ours, which hands out tokens of its own', async (t) => {
    const service = await startOAuth(t, {
      clock: () => new Date(),
      tokens: {
        trustedIssuers: [
          {
            issuer,
            audience: API,
            jwksUri: `${issuer}/jwks`,
            fetch: fetchKeys,
            types: ['at+jwt'],
            principalOf: ({ sub }) => (sub === 'robot' ? 'their-robot' : undefined),
          },
        ],
      },
    })
    await service.auth.users.add({ name: 'their-robot', kind: 'service' })
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: await token(),
    }
    const answer = await service.token(form)
    assert.equal(answer.status, 200, JSON.stringify(service.events.at(-1)))
    const headers = { authorization: `Bearer ${String(answer.body['access_token'])}` }
    assert.equal((await service.send('/private', { headers })).status, 200)
  })

  it('hands out tokens that are refused elsewhere, or changed', async () => {
    const text = await token()
    const codes = await Promise.all(
      [
        verifier({ audience: 'https://other.test' }).verify(text),
        verifier({ issuer: `${issuer}/` }).verify(text),
        verifier().verify(`${text.slice(0, -4)}AAAA`),
      ].map(async (verdict) => {
        const settled = await verdict
        return settled.ok ? 'accepted' : settled.code
      }),
    )
    assert.deepEqual(codes, ['audience-mismatch', 'issuer-mismatch', 'signature-invalid'])
  })
})

function provider(issuer: string): Provider {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return new Provider(issuer, {
    jwks: {
      keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' }],
    },
    clients: [
      {
        client_id: 'robot',
        client_secret: SECRET,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_post',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'reports:read',
          audience: API,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
}

const fetchKeys: FetchKeys = (url) => send(url)

/** One request with our trust; a form where there is a body. */
async function send(url: string, body?: string): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }
  const method = body === undefined ? 'GET' : 'POST'
  const sent = request(
    url,
    { method, headers, agent: false, family: 4, ca: authority.rootPem },
    resolve,
  )
  sent.once('error', reject)
  sent.end(body)
  const incoming = await promise
  const chunks: Uint8Array[] = []
  for await (const chunk of incoming) if (chunk instanceof Uint8Array) chunks.push(chunk)
  return new Response(Buffer.concat(chunks), { status: incoming.statusCode ?? 0 })
}
