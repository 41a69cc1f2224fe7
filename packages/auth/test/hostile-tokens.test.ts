/**
 * Attempts on the token endpoints, one test for each class: bindings that hold in one place only, a clock that is set back, numbers
 * and depths that no program expects, names of keys that are paths, and what an answer tells who may not know.
 */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder, type TestIdentity } from '@countersign/testkit'
import {
  addClient,
  claimsOf,
  clientIdentity,
  jwt,
  JWT_BEARER,
  type KeyClient,
  type OAuthService,
  startOAuth,
  TOKEN_EXCHANGE,
} from './oauth-service.ts'

scrubProcess()

const CLIENT = { grant_type: 'client_credentials' }
const folder = temporaryFolder(after)
let services = 0

async function start(
  t: Parameters<typeof startOAuth>[0],
  options: Parameters<typeof startOAuth>[1] = {},
): Promise<OAuthService> {
  services += 1
  return await startOAuth(t, { keys: { path: path.join(folder, `${services}.keys`) }, ...options })
}

function thumbprintOf({ certificate }: TestIdentity): string {
  return createHash('sha256').update(certificate.der).digest('base64url')
}

describe('a binding that one route forgets', () => {
  it('is held where an API token is a client’s secret too: its certificate', async (t) => {
    const service = await start(t, { tokens: { clientSecrets: true } })
    await service.auth.users.add({ name: 'robot', kind: 'service' })
    const mine = clientIdentity('robot')
    const x5tS256 = thumbprintOf(mine)
    const { token } = await service.auth.tokens.create('robot', { label: 'x', x5tS256 })
    const basic = `Basic ${Buffer.from(`robot:${token}`).toString('base64')}`
    for (const how of [
      [CLIENT, { headers: { authorization: basic } }],
      [CLIENT, { headers: { authorization: basic }, as: clientIdentity('robot') }],
      [{ ...CLIENT, client_id: 'robot', client_secret: token }, {}],
    ] as const) {
      const [form, more] = how
      const answer = await service.token(form, more)
      assert.equal(answer.body['error'], 'invalid_client', 'stolen, without the certificate')
    }
    const answer = await service.token(CLIENT, { headers: { authorization: basic }, as: mine })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.deepEqual(claimsOf(answer.body['access_token'])['cnf'], { 'x5t#S256': x5tS256 })
  })

  it('is held there: its networks', async (t) => {
    const service = await start(t, { tokens: { clientSecrets: true } })
    await service.auth.users.add({ name: 'robot', kind: 'service' })
    for (const [networks, status] of [
      [['10.0.0.0/8'], 400],
      [['127.0.0.0/8'], 200],
    ] as const) {
      const { token } = await service.auth.tokens.create('robot', { label: 'x', networks })
      const form = { ...CLIENT, client_id: 'robot', client_secret: token }
      assert.equal((await service.token(form)).status, status)
      assert.equal(
        (await service.send('/oauth/introspect', { form: { token, ...form } })).status,
        status,
      )
    }
  })
})

async function refreshing(service: OAuthService): Promise<(token: unknown) => Promise<unknown>> {
  return async (token) => {
    const form = { grant_type: 'refresh_token', refresh_token: String(token) }
    const { body } = await service.token(form)
    return body['refresh_token'] ?? body['error']
  }
}

async function offline(service: OAuthService, client: KeyClient): Promise<unknown> {
  const form = {
    grant_type: JWT_BEARER,
    scope: 'offline_access',
    assertion: client.assertion(service),
  }
  const { body } = await service.token(form)
  return body['refresh_token']
}

describe('a clock that is set back', () => {
  it('gives no used refresh token another day: it ends its family', async (t) => {
    const service = await start(t)
    const ada = await addClient(service, 'ada', { kind: 'user' })
    const use = await refreshing(service)
    const first = await offline(service, ada)
    const second = await use(first)
    assert.match(String(second), /^countersign_rt_/)
    service.pass(-86_400_000)
    assert.equal(await use(first), 'invalid_grant')
    assert.equal(await use(second), 'invalid_grant')
    assert.equal(service.events.filter(({ type }) => type === 'authn_token_reuse').length, 1)
  })

  it('lets no assertion be used again', async (t) => {
    const service = await start(t)
    const robot = await addClient(service, 'robot')
    const proof = robot.proof(service)
    assert.equal((await service.token({ ...CLIENT, ...proof })).status, 200)
    service.pass(-20_000)
    await service.auth.sweep()
    assert.equal((await service.token({ ...CLIENT, ...proof })).status, 400)
    assert.equal((await service.token({ ...CLIENT, ...robot.proof(service) })).status, 200)
  })
})

function now(service: OAuthService): number {
  return Math.floor(service.now().getTime() / 1000)
}

/** JSON that no library would write. */
function rawPart(text: string): string {
  return Buffer.from(text).toString('base64url')
}

describe('an assertion', () => {
  const claims: [string, (service: OAuthService) => object][] = [
    ['whose end is a date beyond all', () => ({ exp: 1e308 })],
    ['whose end is below zero', () => ({ exp: -1 })],
    ['whose end is a text', (s) => ({ exp: String(now(s) + 30) })],
    ['whose end is the largest of integers', () => ({ exp: Number.MAX_SAFE_INTEGER })],
    ['whose end is a day away', (s) => ({ exp: now(s) + 86_400 })],
    ['that begins tomorrow', (s) => ({ nbf: now(s) + 86_400 })],
    ['made tomorrow', (s) => ({ iat: now(s) + 86_400 })],
    ['for two', (s) => ({ aud: [s.origin, 'https://other.test'] })],
    ['for a list of one', (s) => ({ aud: [s.origin] })],
    ['for the address instead of the issuer', (s) => ({ aud: `${s.origin}/oauth/token` })],
    ['for an address that begins like ours', (s) => ({ aud: `${s.origin}.evil.test` })],
    ['about another', () => ({ sub: 'ada' })],
    ['with an identifier that is a list', () => ({ jti: ['a'] })],
    ['with an identifier that is empty', () => ({ jti: '' })],
    ['with an identifier of 100 kB', () => ({ jti: 'x'.repeat(5000) })],
    ['with half a character', () => ({ jti: '\ud800' })],
    [
      'with a claim that is the object of all',
      () => JSON.parse('{"__proto__":{"aud":"x"},"aud":1}'),
    ],
  ]
  const headers: [string, object][] = [
    ['with a path for a key', { kid: '../../../../etc/passwd' }],
    ['with a query for a key', { kid: "x' UNION SELECT 'key" }],
    ['with a key that is an object', { kid: { a: 1 } }],
    ['with a key that is too long', { kid: 'k'.repeat(4000) }],
    ['with the key it is to be checked by', { jwk: { kty: 'oct', k: 'AA' }, kid: 'x' }],
    ['with an address for its key', { jku: 'https://evil.test/keys', kid: 'x' }],
    ['with a certificate', { x5c: ['AA'], x5u: 'https://evil.test', kid: 'x' }],
    ['that wants something understood', { crit: ['exp'], exp: 1 }],
    ['that is not encoded', { b64: false, crit: ['b64'] }],
    ['with no algorithm', { alg: 'none' }],
    ['with no algorithm, in capitals', { alg: 'NONE' }],
    ['with the algorithm of secrets', { alg: 'HS256' }],
    ['with another algorithm', { alg: 'ES384' }],
    ['with an algorithm that is a list', { alg: ['ES256'] }],
    ['that says it is an access token', { typ: 'at+jwt' }],
    ['that says it is a proof', { typ: 'dpop+jwt' }],
  ]

  it('is refused with 400, whatever stands in it: numbers, depth, names of keys, kinds', async (t) => {
    const service = await start(t)
    const robot = await addClient(service, 'robot')
    await service.auth.users.add({ name: 'ada' })
    const attempts: [string, string][] = [
      ...claims.map(([what, made]): [string, string] => [
        what,
        robot.assertion(service, made(service)),
      ]),
      ...headers.map(([what, header]): [string, string] => [
        what,
        robot.assertion(service, {}, header),
      ]),
    ]
    const good = { iss: 'robot', sub: 'robot', aud: service.origin, exp: now(service) + 30 }
    const deep = `${JSON.stringify({ ...good, jti: randomUUID() }).slice(0, -1)},"x":${'['.repeat(2000)}${']'.repeat(2000)}}`
    const twice = `${JSON.stringify({ ...good, jti: randomUUID() }).slice(0, -1)},"sub":"ada"}`
    const head = rawPart('{"alg":"ES256","typ":"JWT"}')
    for (const [what, text] of [
      ['nested two thousand deep', deep],
      ['with a member twice', twice],
      ['that is a list', '[1]'],
      ['that is a token itself', robot.assertion(service)],
      ['that is not text', '\u00ff'],
    ] as const) {
      attempts.push([what, signedRaw(robot, head, rawPart(text))])
    }
    const nested = jwt(robot.key, { alg: 'ES256', cty: 'JWT' }, { jwt: robot.assertion(service) })
    attempts.push(['with a token inside', nested])
    for (const [what, assertion] of attempts) {
      for (const form of [
        { ...CLIENT, ...robot.proof(service), client_assertion: assertion },
        { grant_type: JWT_BEARER, assertion },
      ]) {
        const { status, body } = await service.token(form)
        assert.equal(
          status === 400 || status === 429,
          true,
          `${what}: ${status} ${JSON.stringify(body)}`,
        )
        assert.doesNotMatch(JSON.stringify(body), /passwd|UNION|evil/)
      }
    }
    assert.equal(service.events.filter(({ type }) => type === 'sys_failure').length, 0)
    assert.equal((await service.token({ ...CLIENT, ...robot.proof(service) })).status, 200)
  })

  it('may end between two seconds, once', async (t) => {
    const service = await start(t)
    const robot = await addClient(service, 'robot')
    const proof = {
      ...robot.proof(service),
      client_assertion: robot.assertion(service, { exp: now(service) + 30.123_456_789 }),
    }
    assert.equal((await service.token({ ...CLIENT, ...proof })).status, 200)
    assert.equal((await service.token({ ...CLIENT, ...proof })).status, 400)
  })
})

/** Signs what stands there, whatever it is. */
function signedRaw({ key }: KeyClient, head: string, claims: string): string {
  const signed = `${head}.${claims}`
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

describe('introspection', () => {
  const INACTIVE = '{"active":false}'

  it('says the same few bytes of what is nobody’s, another’s, over, revoked, or of another issuer', async (t) => {
    const service = await start(t, { tokens: { audiences: ['https://api.test'] } })
    const asker = await addClient(service, 'asker')
    const owner = await addClient(service, 'owner')
    const ada = await addClient(service, 'ada', { kind: 'user' })
    const ask = async (token: string): Promise<string> => {
      const form = { token, ...asker.proof(service) }
      const answer = await service.send('/oauth/introspect', { form })
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      assert.equal(answer.status, 200)
      return JSON.stringify(answer.body)
    }
    const issued = async (client: KeyClient, more: object = {}): Promise<string> => {
      const { body } = await service.token({ ...CLIENT, ...client.proof(service), ...more })
      return String(body['access_token'])
    }
    const api = await service.auth.tokens.create('owner', { label: 'x' })
    const gone = await service.auth.tokens.create('asker', { label: 'x' })
    await service.auth.tokens.revoke(gone.info.id)
    const own = await issued(asker)
    assert.notEqual(await ask(own), INACTIVE, 'its own')
    const others = await issued(owner)
    const forOthers = await issued(owner, { resource: 'https://api.test' })
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const foreign = jwt(stranger, { alg: 'ES256', typ: 'at+jwt' }, claimsOf(own))
    const elsewhere = jwt(
      stranger,
      { alg: 'ES256', typ: 'at+jwt' },
      { ...claimsOf(own), iss: 'https://evil.test' },
    )
    const refresh = String(await offline(service, ada))
    const use = await refreshing(service)
    await use(refresh)
    const dead = [
      ['somebody else’s', others],
      ['for another audience', forOthers],
      ['somebody else’s API token', api.token],
      ['a revoked API token', gone.token],
      ['an API token with a character changed', `${api.token.slice(0, -1)}x`],
      ['a refresh token of somebody else, used', refresh],
      ['the prefix of one', 'countersign_rt_'],
      ['the prefix of the other', 'countersign_pat_'],
      ['one signed by a stranger', foreign],
      ['one of another issuer', elsewhere],
      ['a twin of its own', `${own.slice(0, -4)}AAAA`],
      ['its own with a blank behind', `${own} `],
      ['no token', 'x'],
      ['a very long one', 'x'.repeat(9000)],
    ] as const
    for (const [what, token] of dead) assert.equal(await ask(token), INACTIVE, what)
    service.pass(301_000)
    assert.equal(await ask(own), INACTIVE, 'its own, over')
    const late = await issued(asker)
    await service.auth.users.disable('asker')
    await service.auth.users.enable('asker')
    assert.equal(await ask(late), INACTIVE, 'made before its owner was disabled')
  })
})

describe('who acts for somebody else', () => {
  it('does so no longer than they are let in themselves: disabled, their key revoked (CVE-2026-9798)', async (t) => {
    const service = await start(t)
    const ada = await addClient(service, 'ada', { kind: 'user' })
    for (const [name, end] of [
      ['disabled', async (): Promise<void> => service.auth.users.disable('disabled')],
      [
        'keyless',
        async (): Promise<void> => {
          for (const { id } of await service.auth.publicKeys.list('keyless')) {
            await service.auth.publicKeys.revoke(id)
          }
        },
      ],
    ] as const) {
      const robot = await addClient(service, name, { roles: ['token-exchange'] })
      const grant = { grant_type: JWT_BEARER, scope: 'offline_access' }
      const got = await service.token({ ...grant, assertion: ada.assertion(service) })
      const subject = String(got.body['access_token'])
      const exchanged = await service.token({
        grant_type: TOKEN_EXCHANGE,
        subject_token: subject,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        ...robot.proof(service),
      })
      const beside = await service.token({
        ...grant,
        assertion: ada.assertion(service),
        ...robot.proof(service),
      })
      const refreshed = await service.token({
        grant_type: 'refresh_token',
        refresh_token: String(beside.body['refresh_token']),
        ...robot.proof(service),
      })
      const tokens = [exchanged, beside, refreshed].map(({ body }) => String(body['access_token']))
      const seen = async (token: string): Promise<number> =>
        (await service.send('/private', { headers: { authorization: `Bearer ${token}` } })).status
      for (const token of [subject, ...tokens]) assert.equal(await seen(token), 200)
      await end()
      for (const token of tokens) assert.equal(await seen(token), 401, name)
      assert.equal(await seen(subject), 200, 'that of ada is hers')
    }
  })
})

describe('an exchange', () => {
  it('takes nothing but our own live access tokens, and for nobody but whom they are for', async (t) => {
    const service = await start(t, { tokens: { audiences: ['https://api.test'] } })
    const robot = await addClient(service, 'robot', {
      roles: ['token-exchange'],
      scopes: ['a', 'b'],
    })
    const ada = await addClient(service, 'ada', { kind: 'user', scopes: ['a'] })
    const { body } = await service.token({
      grant_type: JWT_BEARER,
      assertion: ada.assertion(service),
    })
    const subject = String(body['access_token'])
    const api = await service.auth.tokens.create('ada', { label: 'x' })
    const refresh = String(await offline(service, ada))
    const exchange = async (more: object): Promise<string> => {
      const answer = await service.token({
        grant_type: TOKEN_EXCHANGE,
        subject_token: subject,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        ...robot.proof(service),
        ...more,
      })
      return String(answer.body['error'] ?? answer.body['scope'])
    }
    assert.equal(await exchange({}), 'a', 'no more than ada gave')
    const refused: [string, object, string][] = [
      ['more scopes than the subject has', { scope: 'b' }, 'invalid_scope'],
      ['everything', { scope: '*' }, 'invalid_scope'],
      ['an audience that nobody configured', { audience: 'https://evil.test' }, 'invalid_target'],
      [
        'two audiences',
        { audience: 'https://api.test', resource: service.origin },
        'invalid_target',
      ],
      ['an assertion as a token', { subject_token: ada.assertion(service) }, 'invalid_grant'],
      ['an API token', { subject_token: api.token }, 'invalid_grant'],
      ['a refresh token', { subject_token: refresh }, 'invalid_grant'],
      [
        'another kind',
        { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
        'invalid_request',
      ],
      ['an actor', { actor_token: subject, actor_token_type: 'x' }, 'invalid_request'],
      ['a refresh token besides', { scope: 'offline_access' }, 'invalid_scope'],
      [
        'a refresh token instead',
        { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
        'invalid_request',
      ],
    ]
    for (const [what, more, error] of refused) assert.equal(await exchange(more), error, what)
    await service.auth.users.disable('ada')
    assert.equal(await exchange({}), 'invalid_grant', 'of somebody who is out')
  })
})
