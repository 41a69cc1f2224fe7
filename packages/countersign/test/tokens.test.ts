import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createJwtVerifier } from '@countersign/auth'
import { get, Session } from '@countersign/client'
import {
  type CommandResult,
  requirePython,
  requireTool,
  runCommand,
  runProgram,
  scrubProcess,
  temporaryFolder,
} from '@countersign/testkit'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

const KEYS = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function pemOf(key: KeyObject, type: 'spki' | 'pkcs8'): string {
  return key.export({ format: 'pem', type }).toString()
}

/** What a client signs with its key to say who it is. */
function assertionOf(name: string, key: KeyObject, url: string): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: name, sub: name, aud: url, jti: randomUUID(), iat: now, exp: now + 60 }
  const signed = `${part({ alg: 'ES256' })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

function formOf(assertion: string): Record<string, string> {
  return {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  }
}

describe('access tokens of a running service', () => {
  const folder = temporaryFolder(after)
  const data = path.join(folder, 'data')
  const file = (name: string, text: string): string => {
    const target = path.join(folder, name)
    writeFileSync(target, text, { mode: 0o600 })
    return target
  }
  const publicFile = file('robot.pub', pemOf(KEYS.publicKey, 'spki'))
  const seedKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const seedFile = file('seed.key', pemOf(seedKeys.privateKey, 'pkcs8'))
  let service: RunningService | undefined
  before(async () => {
    service = await startUp(data)
    const added = await program('user', 'add', 'seed', '--service', '--role', 'viewer')
    assert.equal(added.code, 0, added.stderr)
    const jwk = file('seed.json', JSON.stringify(seedKeys.publicKey.export({ format: 'jwk' })))
    const registered = await program('user', 'key', 'seed', '--jwk', jwk)
    assert.equal(registered.code, 0, registered.stderr)
  })
  after(async () => {
    await service?.[Symbol.asyncDispose]()
  })

  function program(...args: string[]): Promise<CommandResult> {
    return runProgram([...args, '--data', data, '--json'])
  }

  function running(): RunningService {
    assert.ok(service !== undefined)
    return service
  }

  async function token(
    url: string,
    assertion: string = assertionOf('robot', KEYS.privateKey, url),
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    await using session = new Session({ ca: path.join(data, 'roots.pem') })
    const response = await session.post(`${url}/oauth/token`, { form: formOf(assertion) })
    const body: unknown = await response.json()
    return { status: response.status, body: { ...Object(body) } }
  }

  describe('A7: JSON Web Tokens with claims, and private keys instead of tokens', () => {
    it('A7 with our client', async () => {
      const { url, roots } = running()
      const answer = await token(url, assertionOf('seed', seedKeys.privateKey, url))
      const bearer = String(answer.body['access_token'])
      const [, claims = ''] = bearer.split('.')
      const read: unknown = JSON.parse(Buffer.from(claims, 'base64url').toString())
      assert.partialDeepStrictEqual(read, { iss: url, client_id: 'seed', roles: ['viewer'] })
      const who = await get(`${url}/auth/session`, { ca: roots, auth: { bearer } })
      assert.partialDeepStrictEqual(await who.json(), { principal: { name: 'seed' }, via: 'jwt' })
      const changed = {
        bearer: bearer.replace(/\.[^.]+\./, `.${part({ ...Object(read), sub: 'x' })}.`),
      }
      const refused = await get(`${url}/auth/session`, { ca: roots, auth: changed })
      assert.equal(refused.status, 401)
      await refused.bytes()
    })

    it('A7 with curl', async (t) => {
      const curl = requireTool(t, 'curl')
      if (curl === undefined) return
      const { url, roots } = running()
      const form = formOf(assertionOf('seed', seedKeys.privateKey, url))
      const fields = Object.entries(form).flatMap(([name, value]) => [
        '--data-urlencode',
        `${name}=${value}`,
      ])
      const got = await runCommand(curl, [
        '-sS',
        '--cacert',
        roots,
        ...fields,
        `${url}/oauth/token`,
      ])
      const { access_token: bearer } = JSON.parse(got.stdout)
      const header = `Authorization: Bearer ${String(bearer)}`
      const who = await runCommand(curl, [
        '-sS',
        '--cacert',
        roots,
        '-H',
        header,
        `${url}/auth/session`,
      ])
      assert.partialDeepStrictEqual(JSON.parse(who.stdout), { principal: { name: 'seed' } })
    })

    it('A7 with python3-requests and PyJWT', async (t) => {
      const python = requirePython(t, { modules: ['requests', 'jwt', 'cryptography'] })
      if (python === undefined) return
      const { url, roots } = running()
      const { code, stdout, stderr } = await runCommand(python, [
        '-c',
        PYTHON,
        url,
        roots,
        seedFile,
      ])
      assert.equal(code, 0, stderr)
      assert.deepEqual(stdout.trim().split('\n'), ['200', 'seed viewer', '200 seed', '401'])
    })
  })

  it('are got with a registered key, verified with our trust, and end with the key', async () => {
    const { url, roots } = running()
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

  it('are bound to the certificate that they were got with', async () => {
    const { url, roots } = running()
    const out = path.join(folder, 'certificate')
    const made = await program('user', 'cert', 'seed', '--out', out)
    assert.equal(made.code, 0, made.stderr)
    const identity = { cert: path.join(out, 'seed.crt'), key: path.join(out, 'seed.key') }
    await using session = new Session({ ca: roots, ...identity })
    const form = { grant_type: 'client_credentials', client_id: 'seed' }
    const got = await session.post(`${url}/oauth/token`, { form })
    const answer: unknown = await got.json()
    assert.equal(got.status, 200, JSON.stringify(answer))
    const auth = { bearer: String(Reflect.get(Object(answer), 'access_token')) }
    const mine = await session.get(`${url}/auth/session`, { auth })
    assert.partialDeepStrictEqual(await mine.json(), { via: 'jwt', amr: ['mtls'] })
    const stolen = await get(`${url}/auth/session`, { ca: roots, auth })
    assert.equal(stolen.status, 401)
    await stolen.bytes()
  })

  it('are not had with what is no public key', async () => {
    const privateFile = file('robot.key', pemOf(KEYS.privateKey, 'pkcs8'))
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
    for (const [name, args, code, message] of rows) {
      const result = await program('user', 'key', 'seed', ...args)
      assert.equal(result.code, code, name)
      assert.match(result.stderr + result.stdout, message, name)
    }
  })
})

const PYTHON = `
import sys, time, uuid, jwt, requests
url, roots, key = sys.argv[1:]
now = int(time.time())
assertion = jwt.encode({'iss': 'seed', 'sub': 'seed', 'aud': url, 'jti': str(uuid.uuid4()), 'iat': now, 'exp': now + 60},
                       open(key).read(), 'ES256')
answer = requests.post(url + '/oauth/token', verify=roots, data={
    'grant_type': 'client_credentials',
    'client_assertion_type': 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    'client_assertion': assertion})
print(answer.status_code)
token = answer.json()['access_token']
keys = {k['kid']: jwt.PyJWK(k) for k in requests.get(url + '/.well-known/jwks.json', verify=roots).json()['keys']}
claims = jwt.decode(token, keys[jwt.get_unverified_header(token)['kid']].key, algorithms=['ES256'], audience=url, issuer=url)
print(claims['client_id'], ' '.join(claims['roles']))
who = requests.get(url + '/auth/session', verify=roots, headers={'Authorization': 'Bearer ' + token})
print(who.status_code, who.json()['principal']['name'])
print(requests.get(url + '/auth/session', verify=roots, headers={'Authorization': 'Bearer ' + token[:-4] + 'AAAA'}).status_code)
`
