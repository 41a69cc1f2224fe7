import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createJwtVerifier } from '@countersign/auth'
import { get, Session } from '@countersign/client'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

const KEYS = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

describe('access tokens of a running service', () => {
  const folder = temporaryFolder(after)
  const data = path.join(folder, 'data')
  const file = (name: string, text: string): string => {
    const target = path.join(folder, name)
    writeFileSync(target, text, { mode: 0o600 })
    return target
  }
  const publicFile = file(
    'robot.pub',
    KEYS.publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  )
  let service: RunningService | undefined
  before(async () => {
    service = await startUp(data)
  })
  after(async () => {
    await service?.[Symbol.asyncDispose]()
  })

  const program = (...args: string[]): Promise<CommandResult> =>
    runProgram([...args, '--data', data, '--json'])

  async function token(url: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: 'robot',
      sub: 'robot',
      aud: url,
      jti: randomUUID(),
      iat: now,
      exp: now + 60,
    }
    const signed = `${part({ alg: 'ES256' })}.${part(claims)}`
    const signature = sign('sha256', Buffer.from(signed), {
      key: KEYS.privateKey,
      dsaEncoding: 'ieee-p1363',
    })
    await using session = new Session({ ca: path.join(data, 'roots.pem') })
    const response = await session.post(`${url}/oauth/token`, {
      form: {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: `${signed}.${signature.toString('base64url')}`,
      },
    })
    const body: unknown = await response.json()
    return { status: response.status, body: { ...Object(body) } }
  }

  it('are got with a registered key, verified with our trust, and end with the key', async () => {
    assert.ok(service !== undefined)
    const { url, roots } = service
    assert.equal((await program('user', 'add', 'robot', '--service', '--role', 'viewer')).code, 0)
    assert.equal((await token(url)).body['error'], 'invalid_client', 'no key yet')
    const added = await program('user', 'key', 'robot', '--jwk', publicFile, '--scope', 'ca:list')
    assert.equal(added.code, 0, added.stderr)
    const { id } = JSON.parse(added.stdout)

    const answer = await token(url)
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    const text = String(answer.body['access_token'])
    const auth = { bearer: text }
    const listed = await get(`${url}/ca/certificates`, { ca: roots, auth })
    assert.equal(listed.status, 200)
    await listed.bytes()
    const refused = await get(`${url}/admin/principals`, { ca: roots, auth })
    assert.equal(refused.status, 403)
    await refused.bytes()

    const jwksUri = `${url}/.well-known/jwks.json`
    const verifier = createJwtVerifier({
      issuer: url,
      audience: url,
      jwksUri,
      fetch: (address, init) => get(address, { ...init, ca: roots }),
    })
    const verdict = await verifier.verify(text)
    assert.ok(verdict.ok, JSON.stringify(verdict))
    assert.equal(verdict.claims['client_id'], 'robot')
    const distrusting = createJwtVerifier({
      issuer: url,
      audience: url,
      jwksUri,
      fetch: (address, init) => get(address, init),
    })
    const unknown = await distrusting.verify(text)
    assert.equal(unknown.ok ? 'accepted' : unknown.code, 'keys-unavailable')

    assert.equal((await program('user', 'key', 'robot', '--revoke', String(id))).code, 0)
    assert.equal((await token(url)).body['error'], 'invalid_client')
    const ended = async (): Promise<boolean> => {
      const response = await get(`${url}/ca/certificates`, { ca: roots, auth })
      await response.bytes()
      return response.status === 401
    }
    // The program ran in a process of its own: the service hears of it within two seconds.
    while (!(await ended())) await pause(100)
  })

  it('are not had with what is no public key', async () => {
    const privateFile = file(
      'robot.key',
      KEYS.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    )
    const jwk = { ...KEYS.privateKey.export({ format: 'jwk' }) }
    const rows: [string, string[], number, RegExp][] = [
      ['a private key', ['--jwk', privateFile], 1, /holds no public key/],
      [
        'a private JSON Web Key',
        ['--jwk', file('private.json', JSON.stringify(jwk))],
        1,
        /private or secret/,
      ],
      ['a key nobody has', ['--revoke', 'x'], 1, /has no key x/],
      ['two things', ['--jwk', publicFile, '--revoke', 'x'], 2, /two things/],
    ]
    assert.equal((await program('user', 'add', 'other', '--service')).code, 0)
    for (const [name, args, code, message] of rows) {
      const result = await program('user', 'key', 'other', ...args)
      assert.equal(result.code, code, name)
      assert.match(result.stderr + result.stdout, message, name)
    }
    assert.deepEqual(JSON.parse((await program('user', 'key', 'other')).stdout), [])
  })
})
