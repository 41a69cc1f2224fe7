import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { createAuth, createJwtVerifier, type IssuingAlgorithm } from '@countersign/auth'
import { openStore } from '@countersign/store'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { addClient, type KeyClient, type OAuthService, startOAuth } from './oauth-service.ts'

scrubProcess()

const HOUR = 3_600_000
const DAY = 24 * HOUR

async function published(service: OAuthService): Promise<JWK[]> {
  const { status, body, headers } = await service.send('/.well-known/jwks.json')
  assert.equal(status, 200)
  assert.equal(headers.get('cache-control'), 'public, max-age=300')
  const { keys } = body
  assert.ok(Array.isArray(keys))
  return keys
}

async function states(service: OAuthService): Promise<string[]> {
  return (await service.auth.signingKeys.list()).map(({ state }) => state).toSorted()
}

async function tokenOf(service: OAuthService, client: KeyClient): Promise<string> {
  const form = { grant_type: 'client_credentials', ...client.proof(service) }
  return String((await service.token(form)).body['access_token'])
}

function kidOf(token: string): unknown {
  const [header = ''] = token.split('.')
  return Reflect.get(Object(JSON.parse(Buffer.from(header, 'base64url').toString())), 'kid')
}

async function answerTo(service: OAuthService, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  return (await service.send('/private', { headers })).status
}

describe('signing keys', () => {
  const folder = temporaryFolder(after)

  it('are made on the first start, named by their thumbprints, published without their private half', async (t) => {
    const service = await startOAuth(t)
    const keys = await published(service)
    assert.equal(keys.length, 2, 'one that signs, and the next')
    for (const key of keys) {
      assert.deepEqual(Object.keys(key).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
      assert.equal(key.kid, await calculateJwkThumbprint(key))
    }
    assert.deepEqual(await states(service), ['current', 'next'])
    const rows = await service.store
      .database<Tables>()
      .selectFrom('auth_signing_key')
      .selectAll()
      .execute()
    for (const { private_enc } of rows) assert.match(private_enc ?? '', /^v1\.[0-9a-f]{8}\./)
    assert.deepEqual(await service.auth.findSecrets(), [])
  })

  it('are rotated on schedule: published before they sign, and after, then only a name', async (t) => {
    const service = await startOAuth(t, { tokens: { rotationDays: 1 } })
    const robot = await addClient(service, 'robot')
    const [first, next] = (await service.auth.signingKeys.list()).toSorted((a) =>
      a.state === 'current' ? -1 : 1,
    )
    assert.equal(kidOf(await tokenOf(service, robot)), first?.kid)
    service.pass(DAY - 1)
    const last = await tokenOf(service, robot)
    assert.equal(kidOf(last), first?.kid)
    service.pass(30_001)
    const fresh = await tokenOf(service, robot)
    assert.equal(kidOf(fresh), next?.kid, 'the key that everybody knows by now')
    assert.deepEqual(await states(service), ['current', 'next', 'previous'])
    assert.equal(await answerTo(service, last), 200, 'tokens of before are good until they end')
    assert.equal((await published(service)).length, 3)
    const rows = service.store.database<Tables>().selectFrom('auth_signing_key')
    const previous = await rows.where('state', '=', 'previous').selectAll().executeTakeFirst()
    assert.equal(previous?.private_enc, null, 'what signs no more is gone')
    service.pass(HOUR)
    assert.equal((await published(service)).length, 2)
    assert.deepEqual(await states(service), ['current', 'next', 'retired'])
  })

  it('are rotated at once when an administrator says so, and end at once when they are compromised', async (t) => {
    const service = await startOAuth(t)
    const robot = await addClient(service, 'robot')
    const before = await tokenOf(service, robot)
    await service.auth.signingKeys.rotate()
    const token = await tokenOf(service, robot)
    assert.notEqual(kidOf(token), kidOf(before))
    assert.deepEqual([await answerTo(service, before), await answerTo(service, token)], [200, 200])
    await service.auth.signingKeys.rotate({ compromised: true })
    assert.deepEqual([await answerTo(service, before), await answerTo(service, token)], [401, 401])
    assert.deepEqual(await states(service), ['current', 'next', 'retired', 'retired', 'retired'])
    assert.equal(await answerTo(service, await tokenOf(service, robot)), 200)

    const password = 'four words of my own'
    await service.auth.users.add({ name: 'root', password, roles: ['admin'] })
    await service.auth.users.add({ name: 'alice', password })
    const rotate = async (username: string): Promise<number> => {
      const signedIn = await service.send('/login', { json: { username, password } })
      const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
      const send = { json: { compromised: true }, headers: { cookie } }
      return (await service.send('/admin/keys:rotate', send)).status
    }
    const doomed = await tokenOf(service, robot)
    assert.equal(await rotate('alice'), 403)
    assert.equal(await answerTo(service, doomed), 200)
    assert.equal(await rotate('root'), 200)
    assert.equal(await answerTo(service, doomed), 401)
    assert.equal((await service.send('/admin/keys')).status, 401)
  })

  it('are the same in every process, however many start or rotate at once', async (t) => {
    const url = `sqlite:${path.join(folder, 'many.db')}`
    const keys = { path: path.join(folder, 'many.keys') }
    const issuer = 'https://service.test'
    const open = async (): Promise<Awaited<ReturnType<typeof createAuth>>> => {
      const store = await openStore(url)
      t.after(() => store.close())
      const auth = await createAuth({ store, keys, issuer })
      t.after(() => auth.close())
      return auth
    }
    const processes = [await open(), await open(), await open()]
    const kids = async (): Promise<string[]> => {
      const sets = await Promise.all(
        processes.map(async ({ routes }) => {
          const response = await routes.request('/.well-known/jwks.json')
          return JSON.stringify(await response.json())
        }),
      )
      return [...new Set(sets)]
    }
    assert.equal((await kids()).length, 1)
    const [first] = processes
    assert.equal((await first?.signingKeys.list())?.length, 2)
  })

  it('change their algorithm with the next key, and verify under every one', async (t) => {
    const url = `sqlite:${path.join(folder, 'algorithms.db')}`
    const keys = { path: path.join(folder, 'algorithms.keys') }
    const seen: unknown[] = []
    for (const algorithm of ['ES256', 'EdDSA', 'ML-DSA-65'] satisfies IssuingAlgorithm[]) {
      const service = await startOAuth(t, { url, keys, tokens: { algorithm } })
      const robot = await addClient(service, `robot-${algorithm.toLowerCase()}`)
      await service.auth.signingKeys.rotate()
      const token = await tokenOf(service, robot)
      const [header = ''] = token.split('.')
      seen.push(Reflect.get(Object(JSON.parse(Buffer.from(header, 'base64url').toString())), 'alg'))
      assert.equal(await answerTo(service, token), 200)
      const verifier = createJwtVerifier({
        issuer: service.origin,
        audience: service.origin,
        jwks: { keys: await published(service) },
        algorithms: [algorithm],
        clock: () => service.now(),
      })
      assert.equal((await verifier.verify(token)).ok, true)
    }
    assert.deepEqual(seen, ['ES256', 'EdDSA', 'ML-DSA-65'])
  })

  it('are not made where nothing would keep them', async (t) => {
    const store = await openStore(`sqlite:${path.join(folder, 'without.db')}`)
    t.after(() => store.close())
    await assert.rejects(createAuth({ store, issuer: 'https://service.test' }), {
      code: 'keys-required',
    })
  })
})

interface Tables {
  auth_signing_key: { kid: string; state: string; private_enc: string | null }
}
