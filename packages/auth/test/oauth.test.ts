import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import {
  ACCESS_TOKEN_TYPE,
  addClient,
  claimsOf,
  clientIdentity,
  JWT_BEARER,
  keyClient,
  type OAuthService,
  startOAuth,
  TOKEN_EXCHANGE,
} from './oauth-service.ts'
import { thumbprintOfCertificate, addCertificate } from './oauth-certificates.ts'

scrubProcess()

const CLIENT = { grant_type: 'client_credentials' }

function bearer(token: unknown): Record<string, string> {
  return { authorization: `Bearer ${String(token)}` }
}

function basic(name: string, secret: string): { headers: Record<string, string> } {
  const pair = Buffer.from(`${name}:${secret}`).toString('base64')
  return { headers: { authorization: `Basic ${pair}` } }
}

describe('POST /oauth/token with client_credentials', () => {
  it('hands a service an access token with which it is recognised', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot', { roles: ['reader'] })
    const answer = await service.token({ ...CLIENT, ...robot.proof(service) })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    const { access_token: token, token_type, expires_in, scope, ...rest } = answer.body
    assert.deepEqual(
      { token_type, expires_in, scope, rest },
      { token_type: 'Bearer', expires_in: 300, scope: '*', rest: {} },
    )
    const { iat, nbf, exp, jti, auth_time, sub, cred, ...claims } = claimsOf(token)
    assert.deepEqual(claims, {
      iss: service.origin,
      aud: service.origin,
      client_id: 'robot',
      scope: '*',
      roles: ['reader'],
      amr: ['swk'],
      aal: 1,
      epoch: 0,
    })
    assert.equal(Number(exp) - Number(iat), 300)
    assert.equal(nbf, iat)
    assert.equal(auth_time, iat)
    assert.match(String(jti), /^[\w-]{22}$/)
    const headers = bearer(token)
    const who = await service.send('/private', { headers })
    assert.equal(who.status, 200)
    assert.equal(who.body['via'], 'jwt')
    const keys = await service.auth.publicKeys.list('robot')
    assert.deepEqual([sub, cred], [Reflect.get(Object(who.body['principal']), 'id'), keys[0]?.id])
    service.pass(299_000)
    assert.equal((await service.send('/private', { headers })).status, 200)
    service.pass(1000)
    assert.equal((await service.send('/private', { headers })).status, 401)
  })

  it('narrows scopes, and never gives more than the key may have', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot', { scopes: ['reports:read', 'reports:write'] })
    const ask = async (scope: string): Promise<[number, unknown]> => {
      const { status, body } = await service.token({ ...CLIENT, ...robot.proof(service), scope })
      return [status, body['scope'] ?? body['error']]
    }
    assert.deepEqual(await ask(''), [200, 'reports:read reports:write'])
    assert.deepEqual(await ask('reports:read'), [200, 'reports:read'])
    assert.deepEqual(await ask('reports:read admin'), [400, 'invalid_scope'])
    assert.deepEqual(await ask('*'), [400, 'invalid_scope'])
    assert.deepEqual(await ask('* reports:read'), [400, 'invalid_scope'])
    assert.deepEqual(await ask('offline_access'), [400, 'invalid_scope'])
    const all = await addClient(service, 'all')
    const odd = await service.token({ ...CLIENT, ...all.proof(service), scope: 'a"b' })
    assert.deepEqual([odd.status, odd.body['error']], [400, 'invalid_scope'])
    const narrow = await service.token({ ...CLIENT, ...all.proof(service), scope: 'reports:list' })
    const refused = await service.send('/reports', { headers: bearer(narrow.body['access_token']) })
    assert.equal(refused.status, 403)
    assert.match(refused.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/)
    const fit = await service.token({ ...CLIENT, ...all.proof(service), scope: 'reports:read' })
    const admitted = await service.send('/reports', { headers: bearer(fit.body['access_token']) })
    assert.equal(admitted.status, 200)
  })

  it('makes tokens for the audiences that are configured, and takes only those for itself', async (t) => {
    const service = await startOAuth(t, { tokens: { audiences: ['https://api.test'] } })
    const robot = await addClient(service, 'robot')
    const ask = async (form: Record<string, string>): ReturnType<OAuthService['token']> =>
      await service.token({ ...CLIENT, ...robot.proof(service), ...form })
    const elsewhere = await ask({ resource: 'https://api.test' })
    assert.equal(claimsOf(elsewhere.body['access_token'])['aud'], 'https://api.test')
    const headers = { authorization: `Bearer ${String(elsewhere.body['access_token'])}` }
    assert.equal((await service.send('/private', { headers })).status, 401)
    assert.ok(service.events.some(({ reason }) => reason === 'jwt-audience-mismatch'))
    assert.equal((await ask({ audience: 'https://api.test' })).status, 200)
    for (const form of [
      { resource: 'https://other.test' },
      { resource: 'https://api.test', audience: service.origin },
    ]) {
      const refused = await ask(form)
      assert.deepEqual([refused.status, refused.body['error']], [400, 'invalid_target'])
    }
  })

  it('is for services, not for people', async (t) => {
    const service = await startOAuth(t)
    const alice = await addClient(service, 'alice', { kind: 'user' })
    const answer = await service.token({ ...CLIENT, ...alice.proof(service) })
    assert.deepEqual([answer.status, answer.body['error']], [400, 'unauthorized_client'])
  })
})

describe('a client', () => {
  it('is refused for every proof that is not quite one', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    await addClient(service, 'other')
    const stranger = keyClient(
      'robot',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    )
    const now = Math.floor(service.now().getTime() / 1000)
    const by = (claims: object, header: object = {}): Record<string, string> => ({
      ...robot.proof(service),
      client_assertion: robot.assertion(service, claims, header),
    })
    const rows: [string, Record<string, string>, string, string?][] = [
      ['no proof', {}, 'invalid_client'],
      ['a name alone', { client_id: 'robot' }, 'invalid_client', 'client-missing'],
      [
        'a key nobody registered',
        stranger.proof(service),
        'invalid_client',
        'assertion-signature-invalid',
      ],
      ['without its type', { client_assertion: robot.assertion(service) }, 'invalid_request'],
      [
        'of another type',
        {
          ...robot.proof(service),
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer',
        },
        'invalid_request',
      ],
      [
        'not a token',
        { ...robot.proof(service), client_assertion: 'robot' },
        'invalid_client',
        'assertion-malformed',
      ],
      ['of nobody', by({ iss: 'nobody', sub: 'nobody' }), 'invalid_client', 'client-unknown'],
      [
        'of another name in another case',
        by({ iss: 'Robot', sub: 'Robot' }),
        'invalid_client',
        'client-unknown',
      ],
      ['for another', by({ sub: 'other' }), 'invalid_client', 'assertion-subject'],
      [
        'under the name of another',
        by({ iss: 'other', sub: 'other' }),
        'invalid_client',
        'assertion-signature-invalid',
      ],
      [
        'and another client_id',
        { ...robot.proof(service), client_id: 'other' },
        'invalid_client',
        'client-id-differs',
      ],
      [
        'for the address of the endpoint (CVE-2025-27370: the issuer alone is who we are)',
        by({ aud: `${service.origin}/oauth/token` }),
        'invalid_client',
        'assertion-audience-mismatch',
      ],
      [
        'for two',
        by({ aud: [service.origin, 'https://other.test'] }),
        'invalid_client',
        'assertion-several-audiences',
      ],
      [
        'for a list of one',
        by({ aud: [service.origin] }),
        'invalid_client',
        'assertion-several-audiences',
      ],
      ['for two minutes', by({ exp: now + 120 }), 'invalid_client', 'assertion-too-long'],
      ['without an end', by({ exp: undefined }), 'invalid_client', 'assertion-claim-missing'],
      ['that has ended', by({ exp: now - 30 }), 'invalid_client', 'assertion-expired'],
      ['of tomorrow', by({ nbf: now + 60 }), 'invalid_client', 'assertion-not-yet-valid'],
      ['without jti', by({ jti: undefined }), 'invalid_client', 'assertion-claim-missing'],
      [
        'of the type of an access token',
        by({}, { typ: 'at+jwt' }),
        'invalid_client',
        'assertion-type-refused',
      ],
      ['with alg none', by({}, { alg: 'none' }), 'invalid_client', 'assertion-algorithm-refused'],
      ['with HS256', by({}, { alg: 'HS256' }), 'invalid_client', 'assertion-algorithm-refused'],
      [
        'of a key that is not registered by its name',
        by({}, { kid: 'other' }),
        'invalid_client',
        'assertion-key-unknown',
      ],
      [
        'and a secret too',
        { ...robot.proof(service), client_id: 'robot', client_secret: 'x' },
        'invalid_request',
      ],
      [
        'a secret',
        { client_id: 'robot', client_secret: 'x' },
        'invalid_client',
        'client-secret-refused',
      ],
    ]
    for (const [name, proof, error, reason] of rows) {
      service.events.length = 0
      const { status, body, headers } = await service.token({ ...CLIENT, ...proof })
      assert.deepEqual([status, body['error']], [400, error], name)
      assert.equal(headers.get('cache-control'), 'no-store', name)
      if (reason !== undefined) assert.equal(service.events.at(-1)?.reason, reason, name)
    }
    const typed = by({}, { typ: 'client-authentication+jwt' })
    assert.equal((await service.token({ ...CLIENT, ...typed })).status, 200)
  })

  it('uses an assertion once, however many use it at once', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const proof = robot.proof(service)
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => (await service.token({ ...CLIENT, ...proof })).status),
    )
    assert.equal(answers.filter((status) => status === 200).length, 1)
    assert.equal(service.events.filter(({ reason }) => reason === 'assertion-replayed').length, 7)
  })

  it('that used the Authorization header is asked to again with 401', async (t) => {
    const service = await startOAuth(t)
    for (const [authorization, challenge] of [
      [`Basic ${Buffer.from('robot:x').toString('base64')}`, 'Basic realm="countersign"'],
      ['Bearer x', 'Bearer realm="countersign"'],
      ['"x" y', 'Basic realm="countersign"'],
    ] as const) {
      const answer = await service.token(CLIENT, { headers: { authorization } })
      assert.deepEqual([answer.status, answer.body['error']], [401, 'invalid_client'])
      assert.equal(answer.headers.get('www-authenticate'), challenge)
    }
  })

  it('may use a secret only where the service says so, and then it is one of its API tokens', async (t) => {
    const service = await startOAuth(t, { tokens: { clientSecrets: true } })
    await service.auth.users.add({ name: 'robot', kind: 'service' })
    await service.auth.users.add({ name: 'other', kind: 'service' })
    const { token, info } = await service.auth.tokens.create('robot', { label: 'secret' })
    assert.equal((await service.token(CLIENT, basic('robot', token))).status, 200)
    assert.equal(
      (await service.token({ ...CLIENT, client_id: 'robot', client_secret: token })).status,
      200,
    )
    assert.equal((await service.token(CLIENT, basic('other', token))).status, 401)
    assert.equal((await service.token(CLIENT, basic('robot', `${token}x`))).status, 401)
    assert.equal(
      (await service.token({ ...CLIENT, client_id: 'other' }, basic('robot', token))).status,
      401,
    )
    const metadata = await service.send('/.well-known/oauth-authorization-server')
    assert.ok(
      String(metadata.body['token_endpoint_auth_methods_supported']).includes(
        'client_secret_basic',
      ),
    )
    await service.auth.tokens.revoke(info.id)
    assert.equal((await service.token(CLIENT, basic('robot', token))).status, 401)
  })

  it('proves itself with a registered certificate, to which its tokens are bound', async (t) => {
    const service = await startOAuth(t)
    await service.auth.users.add({ name: 'robot', kind: 'service' })
    await service.auth.users.add({ name: 'other', kind: 'service' })
    const mine = clientIdentity('robot')
    const theirs = clientIdentity('other')
    await addCertificate(service, 'robot', mine)
    await addCertificate(service, 'other', theirs)
    const form = { ...CLIENT, client_id: 'robot' }
    const answer = await service.token(form, { as: mine })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    const token = answer.body['access_token']
    const x5t = thumbprintOfCertificate(mine)
    assert.deepEqual(claimsOf(token)['cnf'], { 'x5t#S256': x5t })
    const headers = { authorization: `Bearer ${String(token)}` }
    assert.equal((await service.send('/private', { headers, as: mine })).status, 200)
    assert.equal((await service.send('/private', { headers, as: theirs })).status, 401)
    assert.equal((await service.send('/private', { headers })).status, 401)
    assert.deepEqual(
      service.events.slice(-2).map(({ reason }) => reason),
      ['certificate-differs', 'certificate-missing'],
    )
    assert.equal((await service.token(form, { as: theirs })).body['error'], 'invalid_client')
    assert.equal((await service.token(form)).body['error'], 'invalid_client')
    const unknown = clientIdentity('robot')
    assert.equal((await service.token(form, { as: unknown })).body['error'], 'invalid_client')
  })

  it('that is disabled gets nothing, and what it got is worth nothing', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const { body } = await service.token({ ...CLIENT, ...robot.proof(service) })
    const headers = { authorization: `Bearer ${String(body['access_token'])}` }
    assert.equal((await service.send('/private', { headers })).status, 200)
    await service.auth.users.disable('robot')
    assert.equal((await service.send('/private', { headers })).status, 401)
    const again = await service.token({ ...CLIENT, ...robot.proof(service) })
    assert.equal(again.body['error'], 'invalid_client')
    await service.auth.users.enable('robot')
    assert.equal((await service.send('/private', { headers })).status, 401, 'of before the epoch')
    assert.equal((await service.token({ ...CLIENT, ...robot.proof(service) })).status, 200)
  })

  it('whose key is revoked gets nothing, and what it got by it ends at once', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const { body } = await service.token({ ...CLIENT, ...robot.proof(service) })
    const headers = { authorization: `Bearer ${String(body['access_token'])}` }
    assert.equal((await service.send('/private', { headers })).status, 200)
    const [key] = await service.auth.publicKeys.list('robot')
    assert.equal(await service.auth.publicKeys.revoke(key?.id ?? ''), true)
    assert.equal(await service.auth.publicKeys.revoke(key?.id ?? ''), false)
    assert.equal((await service.send('/private', { headers })).status, 401)
    assert.equal(service.events.at(-1)?.reason, 'credential-revoked')
    const again = await service.token({ ...CLIENT, ...robot.proof(service) })
    assert.equal(again.body['error'], 'invalid_client')
  })
})

describe('the form of a request', () => {
  it('is a form, each parameter once, of 16 KiB at most, and over HTTPS of our own pages', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const error = async (
      path: string,
      send: Parameters<OAuthService['send']>[1],
    ): Promise<unknown[]> => {
      const { status, body } = await service.send(path, { method: 'POST', ...send })
      return [status, body['error'] ?? body['code']]
    }
    const invalid = [400, 'invalid_request']
    assert.deepEqual(await error('/oauth/token', { json: CLIENT }), invalid)
    assert.deepEqual(await error('/oauth/token', {}), invalid)
    assert.deepEqual(await error('/oauth/token', { form: {} }), invalid)
    assert.deepEqual(await error('/oauth/token', { form: { grant_type: '' } }), invalid)
    assert.deepEqual(await error('/oauth/token', { form: { grant_type: 'password' } }), [
      400,
      'unsupported_grant_type',
    ])
    assert.deepEqual(
      await error('/oauth/token', { form: { ...CLIENT, pad: 'x'.repeat(17_000) } }),
      invalid,
    )
    const raw = { 'content-type': 'application/x-www-form-urlencoded' }
    const twice = `${new URLSearchParams({ ...CLIENT, ...robot.proof(service) }).toString()}&scope=a&scope=b`
    const sent = await service.fetch()(`${service.origin}/oauth/token`, {
      method: 'POST',
      headers: raw,
      body: twice,
    })
    assert.deepEqual([sent.status, Reflect.get(Object(await sent.json()), 'error')], invalid)
    const foreign = { headers: { origin: 'https://other.test' }, form: CLIENT }
    assert.deepEqual(await error('/oauth/token', foreign), [403, 'cross-site-request'])
    const unknown = { ...CLIENT, ...robot.proof(service), whatever: 'ignored' }
    assert.equal((await service.token(unknown)).status, 200)
    for (const path of ['/oauth/revoke', '/oauth/introspect']) {
      assert.deepEqual(await error(path, { form: robot.proof(service) }), invalid, path)
      assert.deepEqual(await error(path, { form: { token: 'x' } }), [400, 'invalid_client'], path)
      assert.deepEqual(await error(path, { json: {} }), invalid, path)
    }
  })
})

describe('jwt-bearer', () => {
  it('lets a person with a key in, without a client beside them', async (t) => {
    const service = await startOAuth(t)
    const alice = await addClient(service, 'alice', { kind: 'user', roles: ['reader'] })
    const form = { grant_type: JWT_BEARER, assertion: alice.assertion(service) }
    const answer = await service.token(form)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.equal(answer.body['refresh_token'], undefined)
    const claims = claimsOf(answer.body['access_token'])
    assert.deepEqual(
      [claims['client_id'], claims['roles'], claims['amr']],
      ['alice', ['reader'], ['swk']],
    )
    const replayed = await service.token(form)
    assert.deepEqual([replayed.status, replayed.body['error']], [400, 'invalid_grant'])
    for (const assertion of [
      alice.assertion(service, { sub: 'root' }),
      alice.assertion(service, { iss: 'root', sub: 'root' }),
      alice.assertion(service, { aud: 'https://other.test' }),
      alice.assertion(service, {}, { typ: 'at+jwt' }),
      String(answer.body['access_token']),
      'x',
    ]) {
      const refused = await service.token({ grant_type: JWT_BEARER, assertion })
      assert.deepEqual([refused.status, refused.body['error']], [400, 'invalid_grant'])
    }
    const missing = await service.token({ grant_type: JWT_BEARER })
    assert.equal(missing.body['error'], 'invalid_request')
  })

  it('takes the word of issuers that are trusted, once for each token', async (t) => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const forge = keyClient('https://forge.test', privateKey)
    const service = await startOAuth(t, {
      tokens: {
        trustedIssuers: [
          {
            issuer: 'https://forge.test',
            jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'forge' }] },
            principalOf: ({ sub }) => (sub === 'repo:ours' ? 'builder' : undefined),
          },
        ],
      },
    })
    await service.auth.users.add({ name: 'builder', kind: 'service', roles: ['builder'] })
    const ask = async (claims: object): Promise<[number, unknown]> => {
      const assertion = forge.assertion(service, claims, { kid: 'forge' })
      const { status, body } = await service.token({ grant_type: JWT_BEARER, assertion })
      return [status, body['error'] ?? claimsOf(body['access_token'])['client_id']]
    }
    assert.deepEqual(await ask({ sub: 'repo:ours', jti: 'one' }), [200, 'builder'])
    assert.deepEqual(await ask({ sub: 'repo:ours', jti: 'one' }), [400, 'invalid_grant'])
    assert.deepEqual(await ask({ sub: 'repo:ours', jti: undefined }), [400, 'invalid_grant'])
    assert.deepEqual(await ask({ sub: 'repo:theirs' }), [400, 'invalid_grant'])
    assert.deepEqual(await ask({ sub: 'repo:ours', aud: 'https://other.test' }), [
      400,
      'invalid_grant',
    ])
    await service.auth.users.disable('builder')
    assert.deepEqual(await ask({ sub: 'repo:ours' }), [400, 'invalid_grant'])
  })
})

describe('token exchange', () => {
  it('narrows a token of its own, and takes those of others with the role for it', async (t) => {
    const service = await startOAuth(t, { tokens: { audiences: ['https://api.test'] } })
    const alice = await addClient(service, 'alice', { kind: 'user' })
    const gateway = await addClient(service, 'gateway', { roles: ['token-exchange'] })
    const nosy = await addClient(service, 'nosy')
    const got = await service.token({
      grant_type: JWT_BEARER,
      assertion: alice.assertion(service),
      scope: 'reports:read reports:write',
    })
    const subject = String(got.body['access_token'])
    const form = {
      grant_type: TOKEN_EXCHANGE,
      subject_token: subject,
      subject_token_type: ACCESS_TOKEN_TYPE,
    }
    const own = await service.token({ ...form, ...alice.proof(service), scope: 'reports:read' })
    assert.equal(own.status, 200, JSON.stringify(own.body))
    assert.equal(own.body['issued_token_type'], ACCESS_TOKEN_TYPE)
    assert.equal(claimsOf(own.body['access_token'])['act'], undefined)
    service.pass(100_000)
    const passed = await service.token({
      ...form,
      ...gateway.proof(service),
      resource: 'https://api.test',
    })
    const claims = claimsOf(passed.body['access_token'])
    const before = claimsOf(subject)
    assert.deepEqual(
      [claims['sub'], claims['client_id'], claims['aud'], claims['exp'], claims['scope']],
      [before['sub'], 'gateway', 'https://api.test', before['exp'], 'reports:read reports:write'],
    )
    const gatewayId = (await service.auth.users.find('gateway'))?.id
    assert.deepEqual(claims['act'], { sub: gatewayId })
    assert.equal(passed.body['expires_in'], 200)
    const rows: [string, Record<string, string>, string][] = [
      ['without the role', { ...form, ...nosy.proof(service) }, 'unauthorized_client'],
      ['without a client', form, 'invalid_client'],
      ['for more', { ...form, ...gateway.proof(service), scope: 'admin' }, 'invalid_scope'],
      ['for everything', { ...form, ...gateway.proof(service), scope: '*' }, 'invalid_scope'],
      ['of no token', { ...form, ...gateway.proof(service), subject_token: 'x' }, 'invalid_grant'],
      [
        'of another kind',
        {
          ...form,
          ...gateway.proof(service),
          subject_token_type: 'urn:ietf:params:oauth:token-type:saml2',
        },
        'invalid_request',
      ],
      [
        'for another kind',
        {
          ...form,
          ...gateway.proof(service),
          requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token',
        },
        'invalid_request',
      ],
      [
        'with an actor token',
        { ...form, ...gateway.proof(service), actor_token: subject },
        'invalid_request',
      ],
      [
        'for a refresh token',
        { ...form, ...gateway.proof(service), scope: 'offline_access' },
        'invalid_scope',
      ],
    ]
    for (const [name, sent, error] of rows) {
      assert.equal((await service.token(sent)).body['error'], error, name)
    }
    await service.auth.users.disable('alice')
    const dead = await service.token({ ...form, ...gateway.proof(service) })
    assert.equal(dead.body['error'], 'invalid_grant')
  })
})

describe('a session', () => {
  it('takes an access token along, which ends with the logout', async (t) => {
    const service = await startOAuth(t, { tokens: { audiences: ['https://api.test'] } })
    const password = 'four words of my own'
    await service.auth.users.add({ name: 'alice', password, roles: ['reader'] })
    const signedIn = await service.send('/login', { json: { username: 'alice', password } })
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    const ask = (json: object): ReturnType<OAuthService['send']> =>
      service.send('/auth/access-token', { json, headers: { cookie } })
    const answer = await ask({ scope: 'reports:read' })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    const headers = { authorization: `Bearer ${String(answer.body['access_token'])}` }
    const who = await service.send('/private', { headers })
    assert.deepEqual(
      [who.body['via'], who.body['scopes'], who.body['amr']],
      ['jwt', ['reports:read'], ['pwd']],
    )
    const elsewhere = await ask({ audience: 'https://api.test' })
    assert.equal(claimsOf(elsewhere.body['access_token'])['aud'], 'https://api.test')
    assert.equal((await ask({ audience: 'https://other.test' })).body['error'], 'invalid_target')
    assert.equal((await ask({ scope: 'offline_access' })).status, 422)
    assert.equal(
      (await service.send('/auth/access-token', { json: {}, headers })).status,
      403,
      'a token makes no token',
    )
    assert.equal((await service.send('/auth/access-token', { json: {} })).status, 401)
    assert.equal(
      (await service.send('/auth/logout', { method: 'POST', headers: { cookie } })).status,
      204,
    )
    assert.equal((await service.send('/private', { headers })).status, 401)
    assert.equal(service.events.at(-1)?.reason, 'session-ended')
  })
})

describe('revocation and introspection', () => {
  it('are for the client that was given the token', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot', { scopes: ['reports:read'] })
    const other = await addClient(service, 'other')
    const guard = await addClient(service, 'guard', { roles: ['introspection'] })
    const issue = async (): Promise<string> => {
      const { body } = await service.token({ ...CLIENT, ...robot.proof(service) })
      return String(body['access_token'])
    }
    const token = await issue()
    const ask = async (client: typeof robot, text: string): Promise<Record<string, unknown>> => {
      const form = { token: text, ...client.proof(service) }
      const { status, body, headers } = await service.send('/oauth/introspect', { form })
      assert.equal(status, 200)
      assert.equal(headers.get('cache-control'), 'no-store')
      return body
    }
    const { sub, iss, aud, exp, iat, nbf, jti, auth_time } = claimsOf(token)
    const facts = {
      active: true,
      iss,
      aud,
      sub,
      exp,
      iat,
      nbf,
      jti,
      auth_time,
      client_id: 'robot',
      scope: 'reports:read',
      token_type: 'Bearer',
      username: 'robot',
    }
    assert.deepEqual(await ask(robot, token), facts)
    assert.deepEqual(await ask(guard, token), facts)
    assert.deepEqual(await ask(other, token), { active: false })
    assert.deepEqual(await ask(guard, 'x'), { active: false })
    assert.deepEqual(await ask(guard, `${token.slice(0, -4)}AAAA`), { active: false })
    const revoke = async (client: typeof robot, text: string): Promise<number> =>
      (await service.send('/oauth/revoke', { form: { token: text, ...client.proof(service) } }))
        .status
    const headers = { authorization: `Bearer ${token}` }
    assert.equal((await service.send('/private', { headers })).status, 200)
    assert.equal(await revoke(other, token), 200)
    assert.equal((await service.send('/private', { headers })).status, 200, "another's token stays")
    assert.equal(await revoke(robot, token), 200)
    assert.equal(await revoke(robot, token), 200)
    assert.equal(await revoke(robot, 'x'), 200)
    assert.equal((await service.send('/private', { headers })).status, 401)
    assert.equal(service.events.at(-1)?.reason, 'token-denied')
    assert.deepEqual(await ask(guard, token), { active: false })
    const second = await issue()
    assert.equal((await ask(guard, second))['active'], true)
    service.pass(300_000)
    assert.deepEqual(await ask(guard, second), { active: false })
  })

  it('deny a token by its jti: the twin of its signature is as dead as itself', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const { body } = await service.token({ ...CLIENT, ...robot.proof(service) })
    const token = String(body['access_token'])
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
    const signature = Buffer.from(token.split('.')[2] ?? '', 'base64url')
    const s = order - BigInt(`0x${signature.subarray(32).toString('hex')}`)
    const twin = Buffer.concat([
      signature.subarray(0, 32),
      Buffer.from(s.toString(16).padStart(64, '0'), 'hex'),
    ])
    const other = `${token.slice(0, token.lastIndexOf('.'))}.${twin.toString('base64url')}`
    const status = async (text: string): Promise<number> =>
      (await service.send('/private', { headers: { authorization: `Bearer ${text}` } })).status
    assert.deepEqual([await status(token), await status(other)], [200, 200])
    await service.send('/oauth/revoke', { form: { token, ...robot.proof(service) } })
    assert.deepEqual([await status(token), await status(other)], [401, 401])
  })
})

describe('an address that fails often', () => {
  it('is told to wait, and what is good passes all the same', async (t) => {
    const service = await startOAuth(t, { throttle: { perAddress: 5 } })
    const robot = await addClient(service, 'robot')
    await service.auth.users.add({ name: 'alice', password: 'four words of my own' })
    const guess = { grant_type: 'refresh_token', refresh_token: `countersign_rt_${'x'.repeat(43)}` }
    const answers = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const { status, headers, body } = await service.token(guess)
        const wait = headers.get('retry-after')
        assert.equal(status === 429, wait !== null)
        return `${status} ${String(body['error'])}`
      }),
    )
    const count = (answer: string): number => answers.filter((each) => each === answer).length
    assert.deepEqual([count('400 invalid_grant'), count('429 slow_down')], [5, 7])
    assert.equal((await service.token({ ...CLIENT, ...robot.proof(service) })).status, 200)
    const login = { json: { username: 'alice', password: 'four words of my own' } }
    assert.equal((await service.send('/login', login)).status, 200, 'people are counted apart')
    service.pass(600_000)
    assert.equal((await service.token(guess)).status, 400)
  })
})

describe('a database that is away', () => {
  it('lets nobody in, and nobody get a token', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const { body } = await service.token({ ...CLIENT, ...robot.proof(service) })
    const headers = bearer(body['access_token'])
    assert.equal((await service.send('/private', { headers })).status, 200)
    await service.store.close()
    service.pass(2000)
    assert.equal((await service.send('/private', { headers })).status, 503)
    const answer = await service.token({ ...CLIENT, ...robot.proof(service) })
    assert.deepEqual([answer.status, answer.body['error']], [503, 'temporarily_unavailable'])
    assert.equal(answer.headers.get('retry-after'), '1')
  })
})

describe('a service without an issuer', () => {
  it('makes no tokens and knows none', async (t) => {
    const service = await startOAuth(t, { issuer: undefined })
    for (const path of ['/oauth/token', '/oauth/revoke', '/oauth/introspect']) {
      assert.equal((await service.send(path, { form: CLIENT })).status, 404)
    }
    assert.equal((await service.send('/.well-known/jwks.json')).status, 404)
    const headers = { authorization: 'Bearer a.b.c' }
    const refused = await service.send('/private', { headers })
    assert.equal(refused.status, 401)
    assert.doesNotMatch(refused.headers.get('www-authenticate') ?? '', /DPoP/)
    await assert.rejects(service.auth.signingKeys.list(), { code: 'option-invalid' })
  })

  it('or with one that is no https origin is refused', async (t) => {
    for (const issuer of [
      'http://localhost',
      'https://localhost/',
      'https://localhost/path',
      'localhost',
      'https://LOCALHOST',
    ]) {
      await assert.rejects(startOAuth(t, { issuer }), { code: 'option-invalid' }, issuer)
    }
    const options = [
      { accessTokenSeconds: 601 },
      { accessTokenSeconds: 0 },
      { refreshTokenDays: 31 },
      { rotationDays: 0 },
      { audiences: [''] },
    ]
    for (const tokens of options) {
      await assert.rejects(
        startOAuth(t, { tokens }),
        { code: 'option-invalid' },
        JSON.stringify(tokens),
      )
    }
  })

  it('or that does not know it yet answers 503, and nobody is let in', async (t) => {
    let issuer: string | undefined
    const service = await startOAuth(t, { issuer: () => issuer })
    const robot = await addClient(service, 'robot')
    const early = await service.token({ ...CLIENT, ...robot.proof(service) })
    assert.deepEqual([early.status, early.body['error']], [503, 'temporarily_unavailable'])
    assert.equal((await service.send('/.well-known/oauth-authorization-server')).status, 503)
    assert.equal(
      (await service.send('/private', { headers: { authorization: 'Bearer a.b.c' } })).status,
      503,
    )
    issuer = service.origin
    assert.equal((await service.token({ ...CLIENT, ...robot.proof(service) })).status, 200)
  })
})
