import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { get, OptionError, pinsOf, Session, TrustError } from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'
import { buildCertificate, type Certificate, Name, PrivateKey } from '@countersign/x509'
import { asGiven, failureOf } from './failures.ts'
import { resumedConnection, sendJson, startServer, type TestServer } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const other = testAuthority()
const leaf = ours.issue({ names: ['localhost'] })
const folder = temporaryFolder(after)
const ofLeaf = pinsOf(leaf.certificate)
const WRONG = `sha256:${'0'.repeat(64)}`

describe('a pin on its own', () => {
  it('is enough for a self-signed certificate, by its digest or by its key', async () => {
    const own = selfSigned(['localhost'])
    await using server = await served(own)
    for (const pin of Object.values(pinsOf(own.certificate))) {
      const response = await get(server.url, { pin })
      assert.equal(await response.json(), 'here')
      assert.equal(response.peer.verified, true)
      assert.equal(response.peer.certificate?.fingerprint, own.certificate.fingerprint)
      await using session = new Session({ pin: [WRONG, pin] })
      assert.ok((await session.get(server.url)).ok)
    }
  })

  it('takes the digest as openssl, curl and people write it', async () => {
    const own = selfSigned(['localhost'])
    await using server = await served(own)
    const { fingerprint, publicKey } = own.certificate
    const base64 = Buffer.from(pinsOf(own.certificate).key.slice(7), 'hex').toString('base64')
    for (const pin of [
      `sha256:${fingerprint.toUpperCase()}`,
      `sha256:${(fingerprint.match(/../g) ?? []).join(':')}`,
      `SHA256:${fingerprint}`,
      `sha256:${base64}`,
      `sha256:${base64.replace(/=$/, '')}`,
      `sha256:${base64.replaceAll('+', '-').replaceAll('/', '_')}`,
    ]) {
      assert.ok((await get(server.url, { pin })).ok, `${pin} of ${publicKey.spki.length}`)
    }
  })

  it('does not ask for a name: who holds the key is the one that was meant', async () => {
    await using server = await served(selfSigned(['printer.local']))
    const { certificate } = server
    assert.ok((await get(server.url, { pin: pinsOf(certificate).key })).ok)
    assert.equal((await failureOf(get(server.url, { ca: certificate.pem }))).code, 'name-mismatch')
  })

  it('does not outlive the certificate: dates count', async () => {
    const past = { notBefore: new Date('2020-01-01'), notAfter: new Date('2020-02-01') }
    const future = { notBefore: new Date(Date.now() + 1e9), notAfter: new Date(Date.now() + 2e9) }
    for (const [dates, code] of [
      [past, 'expired'],
      [future, 'not-yet-valid'],
    ] as const) {
      await using server = await served(selfSigned(['localhost'], dates))
      const error = await failureOf(get(server.url, { pin: pinsOf(server.certificate).key }))
      assert.ok(error instanceof TrustError)
      assert.equal(error.code, code)
      assert.equal(error.explanation.code, code)
      assert.equal(server.seen.length, 0)
    }
  })

  it('stands instead of an authority that only the environment names', async () => {
    await using server = await served(selfSigned(['localhost']))
    process.env['SSL_CERT_FILE'] = '/nowhere.pem'
    try {
      assert.ok((await get(server.url, { pin: pinsOf(server.certificate).key })).ok)
    } finally {
      delete process.env['SSL_CERT_FILE']
    }
  })

  it('is a TrustError with both fingerprints where it does not fit, and nothing is sent', async () => {
    await using server = await served(leaf)
    const error = await failureOf(get(server.url, { pin: WRONG }))
    assert.ok(error instanceof TrustError)
    assert.equal(error.code, 'pin-mismatch')
    assert.ok(error.message.includes(ofLeaf.certificate), error.message)
    assert.ok(error.message.includes(ofLeaf.key) && error.message.includes(WRONG))
    assert.ok(error.hint?.includes(ofLeaf.key))
    assert.doesNotMatch(error.hint ?? '', /verify: ?false/)
    assert.equal(error.certificate?.fingerprint, leaf.certificate.fingerprint)
    assert.equal(error.explanation.chain[0]?.fingerprint, leaf.certificate.fingerprint)
    assert.equal(error.explanation.ok, false)
    assert.equal(error.explanation.hint, error.hint)
    assert.equal(server.seen.length, 0)
  })

  it('is not verify: false: it lends its connection to nobody', async () => {
    await using server = await served(selfSigned(['localhost']))
    await using session = new Session({ verify: true, ca: ours.rootPem })
    await using pinned = new Session()
    assert.ok((await pinned.get(server.url, { pin: pinsOf(server.certificate).key })).ok)
    assert.equal((await failureOf(pinned.get(server.url))).code, 'self-signed')
    assert.equal((await failureOf(pinned.get(server.url, { pin: WRONG }))).code, 'pin-mismatch')
    assert.equal((await failureOf(session.get(server.url))).code, 'self-signed')
  })

  it('shows who we are, as any connection does', async () => {
    const alice = ours.issue({ names: ['alice'], client: true })
    const context = createDefaultContext({
      purpose: 'client-auth',
      cert: leaf.chainPem,
      key: leaf.keyPem,
      ca: ours.rootPem,
    })
    await using server = await startServer(
      (request, response) => sendJson(response, request.client ?? null),
      context.nodeServerOptions(),
    )
    const options = { pin: ofLeaf.key, ...alice.write(folder, 'alice') }
    const response = await get(server.url, {
      pin: options.pin,
      cert: options.certificate,
      key: options.key,
    })
    assert.equal(await response.json(), 'alice')
  })
})

describe('a pin beside an authority', () => {
  it('narrows it: both must hold, whoever says which', async () => {
    await using server = await served(leaf)
    const both = [
      [{ ca: ours.rootPem, pin: ofLeaf.key }, {}],
      [{ ca: ours.rootPem }, { pin: ofLeaf.certificate }],
      [{ pin: ofLeaf.key }, { extraCa: ours.rootPem }],
      [{ ...origins({ pin: ofLeaf.key }), ca: ours.rootPem }, {}],
      [origins({ pin: ofLeaf.key, ca: ours.rootPem }), {}],
      [{}, { verify: createDefaultContext({ ca: ours.rootPem }), pin: ofLeaf.key }],
    ] as const
    for (const [ofSession, ofCall] of both) {
      await using session = new Session(ofSession)
      assert.ok((await session.get(server.url, ofCall)).ok)
    }
    const broken = [
      [{ ca: ours.rootPem, pin: WRONG }, {}, 'pin-mismatch'],
      [{ ca: other.rootPem, pin: ofLeaf.key }, {}, 'untrusted-root'],
      [{ pin: ofLeaf.key }, { ca: other.rootPem }, 'untrusted-root'],
      [{ pin: WRONG }, { ca: ours.rootPem }, 'pin-mismatch'],
      [{ ...origins({ pin: WRONG }), ca: ours.rootPem }, {}, 'pin-mismatch'],
      [{ ...origins({ pin: WRONG }), pin: ofLeaf.key }, { ca: other.rootPem }, 'untrusted-root'],
      [{}, { verify: createDefaultContext({ ca: ours.rootPem }), pin: WRONG }, 'pin-mismatch'],
    ] as const
    for (const [ofSession, ofCall, code] of broken) {
      await using session = new Session(ofSession)
      assert.equal((await failureOf(session.get(server.url, ofCall))).code, code)
    }
    assert.equal(server.seen.length, both.length)
  })

  it('narrows the default trust with verify: true', async () => {
    await using server = await served(leaf)
    assert.ok((await get(server.url, { pin: ofLeaf.key })).ok)
    const error = await failureOf(get(server.url, { pin: ofLeaf.key, verify: true }))
    assert.equal(error.code, 'untrusted-root')
  })

  it('holds for resumed connections', async () => {
    await using session = new Session({ ca: ours.rootPem, pin: ofLeaf.key })
    const secure = { key: leaf.keyPem, cert: leaf.chainPem }
    const { first, second } = await resumedConnection(session, secure)
    assert.deepEqual([first.resumed, second.resumed], [false, true])
    assert.equal(second.chain.length, 3, 'the chain of the first handshake is remembered')
  })

  it('does not make a connection resume that was verified by it alone', async () => {
    await using session = new Session({ pin: ofLeaf.key })
    const secure = { key: leaf.keyPem, cert: leaf.chainPem }
    const { first, second } = await resumedConnection(session, secure)
    assert.deepEqual([first.resumed, second.resumed], [false, false])
  })
})

describe('a pin that is none', () => {
  const wrong = [
    '',
    'sha256:',
    'sha256:00',
    `sha1:${'0'.repeat(40)}`,
    leaf.certificate.fingerprint,
    `sha256:${'g'.repeat(64)}`,
    `sha256:${'0'.repeat(5000)}`,
    [],
    [ofLeaf.key, 'x'],
    7,
    {},
    Array.from({ length: 33 }, () => ofLeaf.key),
  ]
  for (const pin of wrong) {
    it(`${JSON.stringify(pin).slice(0, 40)} is refused at construction`, () => {
      assert.throws(
        () => new Session(asGiven({ pin })),
        (error) =>
          error instanceof OptionError &&
          error.code === 'option-invalid' &&
          error.message.length < 300,
      )
    })
  }

  it('contradicts verify: false', () => {
    assert.throws(() => new Session({ verify: false, pin: WRONG }), { code: 'option-conflict' })
  })
})

function origins(profile: object): { origins: Record<string, object> } {
  return { origins: { 'https://localhost:*': profile } }
}

async function served(identity: {
  certificate: Certificate
  chainPem: string
  keyPem: string
}): Promise<TestServer & { certificate: Certificate }> {
  const server = await startServer((_request, response) => sendJson(response, 'here'), {
    key: identity.keyPem,
    cert: identity.chainPem,
  })
  return Object.assign(server, { certificate: identity.certificate })
}

function selfSigned(
  names: readonly string[],
  dates: { notBefore?: Date; notAfter?: Date } = {},
): { certificate: Certificate; chainPem: string; keyPem: string } {
  const key = PrivateKey.generateSync('p256')
  const subject = Name.from({ commonName: names[0] ?? 'nobody' })
  const certificate = buildCertificate(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore: dates.notBefore ?? new Date(Date.now() - 60_000),
      notAfter: dates.notAfter ?? new Date(Date.now() + 86_400_000),
      subjectAltNames: names.map((value) => ({ type: 'dns', value }) as const),
    },
    key.signer(),
  )
  return { certificate, chainPem: certificate.pem, keyPem: key.toPem() }
}
