/**
 * API tokens at the introspection endpoint: what they are good for, told to whom it concerns, and nothing to anybody else.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { addClient, type KeyClient, type OAuthService, startOAuth } from './oauth-service.ts'
import { PASSWORD } from './service.ts'

scrubProcess()

const folder = temporaryFolder(after)
const DAY = 86_400_000
const INACTIVE = { active: false }

async function ask(
  service: OAuthService,
  client: KeyClient,
  token: string,
): Promise<Record<string, unknown>> {
  const form = { token, ...client.proof(service) }
  const { status, body, headers } = await service.send('/oauth/introspect', { form })
  assert.equal(status, 200)
  assert.equal(headers.get('cache-control'), 'no-store')
  return body
}

describe('an API token at /oauth/introspect', () => {
  it('is told to its owner and to the role introspection; to others it is not active', async (t) => {
    const service = await startOAuth(t)
    const { auth } = service
    const robot = await addClient(service, 'robot')
    const guard = await addClient(service, 'guard', { roles: ['introspection'] })
    const other = await addClient(service, 'other', { roles: ['admin'] })
    const { token, info } = await auth.tokens.create('robot', {
      label: 'x',
      scopes: ['reports:read', 'reports:write'],
      networks: ['10.0.0.0/8'],
      x5tS256: 'A'.repeat(43),
    })
    const facts = {
      active: true,
      iss: service.origin,
      sub: info.principalId,
      username: 'robot',
      jti: info.id,
      iat: Math.floor(info.created.getTime() / 1000),
      exp: Math.floor(info.expires.getTime() / 1000),
      scope: 'reports:read reports:write',
      token_type: 'Bearer',
      cnf: { 'x5t#S256': 'A'.repeat(43) },
      networks: ['10.0.0.0/8'],
    }
    assert.deepEqual(await ask(service, robot, token), facts)
    assert.deepEqual(await ask(service, guard, token), facts)
    assert.deepEqual(await ask(service, other, token), INACTIVE)
    // Nobody has used it by that.
    assert.equal((await auth.tokens.list('robot'))[0]?.lastUsed, undefined)
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const plain = await auth.tokens.create('ada', { label: 'y' })
    const { scope, cnf, networks } = await ask(service, guard, plain.token)
    assert.deepEqual([scope, cnf, networks], ['*', undefined, undefined])
  })

  it('is not active once it is revoked, has ended, is forged, or its owner is out', async (t) => {
    const service = await startOAuth(t)
    const { auth } = service
    const guard = await addClient(service, 'guard', { roles: ['introspection'] })
    await auth.users.add({ name: 'ada', password: PASSWORD })
    const make = async (): Promise<{ token: string; info: { id: string } }> =>
      await auth.tokens.create('ada', { label: 'x', days: 1 })
    const [first, second] = [await make(), await make()]
    const active = async (token: string): Promise<unknown> =>
      (await ask(service, guard, token))['active']
    assert.equal(await active(first.token), true)
    await auth.tokens.revoke(first.info.id)
    assert.deepEqual(await ask(service, guard, first.token), INACTIVE)
    const { token } = second
    const forged = [
      `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
      `${token}x`,
      token.slice(0, -6),
      'countersign_pat_',
      `countersign_pat_${'A'.repeat(49)}`,
    ]
    for (const text of forged) assert.deepEqual(await ask(service, guard, text), INACTIVE, text)
    await auth.users.disable('ada')
    assert.deepEqual(await ask(service, guard, token), INACTIVE)
    await auth.users.enable('ada')
    assert.deepEqual(await ask(service, guard, token), INACTIVE)
    const third = await make()
    assert.equal(await active(third.token), true)
    service.pass(DAY)
    assert.deepEqual(await ask(service, guard, third.token), INACTIVE)
    const fourth = await make()
    assert.equal(await active(fourth.token), true)
    await auth.users.setPassword('ada', 'another five words of hers')
    assert.deepEqual(await ask(service, guard, fourth.token), INACTIVE)
  })

  it('is told to no client that does not prove who it is', async (t) => {
    const service = await startOAuth(t, { keys: { path: path.join(folder, 'keys') } })
    await addClient(service, 'robot')
    const { token } = await service.auth.tokens.create('robot', { label: 'x' })
    const { status, body } = await service.send('/oauth/introspect', { form: { token } })
    assert.deepEqual([status, body['error'], body['active']], [400, 'invalid_client', undefined])
    // Nor is the token itself a proof.
    const bearing = await service.send('/oauth/introspect', {
      form: { token },
      headers: { authorization: `Bearer ${token}` },
    })
    assert.notEqual(bearing.body['active'], true)
  })
})
