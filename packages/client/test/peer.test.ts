import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { get, IdentityError, Session, type SessionWarning, TrustError } from '@countersign/client'
import { scrubProcess, testAuthority } from '@countersign/testkit'
import { failureOf } from './failures.ts'
import { sendJson, startServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const DAY = 86_400_000
const leaf = ours.issue({ names: ['localhost'], notAfter: new Date(Date.now() + 100 * DAY) })
const secure = { key: leaf.keyPem, cert: leaf.chainPem }

describe('response.peer', () => {
  it('says who answered: chain, name, protocol, group, cipher, days left', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    const { peer } = await get(server.url, { ca: ours.rootPem })
    assert.equal(peer.verified, true)
    assert.equal(peer.host, 'localhost')
    assert.equal(peer.port, server.port)
    assert.equal(peer.address, '127.0.0.1')
    assert.equal(peer.http, '1.1')
    assert.equal(peer.protocol, 'TLSv1.3')
    assert.match(peer.cipher ?? '', /^TLS_/)
    assert.equal(peer.group, 'X25519MLKEM768')
    assert.equal(peer.resumed, false)
    assert.equal(peer.name, 'CN=localhost')
    assert.equal(peer.daysLeft, 99)
    assert.deepEqual(
      peer.chain.map(({ fingerprint }) => fingerprint),
      [leaf.certificate, ours.issuer, ours.root].map(({ fingerprint }) => fingerprint),
    )
    assert.equal(peer.certificate, peer.chain[0])
  })

  it('of TLS 1.2 as well', async () => {
    const options = { ...secure, maxVersion: 'TLSv1.2' } as const
    await using server = await startServer((_request, response) => sendJson(response, 1), options)
    const { peer } = await get(server.url, { ca: ours.rootPem })
    assert.equal(peer.protocol, 'TLSv1.2')
    assert.ok(peer.group !== undefined && peer.cipher !== undefined)
  })

  it('over plain HTTP knows an address and nothing else', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1))
    const { peer } = await get(server.url)
    assert.equal(peer.verified, false)
    assert.deepEqual(peer.chain, [])
    for (const name of [
      'certificate',
      'name',
      'protocol',
      'cipher',
      'group',
      'daysLeft',
    ] as const) {
      assert.equal(peer[name], undefined)
    }
  })

  it('with verify: false has a certificate that nobody vouched for', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    const { peer } = await get(server.url, { verify: false, warnInsecure: false })
    assert.equal(peer.verified, false)
    assert.equal(peer.certificate?.fingerprint, leaf.certificate.fingerprint)
  })
})

describe('a certificate that ends within 14 days', () => {
  it('is told of once, for each of the chain and each origin', async () => {
    const warnings: SessionWarning[] = []
    const soon = ours.issue({ names: ['localhost'], notAfter: new Date(Date.now() + 13.5 * DAY) })
    await using server = await startServer((_request, response) => sendJson(response, 1), {
      key: soon.keyPem,
      cert: soon.chainPem,
    })
    await using session = new Session({
      ca: ours.rootPem,
      onWarning: (warning) => warnings.push(warning),
    })
    for (let round = 0; round < 3; round++) await (await session.get(server.url)).text()
    assert.equal(warnings.length, 1)
    const [warning] = warnings
    assert.ok(warning?.code === 'certificate-ends')
    assert.equal(warning.daysLeft, 13)
    assert.equal(warning.origin, server.url)
    assert.equal(warning.certificate.fingerprint, soon.certificate.fingerprint)
    assert.match(warning.message, /ends on .*, in 13 days/)
  })

  it('is no warning when it lasts longer, nor where nobody is verified', async () => {
    const warnings: SessionWarning[] = []
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    const onWarning = (warning: SessionWarning): void => {
      warnings.push(warning)
    }
    await using session = new Session({ ca: ours.rootPem, onWarning })
    await (await session.get(server.url)).text()
    const brief = ours.issue({ names: ['localhost'] })
    await using ending = await startServer((_request, response) => sendJson(response, 1), {
      key: brief.keyPem,
      cert: brief.chainPem,
    })
    await (await session.get(ending.url, { verify: false, warnInsecure: false })).text()
    assert.deepEqual(warnings, [])
  })
})

describe('a certificate that has ended while its connection was open', () => {
  it('is not good for another call: a new handshake decides', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    await using session = new Session({ ca: ours.rootPem })
    await (await session.get(server.url)).text()
    await (await session.get(server.url)).text()
    assert.equal(server.connections, 1)
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 101 * DAY })
    try {
      // OpenSSL has a clock of its own, and takes the certificate.
      await (await session.get(server.url)).text()
      await (await session.get(server.url)).text()
    } finally {
      mock.timers.reset()
    }
    assert.equal(server.connections, 3)
  })
})

describe('the explanation of an error', () => {
  it('is made when it is read, once, and is no part of the JSON', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), secure)
    const error = await failureOf(get(server.url, { ca: testAuthority().rootPem }))
    assert.ok(error instanceof TrustError)
    assert.equal(Object.keys(error).includes('explanation'), false)
    const { explanation } = error
    assert.equal(explanation, error.explanation)
    assert.equal(explanation.ok, false)
    assert.equal(explanation.code, error.code)
    assert.equal(explanation.chain[0]?.fingerprint, leaf.certificate.fingerprint)
    assert.deepEqual(explanation.target, {
      host: 'localhost',
      port: server.port,
      serverName: 'localhost',
    })
    assert.equal(explanation.trust.count, 1)
    assert.ok(explanation.hint !== undefined && explanation.fixes.caller !== undefined)
    assert.doesNotMatch(JSON.stringify(explanation), /verify: ?false|rejectUnauthorized/)
    assert.equal('explanation' in error.toJSON(), false)
  })

  it('says the name that was wanted and the names that are there', async () => {
    const elsewhere = ours.issue({ names: ['elsewhere.corp'] })
    await using server = await startServer((_request, response) => sendJson(response, 1), {
      key: elsewhere.keyPem,
      cert: elsewhere.chainPem,
    })
    const error = await failureOf(get(server.url, { ca: ours.rootPem }))
    assert.ok(error instanceof TrustError)
    assert.equal(error.explanation.code, 'name-mismatch')
    assert.equal(error.explanation.name?.wanted, 'localhost')
    assert.deepEqual(error.explanation.name?.presented, ['DNS:elsewhere.corp'])
  })

  it('of a refused identity says what was offered', async () => {
    await using server = await startServer((_request, response) => sendJson(response, 1), {
      ...secure,
      ca: ours.rootPem,
      requestCert: true,
    })
    const error = await failureOf(get(server.url, { ca: ours.rootPem }))
    assert.ok(error instanceof IdentityError)
    assert.equal(error.explanation.code, 'server-refused-client-cert')
    assert.equal(error.explanation.clientCertificates?.demand, 'required')
    assert.equal(error.explanation.clientCertificates?.offered, undefined)
    assert.equal(error.explanation.chain[0]?.fingerprint, leaf.certificate.fingerprint)
  })
})
