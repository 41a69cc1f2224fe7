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
    const bearer = { authorization: `Bearer ${String(token)}` }
    const who = await service.send('/private', { headers: bearer })
    assert.equal(who.status, 200)
    assert.equal(who.body['via'], 'jwt')
    const keys = await service.auth.publicKeys.list('robot')
    assert.deepEqual([sub, cred], [Reflect.get(Object(who.body['principal']), 'id'), keys[0]?.id])
    service.pass(299_000)
    assert.equal((await service.send('/private', { headers: bearer })).status, 200)
    service.pass(1000)
    assert.equal((await service.send('/private', { headers: bearer })).status, 401)
  })
})
