/**
 * What refresh tokens do, the same on either database.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { AuthOptions } from '@countersign/auth'
import {
  addClient,
  claimsOf,
  JWT_BEARER,
  type KeyClient,
  type OAuthService,
  startOAuth,
} from './oauth-service.ts'

/** One rule. */
export interface RefreshRule {
  name: string
  check: (t: TestContext, options: Partial<AuthOptions> & { url?: string }) => Promise<void>
}

/** Every rule. */
export const REFRESH_RULES: readonly RefreshRule[] = [
  {
    name: 'brings a new access token and its successor, which brings the next',
    async check(t, options) {
      const { service, first, access } = await begin(t, options)
      assert.match(first, /^countersign_rt_[\w-]{43}$/)
      const second = await refresh(service, first)
      assert.equal(second.status, 200, JSON.stringify(second.body))
      const { access_token, refresh_token, ...rest } = second.body
      assert.deepEqual(rest, {
        token_type: 'Bearer',
        expires_in: 300,
        scope: 'reports:read offline_access',
      })
      assert.notEqual(refresh_token, first)
      const [before, after] = [claimsOf(access), claimsOf(access_token)]
      assert.equal(after['sid'], before['sid'])
      assert.equal(after['auth_time'], before['auth_time'])
      assert.notEqual(after['jti'], before['jti'])
      const third = await refresh(service, refresh_token)
      assert.equal(third.status, 200)
      const narrowed = await refresh(service, third.body['refresh_token'], { scope: 'admin' })
      assert.equal(narrowed.body['error'], 'invalid_scope')
      assert.equal((await refresh(service, third.body['refresh_token'])).status, 200, 'not used up')
    },
  },
  {
    name: 'brings the same successor within thirty seconds, and ends the family after',
    async check(t, options) {
      const { service, client, first, access } = await begin(t, options)
      const other = await grant(service, client)
      const second = await refresh(service, first)
      service.pass(30_000)
      const again = await refresh(service, first)
      assert.equal(again.body['refresh_token'], second.body['refresh_token'])
      service.pass(1)
      const replayed = await refresh(service, first)
      assert.deepEqual([replayed.status, replayed.body['error']], [400, 'invalid_grant'])
      const ended = service.events.filter(({ type }) => type === 'authn_token_reuse')
      assert.equal(ended.length, 1)
      const last = await refresh(service, second.body['refresh_token'])
      assert.equal(last.body['error'], 'invalid_grant', 'the thief and the owner both')
      const headers = { authorization: `Bearer ${access}` }
      assert.equal((await service.send('/private', { headers })).status, 401)
      assert.equal((await refresh(service, other.first)).status, 200, 'another family goes on')
    },
  },
  {
    name: 'used fifty times at once is one family without false alarm; a real replay ends it',
    async check(t, options) {
      const { service, first } = await begin(t, options)
      const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(service, first)))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      const successors = new Set(answers.map(({ body }) => body['refresh_token']))
      assert.equal(successors.size, 1)
      assert.equal(
        new Set(answers.map(({ body }) => claimsOf(body['access_token'])['sid'])).size,
        1,
      )
      assert.equal(service.events.filter(({ type }) => type === 'authn_token_reuse').length, 0)
      const [successor] = successors
      const next = await refresh(service, successor)
      assert.equal(next.status, 200)
      service.pass(31_000)
      assert.equal((await refresh(service, first)).body['error'], 'invalid_grant')
      assert.equal(
        (await refresh(service, next.body['refresh_token'])).body['error'],
        'invalid_grant',
      )
      const reuse = service.events.filter(({ type }) => type === 'authn_token_reuse')
      assert.deepEqual(
        reuse.map(({ reason }) => reason),
        ['refresh-reused'],
      )
    },
  },
  {
    name: 'is good for thirty days in all, and dies with password, key, user and revocation',
    async check(t, options) {
      const { service, client, first } = await begin(t, options)
      let token: unknown = first
      for (let day = 0; day < 30; day += 10) {
        const answer = await refresh(service, token)
        assert.equal(answer.status, 200, `day ${day}`)
        token = answer.body['refresh_token']
        service.pass(10 * 86_400_000)
      }
      assert.equal((await refresh(service, token)).body['error'], 'invalid_grant')
      assert.equal(service.events.at(-1)?.reason, 'refresh-expired')
      assert.ok((await service.auth.sweep()) > 0)
      assert.equal((await refresh(service, token)).body['error'], 'invalid_grant')
      assert.equal(service.events.at(-1)?.reason, 'refresh-unknown', 'swept')

      const revoked = await grant(service, client)
      const form = { token: revoked.first, ...client.proof(service) }
      assert.equal((await service.send('/oauth/revoke', { form })).status, 200)
      assert.equal((await refresh(service, revoked.first)).body['error'], 'invalid_grant')
      const headers = { authorization: `Bearer ${revoked.access}` }
      assert.equal((await service.send('/private', { headers })).status, 401)

      const outdated = await grant(service, client)
      await service.auth.users.setPassword('robot', 'four words of its own')
      assert.equal((await refresh(service, outdated.first)).body['error'], 'invalid_grant')
      const keyless = await grant(service, client)
      const [key] = await service.auth.publicKeys.list('robot')
      await service.auth.publicKeys.revoke(key?.id ?? '')
      const dead = await refresh(service, keyless.first)
      assert.equal(dead.body['error'], 'invalid_grant', JSON.stringify(service.events.at(-1)))
      await service.auth.users.disable('robot')
      assert.equal((await refresh(service, keyless.first)).body['error'], 'invalid_grant')
    },
  },
  {
    name: 'is known for a week after it was used, and forgotten after that',
    async check(t, options) {
      const { service, first } = await begin(t, options)
      const second = await refresh(service, first)
      service.pass(7 * 86_400_000)
      assert.ok((await service.auth.sweep()) > 0)
      assert.equal((await refresh(service, first)).body['error'], 'invalid_grant')
      assert.equal(service.events.at(-1)?.reason, 'refresh-unknown')
      const third = await refresh(service, second.body['refresh_token'])
      assert.equal(third.status, 200, 'the family goes on')
    },
  },
  {
    name: 'is told of by introspection while it is good, and belongs to its client',
    async check(t, options) {
      const { service, client, first } = await begin(t, options)
      const other = await addClient(service, 'other')
      const ask = async (by: KeyClient, token: unknown): Promise<Record<string, unknown>> => {
        const form = { token: String(token), ...by.proof(service) }
        return (await service.send('/oauth/introspect', { form })).body
      }
      const facts = await ask(client, first)
      assert.deepEqual(
        [facts['active'], facts['client_id'], facts['username'], facts['scope']],
        [true, 'robot', 'robot', 'reports:read'],
      )
      assert.deepEqual(await ask(other, first), { active: false })
      const stolen = await refresh(service, first, other.proof(service))
      assert.equal(stolen.body['error'], 'invalid_grant')
      const next = await refresh(service, first, client.proof(service))
      assert.equal(next.status, 200)
      assert.deepEqual(await ask(client, first), { active: false }, 'used')
      assert.equal((await ask(client, next.body['refresh_token']))['active'], true)
      const named = { client_id: 'robot' }
      const again = await refresh(service, next.body['refresh_token'], named)
      assert.equal(again.status, 200, 'its name alone is no proof and no harm')
      const misnamed = await refresh(service, again.body['refresh_token'], { client_id: 'other' })
      assert.equal(misnamed.body['error'], 'invalid_grant')
      for (const token of ['', 'x', 'countersign_rt_x', `${first}x`, first.toUpperCase()]) {
        const { status, body } = await refresh(service, token)
        assert.equal(status, 400)
        assert.equal(body['error'], token === '' ? 'invalid_request' : 'invalid_grant')
      }
      assert.deepEqual(await service.auth.findSecrets(), [])
    },
  },
]

interface Begun {
  service: OAuthService
  client: KeyClient
  first: string
  access: string
}

async function begin(
  t: TestContext,
  options: Partial<AuthOptions> & { url?: string },
): Promise<Begun> {
  const service = await startOAuth(t, options)
  const client = await addClient(service, 'robot', { kind: 'user' })
  return { service, client, ...(await grant(service, client)) }
}

async function grant(
  service: OAuthService,
  client: KeyClient,
): Promise<{ first: string; access: string }> {
  const { body } = await service.token({
    grant_type: JWT_BEARER,
    assertion: client.assertion(service),
    scope: 'reports:read offline_access',
  })
  assert.equal(body['scope'], 'reports:read offline_access', JSON.stringify(body))
  return { first: String(body['refresh_token']), access: String(body['access_token']) }
}

function refresh(
  service: OAuthService,
  token: unknown,
  more: Record<string, string> = {},
): ReturnType<OAuthService['token']> {
  return service.token({ grant_type: 'refresh_token', refresh_token: String(token), ...more })
}
