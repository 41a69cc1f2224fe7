import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Authority, openAuthority, signRenewal } from '@countersign/authority'
import { sql } from '@countersign/store'
import { scrubProcess } from '@countersign/testkit'
import {
  Certificate,
  createRequest,
  type GeneralName,
  PrivateKey,
  parseGeneralName,
} from '@countersign/x509'
import {
  clientRequest,
  codeOf,
  leafKey,
  makeAuthority,
  serverRequest,
  suiteAuthority,
} from './fixture.ts'

scrubProcess()

/** Nobody is signed in. */
const authorize = async (): Promise<Response> => new Response('who are you?', { status: 401 })

const otherKey = PrivateKey.generateSync('p256')

describe('an enrolment token', () => {
  const suite = suiteAuthority({ authorize })

  async function create(
    names: readonly string[],
    more: Partial<Parameters<Authority['enrolment']['create']>[0]> = {},
  ): Promise<string> {
    const { enrolment } = suite.current.authority
    return (await enrolment.create({ names, requester: 'test', ...more })).token
  }

  async function enroll(
    token: string,
    body: object | string = csrFor(),
    authority = suite.current.authority,
  ): Promise<Response> {
    const isText = typeof body === 'string'
    return await authority.routes.request('/ca/enroll', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': isText ? 'application/x-pem-file' : 'application/json',
      },
      body: isText ? body : JSON.stringify(body),
    })
  }

  it('gives one certificate for its names, and none the second time', async () => {
    const token = await create(['a.corp.internal', '10.0.0.7'])
    const first = await enroll(token)
    assert.equal(first.status, 201)
    const leaf = Certificate.parse(Object(await first.json()).certificate)
    assert.deepEqual(leaf.dnsNames, ['a.corp.internal'])
    const entry = await suite.current.authority.find(leaf.fingerprint)
    assert.match(entry?.requester ?? '', /^token [0-9a-f]{16}$/)
    assert.deepEqual(await answer(await enroll(token)), [401, 'token-used'])
  })

  it('gives one of ten that use it at once a certificate', async () => {
    const token = await create(['race.corp.internal'])
    const answers = await Promise.all(Array.from({ length: 10 }, async () => enroll(token)))
    const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
    assert.deepEqual(statuses, [201, ...Array.from({ length: 9 }, () => 401)])
    const found = await suite.current.authority.list({ search: 'race.corp.internal' })
    assert.equal(found.length, 1)
  })

  it('gives part of its names, and no other', async () => {
    const token = await create(['a.corp.internal', 'b.corp.internal'])
    assert.deepEqual(await answer(await enroll(token, csrFor('x.corp.internal'))), [
      403,
      'name-refused',
    ])
    const more = { csr: csrFor(), names: ['b.corp.internal', 'x.corp.internal'] }
    assert.deepEqual(await answer(await enroll(token, more)), [403, 'name-refused'])
    // What was refused has not used it up.
    const part = await enroll(token, { csr: csrFor(), names: ['b.corp.internal'] })
    assert.equal(part.status, 201)
  })

  it('gives its profile and no other, and no longer life than its own', async () => {
    const token = await create(['ann'], { profile: 'client', maxDays: 2 })
    const csr = csrFor()
    assert.deepEqual(await answer(await enroll(token, { csr, profile: 'server' })), [
      403,
      'profile-refused',
    ])
    assert.deepEqual(await answer(await enroll(token, { csr, days: 3 })), [400, 'days-invalid'])
    const given = await enroll(token, { csr, profile: 'client', days: 2 })
    const leaf = Certificate.parse(Object(await given.json()).certificate)
    assert.equal(leaf.subject.get('commonName'), 'ann')
    assert.deepEqual(leaf.extensions.extendedKeyUsage, ['clientAuth'])
  })

  it('is good for its time', async (t) => {
    let now = new Date()
    const { authority } = await makeAuthority(t, { authorize, clock: () => now })
    const { token } = await authority.enrolment.create({ names: ['a.test'], requester: 't' })
    now = new Date(now.getTime() + 300_000)
    assert.deepEqual(await answer(await enroll(token, csrFor(), authority)), [401, 'token-expired'])
    const { token: next } = await authority.enrolment.create({ names: ['a.test'], requester: 't' })
    now = new Date(now.getTime() + 299_999)
    assert.equal((await enroll(next, csrFor(), authority)).status, 201)
    now = new Date(now.getTime() + 2 * 86_400_000)
    await authority.enrolment.create({ names: ['a.test'], requester: 't' })
    assert.deepEqual(await answer(await enroll(token, csrFor(), authority)), [401, 'token-unknown'])
  })

  it('is stored as a hash, listed without it, and can be taken back', async () => {
    const { authority, store } = suite.current
    const { token, info } = await authority.enrolment.create({ names: ['l.test'], requester: 'me' })
    const { rows } = await sql`select * from enrolment_token`.execute(store.database<object>())
    assert.ok(rows.length > 0 && !JSON.stringify(rows).includes(token.slice(12)))
    const listed = await authority.enrolment.list()
    assert.deepEqual(
      listed.find(({ id }) => id === info.id),
      info,
    )
    assert.ok(!JSON.stringify(listed).includes(token.slice(12)))
    assert.equal(await authority.enrolment.revoke(info.id), true)
    assert.equal(await authority.enrolment.revoke(info.id), false)
    assert.deepEqual(await answer(await enroll(token)), [401, 'token-unknown'])
  })

  it('is refused where it is none, or one of another authority', async (t) => {
    const { authority: other } = await makeAuthority(t)
    const foreign = await other.enrolment.create({ names: ['a.test'], requester: 't' })
    const own = await create(['a.test'])
    for (const token of [
      foreign.token,
      `${own}x`,
      own.slice(0, -1),
      own.toUpperCase(),
      'csgn_enroll_',
      'a'.repeat(10_000),
      `${own}' or '1'='1`,
    ]) {
      assert.deepEqual(
        await answer(await enroll(token)),
        [401, 'token-unknown'],
        token.slice(0, 80),
      )
    }
    const without = await suite.current.authority.routes.request('/ca/enroll', { method: 'POST' })
    assert.deepEqual(await answer(without), [401, 'token-unknown'])
  })

  it('is not made for what would be refused', async () => {
    const rows: readonly (readonly [readonly string[], object, string])[] = [
      [[], {}, 'names-missing'],
      [['*.com'], {}, 'wildcard-too-wide'],
      [['a\u0000.test'], {}, 'name-invalid'],
      [['ann@corp.internal'], {}, 'name-invalid'],
      [Array.from({ length: 10_000 }, (_, index) => `h${index}.test`), {}, 'too-many-names'],
      [['a.test'], { profile: 'ocsp' }, 'profile-unknown'],
      [['a.test'], { ttlMs: 86_400_001 }, 'token-option-invalid'],
      [['a.test'], { ttlMs: 0 }, 'token-option-invalid'],
      [['a.test'], { ttlMs: Number.NaN }, 'token-option-invalid'],
      [['a.test'], { maxDays: 91 }, 'token-option-invalid'],
      [['a.test'], { maxDays: 0.5 }, 'token-option-invalid'],
      [['a.test'], { ttl: 5 }, 'option-unknown'],
    ]
    for (const [names, more, code] of rows) {
      assert.equal(await codeOf(create(names, more)), code, JSON.stringify(more))
    }
  })

  it('gives nothing for a hostile signing request, and stays good', async () => {
    const token = await create(['a.corp.internal'])
    const good = createRequest({ key: leafKey, subjectAltNames: [] })
    const flipped = Buffer.from(good.der)
    flipped.writeUInt8(flipped.readUInt8(flipped.length - 1) ^ 1, flipped.length - 1)
    const rows: readonly (readonly [object | string, number, string])[] = [
      ['', 400, 'request-malformed'],
      ['x'.repeat(70_000), 413, 'body-too-large'],
      [{ csr: 'x'.repeat(70_000) }, 413, 'body-too-large'],
      [
        { csr: createRequest({ key: leafKey, subjectAltNames: manyNames(150) }).pem },
        400,
        'too-many-names',
      ],
      [
        { csr: csrFor(), names: manyNames(150).map((_, index) => `h${index}.test`) },
        400,
        'too-many-names',
      ],
      [{ csr: csrFor(), names: ['a.corp.internal\u0000.evil.test'] }, 400, 'name-invalid'],
      [{ csr: csrFor(), names: ['а.corp.internal'] }, 403, 'name-refused'],
      [{ csr: csrFor(), names: [] }, 400, 'names-missing'],
      [{ csr: csrFor(), names: 'a.corp.internal' }, 400, 'request-malformed'],
      [{ csr: csrFor(), token }, 400, 'option-unknown'],
      [{ names: ['a.corp.internal'] }, 400, 'request-malformed'],
      [{ csr: flipped.toString('base64') }, 400, 'request-malformed'],
      [pemOf(flipped), 400, 'request-signature'],
    ]
    for (const [body, status, code] of rows) {
      assert.deepEqual(
        await answer(await enroll(token, body)),
        [status, code],
        JSON.stringify(body).slice(0, 120),
      )
    }
    const given = await enroll(token, { csr: CA_REQUEST, names: ['a.corp.internal'] })
    assert.equal(given.status, 201)
    assert.equal(Certificate.parse(Object(await given.json()).certificate).isCa, false)
  })
})

describe('a renewal by the holder', () => {
  const suite = suiteAuthority({ authorize })

  async function renew(
    body: object | undefined,
    certificate?: Certificate,
    authority = suite.current.authority,
  ): Promise<Response> {
    return await authority.routes.request(
      '/ca/certificates/renew',
      { method: 'POST', ...(body === undefined ? {} : { body: JSON.stringify(body) }) },
      { peer: { address: '127.0.0.1', encrypted: true, certificate } },
    )
  }

  it('gives whoever shows a certificate the same again', async () => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(clientRequest())
    const response = await renew(undefined, certificate)
    assert.equal(response.status, 201)
    const renewed = await leafOf(response)
    assert.ok(renewed.publicKey.equals(certificate.publicKey))
    assert.deepEqual(renewed.subjectAltNames, certificate.subjectAltNames)
    const entry = await authority.find(renewed.fingerprint)
    assert.equal(entry?.requester, `certificate ${certificate.serialNumber}`)
    assert.deepEqual(await answer(await renew(undefined)), [401, 'certificate-missing'])
  })

  it('certifies another key that has signed a request, without reading its names', async () => {
    const { certificate } = await suite.current.authority.issue(clientRequest())
    const csr = createRequest({ key: otherKey, subjectAltNames: [parseGeneralName('evil.test')] })
    const renewed = await leafOf(await renew({ csr: csr.pem }, certificate))
    assert.ok(renewed.publicKey.equals(otherKey.publicKey))
    assert.deepEqual(renewed.subjectAltNames, certificate.subjectAltNames)
    const [issuer] = suite.current.authority.chain
    assert.ok(issuer.publicKey)
  })

  it('takes a signature of the key where the connection shows no certificate', async () => {
    const { certificate } = await suite.current.authority.issue(serverRequest())
    const time = new Date()
    const proof = {
      certificate: certificate.pem,
      time: time.toISOString(),
      signature: signRenewal({ certificate, csr: undefined, time }, leafKey),
    }
    assert.equal((await renew(proof)).status, 201)
    const csr = createRequest({ key: otherKey, subjectAltNames: [] })
    const late = new Date(time.getTime() - 301_000)
    const rows: readonly (readonly [claim: string, body: object, status: number, code: string])[] =
      [
        [
          'another key',
          { ...proof, signature: signRenewal({ certificate, csr: undefined, time }, otherKey) },
          401,
          'proof-invalid',
        ],
        ['another request', { ...proof, csr: csr.pem }, 401, 'proof-invalid'],
        [
          'another time',
          { ...proof, time: new Date(time.getTime() + 1).toISOString() },
          401,
          'proof-invalid',
        ],
        [
          'an old one',
          {
            ...proof,
            time: late.toISOString(),
            signature: signRenewal({ certificate, csr: undefined, time: late }, leafKey),
          },
          401,
          'proof-stale',
        ],
        ['no time', { ...proof, time: 'now' }, 401, 'proof-invalid'],
        ['no signature', { ...proof, signature: '' }, 401, 'proof-invalid'],
        ['not base64url', { ...proof, signature: '++//' }, 401, 'proof-invalid'],
        ['half of it', { certificate: certificate.pem }, 400, 'request-malformed'],
        ['no certificate', { ...proof, certificate: 'x' }, 400, 'request-malformed'],
        ['more than there is', { ...proof, names: ['evil.test'] }, 400, 'option-unknown'],
      ]
    for (const [claim, body, status, code] of rows) {
      assert.deepEqual(await answer(await renew(body)), [status, code], claim)
    }
    const signed = signRenewal({ certificate, csr: csr.der, time }, leafKey)
    assert.equal((await renew({ ...proof, csr: csr.pem, signature: signed })).status, 201)
  })

  it('is refused for what was revoked, has ended or is of another authority', async (t) => {
    let now = new Date()
    const { authority } = await makeAuthority(t, { authorize, clock: () => now })
    const { certificate } = await authority.issue(clientRequest())
    const { certificate: ended } = await authority.issue(clientRequest())
    await authority.revoke(certificate.fingerprint, 'keyCompromise')
    assert.deepEqual(await answer(await renew(undefined, certificate, authority)), [
      403,
      'certificate-revoked',
    ])
    now = new Date(ended.notAfter.getTime())
    assert.deepEqual(await answer(await renew(undefined, ended, authority)), [
      403,
      'certificate-expired',
    ])
    assert.deepEqual(await answer(await renew(undefined, ended)), [404, 'certificate-unknown'])
    const [issuer] = suite.current.authority.chain
    assert.deepEqual(await answer(await renew(undefined, issuer)), [404, 'certificate-unknown'])
  })

  it('asks today’s policy and rules', async () => {
    const { store, folder, authority: before } = suite.current
    const { certificate } = await before.issue(clientRequest({ days: 30 }))
    const open = async (policy: object): Promise<Authority> =>
      openAuthority({ store, folder, authorize, policy })
    const none = await open({ rules: [] })
    assert.deepEqual(await answer(await renew(undefined, certificate, none)), [
      403,
      'requester-refused',
    ])
    const rule = { who: ['certificate:*'], names: ['own'] }
    const servers = await open({ rules: [rule] })
    assert.deepEqual(await answer(await renew(undefined, certificate, servers)), [
      403,
      'profile-refused',
    ])
    const narrow = await open({ allow: ['.other.internal'] })
    assert.deepEqual(await answer(await renew(undefined, certificate, narrow)), [
      403,
      'name-refused',
    ])
    const short = await open({ rules: [{ ...rule, profiles: ['client'], maxDays: 2 }] })
    const renewed = await leafOf(await renew(undefined, certificate, short))
    const life = renewed.notAfter.getTime() - renewed.notBefore.getTime()
    assert.ok(life <= 2 * 86_400_000 + 600_000)
  })

  it('certifies no key of an authority', async () => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(clientRequest())
    // The request itself cannot be made without that key: a signature of another one is none.
    const forged = Buffer.from(createRequest({ key: otherKey, subjectAltNames: [] }).der)
    forged.writeUInt8(forged.readUInt8(forged.length - 1) ^ 1, forged.length - 1)
    const body = { csr: pemOf(forged) }
    assert.deepEqual(await answer(await renew(body, certificate)), [400, 'request-signature'])
    const publicKey = authority.issuer.publicKey
    const own = authority.renew(certificate.fingerprint, { publicKey, requester: 'x' })
    assert.equal(await codeOf(own), 'key-is-ca')
  })
})

async function leafOf(response: Response): Promise<Certificate> {
  return Certificate.parse(Object(await response.json()).certificate)
}

function manyNames(count: number): GeneralName[] {
  return Array.from({ length: count }, (_, index) => ({ type: 'dns', value: `h${index}.test` }))
}

function csrFor(...names: readonly string[]): string {
  const subjectAltNames = names.map((name): GeneralName => parseGeneralName(name))
  return createRequest({ key: leafKey, subjectAltNames }).pem
}

function pemOf(der: Uint8Array): string {
  const text = Buffer.from(der)
    .toString('base64')
    .replaceAll(/(.{64})/g, '$1\n')
  return `-----BEGIN CERTIFICATE REQUEST-----\n${text}\n-----END CERTIFICATE REQUEST-----\n`
}

async function answer(response: Response): Promise<[number, string]> {
  const body: unknown = await response.json()
  return [response.status, String(Object(body).code)]
}

/** Made by: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 with basicConstraints=CA:TRUE, keyUsage=keyCertSign. */
const CA_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIIBOTCB3wIBADAPMQ0wCwYDVQQDDARldmlsMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAESqCmXUEoq1LViEjpeZ7n8/ch9lxXdurLwdTxaxnX5qYfPr/oSMMiCtOS
2X/aOP9uXDcdAgKPdjo7e4oYoILmPqBuMGwGCSqGSIb3DQEJDjFfMF0wEgYDVR0T
AQH/BAgwBgEB/wIBAzALBgNVHQ8EBAMCAQYwGwYDVR0RBBQwEoIQY2EuY29ycC5p
bnRlcm5hbDAdBgNVHSUEFjAUBggrBgEFBQcDAgYIKwYBBQUHAwMwCgYIKoZIzj0E
AwIDSQAwRgIhAJHVAEKUA49UWo3jWGon6rqd0XTLkzVFfw4+SGVuYhpWAiEApBwz
8rAecFMZJ6FCYUN42d09wfGRrNfcJM4HEA5YRnY=
-----END CERTIFICATE REQUEST-----
`
