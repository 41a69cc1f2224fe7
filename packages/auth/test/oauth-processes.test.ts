import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import { addClient, claimsOf, type OAuthService, startOAuth } from './oauth-service.ts'

scrubProcess()

async function seen(service: OAuthService, text: string): Promise<number> {
  const headers = { authorization: `Bearer ${text}` }
  return (await service.send('/private', { headers })).status
}

describe('two processes on one database', () => {
  const folder = temporaryFolder(after)

  it('take the same tokens, and hear of every end within two seconds', async (t) => {
    const shared = {
      url: `sqlite:${path.join(folder, 'shared.db')}`,
      keys: { path: path.join(folder, 'shared.keys') },
      issuer: 'https://service.test',
    }
    const one = await startOAuth(t, shared)
    const two = await startOAuth(t, shared)
    const robot = await addClient(one, 'robot')
    const issue = async (): Promise<{ text: string; jti: string }> => {
      const assertion = robot.assertion(one, { aud: 'https://service.test' })
      const { body } = await one.token({
        grant_type: 'client_credentials',
        ...robot.proof(one),
        client_assertion: assertion,
      })
      const text = String(body['access_token'])
      return { text, jti: String(claimsOf(text)['jti']) }
    }
    const { text } = await issue()
    assert.deepEqual([await seen(one, text), await seen(two, text)], [200, 200])

    const proof = {
      ...robot.proof(two),
      client_assertion: robot.assertion(two, { aud: 'https://service.test' }),
    }
    assert.equal((await two.send('/oauth/revoke', { form: { token: text, ...proof } })).status, 200)
    assert.equal(await seen(two, text), 401, 'at once where it was ended')
    one.pass(2000)
    assert.equal(await seen(one, text), 401, 'two seconds later everywhere')

    const replayed = await one.token({ grant_type: 'client_credentials', ...proof })
    assert.equal(replayed.body['error'], 'invalid_client', 'used in the other process')

    const second = await issue()
    assert.deepEqual([await seen(one, second.text), await seen(two, second.text)], [200, 200])
    await two.auth.signingKeys.rotate()
    const third = await issue()
    assert.equal(await seen(two, third.text), 200, 'a key that the other process put to work')
    assert.equal(await seen(one, second.text), 200)
    await one.auth.users.disable('robot')
    two.pass(2000)
    assert.equal(await seen(two, third.text), 401)
  })
})
