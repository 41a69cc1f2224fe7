import assert from 'node:assert/strict'
import { type KeyObject, randomUUID, webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { createJwtVerifier } from '@countersign/auth'
import {
  requirePython,
  requireTool,
  runCommand,
  scrubProcess,
  temporaryFolder,
} from '@countersign/testkit'
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { addCertificate } from './oauth-certificates.ts'
import {
  addClient,
  clientIdentity,
  JWT_BEARER,
  type KeyClient,
  type OAuthService,
  startOAuth,
} from './oauth-service.ts'

scrubProcess()

/** Theirs is the machine's, so ours is too. */
const clock = (): Date => new Date()

/** openid-client as a stranger sets it up: by discovery, with a key. */
async function discovered(service: OAuthService, of: KeyClient): Promise<client.Configuration> {
  return await client.discovery(
    new URL(service.origin),
    of.name,
    {},
    client.PrivateKeyJwt(await cryptoKey(of.key)),
    {
      algorithm: 'oauth2',
      [client.customFetch]: service.fetch(),
    },
  )
}

async function cryptoKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const pkcs8 = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }))
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  return await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
}

describe('openid-client', () => {
  it('finds our endpoints, and gets a token by private_key_jwt', async (t) => {
    const service = await startOAuth(t, { clock })
    const robot = await addClient(service, 'robot', { scopes: ['reports:read'] })
    const config = await discovered(service, robot)
    const tokens = await client.clientCredentialsGrant(config, { scope: 'reports:read' })
    assert.equal(tokens.token_type, 'bearer')
    assert.equal(tokens.scope, 'reports:read')
    const reports = new URL('/reports', service.origin)
    const response = await client.fetchProtectedResource(
      config,
      tokens.access_token,
      reports,
      'GET',
    )
    assert.equal(await response.text(), 'reports')
    await assert.rejects(client.clientCredentialsGrant(config, { scope: 'admin' }), {
      error: 'invalid_scope',
    })
  })

  it('refreshes, introspects and revokes', async (t) => {
    const service = await startOAuth(t, { clock })
    const robot = await addClient(service, 'robot')
    const config = await discovered(service, robot)
    const assertion = robot.assertion(service)
    const parameters = { assertion, scope: 'reports:read offline_access' }
    const first = await client.genericGrantRequest(config, JWT_BEARER, parameters)
    const second = await client.refreshTokenGrant(config, first.refresh_token ?? '')
    assert.notEqual(second.refresh_token, first.refresh_token)
    const facts = await client.tokenIntrospection(config, second.access_token)
    assert.equal(facts.active, true)
    assert.equal(facts.client_id, 'robot')
    await client.tokenRevocation(config, second.refresh_token ?? '')
    assert.deepEqual(await client.tokenIntrospection(config, second.access_token), {
      active: false,
    })
    await assert.rejects(client.refreshTokenGrant(config, second.refresh_token ?? ''), {
      error: 'invalid_grant',
    })
    const third = await client.clientCredentialsGrant(config)
    await client.tokenRevocation(config, third.access_token)
    assert.deepEqual(await client.tokenIntrospection(config, third.access_token), { active: false })
  })

  it('proves possession of a key (DPoP), with and without nonces', async (t) => {
    for (const dpopNonces of [false, true]) {
      const service = await startOAuth(t, { clock, tokens: { dpopNonces } })
      const robot = await addClient(service, 'robot')
      const config = await discovered(service, robot)
      const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
      const assertion = robot.assertion(service)
      const wanted = { assertion, scope: '* offline_access' }
      const first = await client.genericGrantRequest(config, JWT_BEARER, wanted, { DPoP })
      assert.equal(first.token_type, 'dpop')
      const tokens = await client.refreshTokenGrant(config, first.refresh_token ?? '', {}, { DPoP })
      const address = new URL('/private', service.origin)
      const call = async (): Promise<Response> =>
        await client.fetchProtectedResource(
          config,
          tokens.access_token,
          address,
          'GET',
          null,
          undefined,
          { DPoP },
        )
      assert.equal((await call()).status, 200)
      assert.equal((await call()).status, 200)
      const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
      await assert.rejects(
        client.fetchProtectedResource(
          config,
          tokens.access_token,
          address,
          'GET',
          null,
          undefined,
          { DPoP: other },
        ),
      )
    }
  })

  it('proves itself with a certificate (tls_client_auth)', async (t) => {
    const service = await startOAuth(t, { clock })
    await service.auth.users.add({ name: 'robot', kind: 'service' })
    const identity = clientIdentity('robot')
    await addCertificate(service, 'robot', identity)
    // The same service on the port that asks for certificates (RFC 8705 §5).
    const metadata = {
      issuer: service.origin,
      token_endpoint: `${service.mutual}/oauth/token`,
      introspection_endpoint: `${service.mutual}/oauth/introspect`,
    }
    const config = new client.Configuration(metadata, 'robot', {}, client.TlsClientAuth())
    config[client.customFetch] = service.fetch(identity)
    const tokens = await client.clientCredentialsGrant(config)
    const address = new URL('/private', service.mutual)
    const response = await client.fetchProtectedResource(
      config,
      tokens.access_token,
      address,
      'GET',
    )
    assert.equal(response.status, 200)
    const facts = await client.tokenIntrospection(config, tokens.access_token)
    assert.equal(typeof facts.cnf?.['x5t#S256'], 'string')
    config[client.customFetch] = service.fetch(clientIdentity('robot'))
    await assert.rejects(client.clientCredentialsGrant(config), { error: 'invalid_client' })
  })
})

describe('our tokens', () => {
  const folder = temporaryFolder(after)
  it('are verified by jose and by ours, and refused by both where somebody changed them', async (t) => {
    for (const algorithm of ['ES256', 'EdDSA', 'ML-DSA-65'] as const) {
      const service = await startOAuth(t, { clock, tokens: { algorithm } })
      const { good, bad } = await samples(service, await addClient(service, 'robot'))
      const jwksUri = `${service.origin}/.well-known/jwks.json`
      const keys = createRemoteJWKSet(new URL(jwksUri), { [customFetch]: service.fetch() })
      const named = { issuer: service.origin, audience: service.origin }
      const jose = async (text: string): Promise<unknown> =>
        (await jwtVerify(text, keys, { ...named, typ: 'at+jwt', algorithms: [algorithm] })).payload
      const ours = createJwtVerifier({
        ...named,
        jwksUri,
        fetch: service.fetch(),
        algorithms: [algorithm],
      })
      const verdict = await ours.verify(good)
      assert.equal(verdict.ok, true, algorithm)
      assert.deepEqual(await jose(good), verdict.ok ? verdict.claims : undefined)
      for (const [name, text] of bad) {
        await assert.rejects(jose(text), `${algorithm}: ${name}`)
        assert.equal((await ours.verify(text)).ok, false, `${algorithm}: ${name}`)
      }
    }
  })

  it('are verified by the jose of the command line, and refused where somebody changed them', async (t) => {
    const jose = requireTool(t, 'jose')
    if (jose === undefined) return
    const service = await startOAuth(t, { clock })
    const { good, bad } = await samples(service, await addClient(service, 'robot'))
    const keys = path.join(folder, 'jwks.json')
    writeFileSync(keys, JSON.stringify((await service.send('/.well-known/jwks.json')).body))
    const verify = async (text: string): Promise<number | null> => {
      const args = ['jws', 'ver', '-i', '-', '-k', keys, '-O', '-']
      const { code, stdout } = await runCommand(jose, args, { input: text })
      if (code === 0) assert.equal(JSON.parse(stdout).client_id, 'robot')
      return code
    }
    assert.equal(await verify(good), 0)
    for (const [name, text] of bad) assert.notEqual(await verify(text), 0, name)
  })

  it('are verified by PyJWT, and refused where somebody changed them', async (t) => {
    const python = requirePython(t, { modules: ['jwt', 'cryptography'] })
    if (python === undefined) return
    for (const algorithm of ['ES256', 'EdDSA'] as const) {
      const service = await startOAuth(t, { clock, tokens: { algorithm } })
      const { good, bad } = await samples(service, await addClient(service, 'robot'))
      const jwks = (await service.send('/.well-known/jwks.json')).body
      const input = JSON.stringify({
        jwks,
        issuer: service.origin,
        algorithm,
        tokens: [good, ...bad.values()],
      })
      const { code, stdout, stderr } = await runCommand(python, ['-c', PYTHON], { input })
      assert.equal(code, 0, stderr)
      const [first, ...others] = stdout.trim().split('\n')
      assert.equal(first, 'robot', algorithm)
      assert.deepEqual(new Set(others), new Set(['refused']), algorithm)
      assert.equal(others.length, bad.size)
    }
  })
})

/** Good and tampered ones of each algorithm. */
async function samples(
  service: OAuthService,
  robot: KeyClient,
): Promise<{ good: string; bad: Map<string, string> }> {
  const form = { grant_type: 'client_credentials', ...robot.proof(service) }
  const good = String((await service.token(form)).body['access_token'])
  const [header = '', claims = '', signature = ''] = good.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes[3] = (bytes[3] ?? 0) ^ 4
  const bad = new Map([
    ['other claims', `${header}.${edit(claims, { sub: randomUUID() })}.${signature}`],
    ['another header', `${edit(header, { typ: 'JWT' })}.${claims}.${signature}`],
    ['alg none', `${edit(header, { alg: 'none' })}.${claims}.`],
    ['a bit turned', `${header}.${claims}.${bytes.toString('base64url')}`],
    ['zeros', `${header}.${claims}.${Buffer.alloc(bytes.length).toString('base64url')}`],
  ])
  return { good, bad }
}

/** A part of a token, changed. */
function edit(part: string, change: object): string {
  const value: object = JSON.parse(Buffer.from(part, 'base64url').toString())
  return Buffer.from(JSON.stringify({ ...value, ...change })).toString('base64url')
}

const PYTHON = `
import json, sys, jwt
given = json.load(sys.stdin)
keys = {key['kid']: jwt.PyJWK(key) for key in given['jwks']['keys']}
for token in given['tokens']:
    try:
        key = keys[jwt.get_unverified_header(token)['kid']]
        claims = jwt.decode(token, key.key, algorithms=[given['algorithm']], audience=given['issuer'], issuer=given['issuer'],
                            options={'require': ['exp', 'iat', 'sub', 'jti']})
        print(claims['client_id'])
    except jwt.PyJWTError:
        print('refused')
`
