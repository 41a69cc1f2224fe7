/**
 * `up` behind a proxy that did mutual TLS with its client: who that was, it says in `Client-Cert`, and `up` believes the one it knows.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Session } from '@countersign/client'
import { proxyTo, type Server, serve } from '@countersign/server'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { Certificate, PrivateKey } from '@countersign/x509'
import { dataFolder } from '../src/data-folder.ts'
import { withAuthorityAndUsers } from '../src/open-data.ts'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

interface Identity {
  cert: string
  key: string
  certificate: Certificate
}

const folder = temporaryFolder(after)
const front = testAuthority()
const log = path.join(folder, 'access.log')
let service: RunningService
let gate: Identity
let robot: Identity
let proxy: Server

/** A service with a certificate, as `countersign user cert` makes it. */
async function identityOf(name: string): Promise<Identity> {
  const key = await PrivateKey.generate('p256')
  const files = { cert: path.join(folder, `${name}.crt`), key: path.join(folder, `${name}.key`) }
  return await withAuthorityAndUsers(dataFolder(service.data), async (authority, auth) => {
    await auth.users.add({ name, kind: 'service' })
    const { certificate, chain } = await authority.issue({
      names: [name],
      publicKey: key.publicKey,
      profile: 'client',
      requester: 'operator',
    })
    await auth.certificates.add(name, certificate.der)
    writeFileSync(files.cert, chain.map(({ pem }) => pem).join(''))
    writeFileSync(files.key, key.toPem(), { mode: 0o600 })
    return { ...files, certificate }
  })
}

before(async () => {
  const data = path.join(folder, 'data')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(
    path.join(data, 'countersign.toml'),
    'clientCertFrom = ["spiffe://countersign.internal/gate"]\nclientAddressFrom = "x-forwarded-for"\n',
    { mode: 0o600 },
  )
  service = await startUp(data, ['--access-log', log])
  gate = await identityOf('gate')
  robot = await identityOf('robot')
  const own = front.issue({ names: ['localhost', '127.0.0.1'] })
  proxy = await serve(proxyTo(service.url, { ca: service.roots, cert: gate.cert, key: gate.key }), {
    https: true,
    cert: own.chainPem,
    key: own.keyPem,
    ca: service.roots,
    verifyUser: 'ask',
  })
})
after(async () => {
  await proxy.close()
  await service[Symbol.asyncDispose]()
})

/** Somebody in front of the proxy. */
function client(as?: Identity): Session {
  const shown = as === undefined ? {} : { cert: as.cert, key: as.key }
  return new Session({ ca: front.rootPem, baseUrl: proxy.url, ...shown })
}

/** Somebody who asks the service itself. */
function direct(as?: Identity): Session {
  const shown = as === undefined ? {} : { cert: as.cert, key: as.key }
  return new Session({ ca: service.roots, baseUrl: service.url, ...shown })
}

async function told(session: Session, target: string, headers = {}): Promise<string> {
  const response = await session.get(target, { headers })
  const body = await response.text()
  const who = /"name":"(\w+)"/.exec(body)?.[1] ?? /"code":"([\w-]+)"/.exec(body)?.[1]
  return `${response.status} ${who}`
}

/** The lines of the access log about a path, once there are so many. */
async function linesOf(
  wanted: string,
  count: number,
): Promise<{ address: string; forwardedFor?: string }[]> {
  const end = performance.now() + 30_000
  for (;;) {
    const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
    const found = lines.map((line) => JSON.parse(line)).filter((line) => line.path === wanted)
    if (found.length >= count) return found
    assert.ok(performance.now() < end, `${found.length} of ${count} lines after 30 s`)
    await wait(20)
  }
}

const header = ({ certificate }: Identity): Record<string, string> => ({
  'client-cert': `:${Buffer.from(certificate.der).toString('base64')}:`,
})

describe('up behind a proxy', () => {
  it('sees the client, not the proxy; and nobody where the client shows nothing', async () => {
    await using asRobot = client(robot)
    assert.equal(await told(asRobot, '/auth/session'), '200 robot')
    await using asNobody = client()
    assert.equal(await told(asNobody, '/auth/session'), '401 credentials-required')
    // What a client writes itself does not get past the proxy.
    assert.equal(await told(asNobody, '/auth/session', header(robot)), '401 credentials-required')
  })

  it('believes nobody else who sends the header', async () => {
    await using plain = direct()
    assert.equal(await told(plain, '/auth/session', header(gate)), '401 credentials-required')
    await using asRobot = direct(robot)
    assert.equal(await told(asRobot, '/auth/session', header(gate)), '200 robot')
    await using asGate = direct(gate)
    assert.equal(await told(asGate, '/auth/session', header(robot)), '200 robot')
    assert.equal(await told(asGate, '/healthz', { 'client-cert': 'x' }), '400 malformed-request')
  })

  it('counts and logs the address that the proxy tells, and nobody else’s word', async () => {
    // What the client writes itself stands on the left.
    const headers = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' }
    const json = { username: 'mallory', password: 'wrong wrong wrong' }
    for (const as of [gate, robot, undefined]) {
      await using session = direct(as)
      assert.equal((await session.post('/login', { headers, json })).status, 401)
    }
    const lines = await linesOf('/login', 3)
    assert.deepEqual(
      lines.map(({ address, forwardedFor }) => [address, forwardedFor]),
      [
        ['127.0.0.1', '198.51.100.7'],
        ['127.0.0.1', undefined],
        ['127.0.0.1', undefined],
      ],
    )
    // A refusal that is repeated is one row.
    const end = performance.now() + 30_000
    for (let seen = ''; seen !== '127.0.0.1 198.51.100.7'; await wait(20)) {
      assert.ok(performance.now() < end, `${seen} in the audit log after 30 s`)
      const rows = await withAuthorityAndUsers(dataFolder(service.data), async (_authority, auth) =>
        auth.audit.list({ event: 'authn_login_fail' }),
      )
      seen = [...new Set(rows.map(({ address }) => address))]
        .toSorted((a = '', b = '') => a.localeCompare(b))
        .join(' ')
    }
  })

  it('gives tokens that are bound to the client’s certificate', async () => {
    await using asRobot = client(robot)
    const answer = await asRobot.post('/oauth/token', {
      form: { grant_type: 'client_credentials', client_id: 'robot' },
    })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    const authorization = `Bearer ${JSON.parse(text).access_token}`
    assert.equal(await told(asRobot, '/auth/session', { authorization }), '200 robot')
    await using straight = direct(robot)
    assert.equal(await told(straight, '/auth/session', { authorization }), '200 robot')
    await using thief = client()
    assert.equal(await told(thief, '/auth/session', { authorization }), '401 credentials-invalid')
    await using asGate = direct(gate)
    assert.equal(await told(asGate, '/auth/session', { authorization }), '401 credentials-invalid')
  })

  it('renews the client’s certificate, and never the proxy’s for somebody behind it', async () => {
    await using asNobody = client()
    const refused = await asNobody.post('/ca/certificates/renew')
    assert.match(await refused.text(), /certificate-missing/)
    await using asRobot = client(robot)
    const renewed = await asRobot.post('/ca/certificates/renew')
    const text = await renewed.text()
    assert.equal(renewed.status, 201, text)
    const certificate = Certificate.parse(JSON.parse(text).certificate)
    assert.deepEqual(certificate.subjectAltNames, robot.certificate.subjectAltNames)
  })

  it('lets nobody in by a certificate that is revoked, or of another authority', async () => {
    await using asGate = direct(gate)
    const stranger = front.issue({ names: ['robot'], client: true })
    const foreign = header({ ...robot, certificate: stranger.certificate })
    assert.equal(await told(asGate, '/auth/session', foreign), '401 credentials-invalid')
    await withAuthorityAndUsers(dataFolder(service.data), async (authority) => {
      await authority.revoke(robot.certificate.fingerprint)
    })
    // The proxy has no list; the service has.
    await using asRobot = client(robot)
    const end = performance.now() + 30_000
    while ((await told(asRobot, '/auth/session')) !== '401 credentials-invalid') {
      assert.ok(performance.now() < end, 'still let in after 30 s')
      await wait(50)
    }
  })
})
