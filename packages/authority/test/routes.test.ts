import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openAuthority, type Authorize } from '@countersign/authority'
import { sql } from '@countersign/store'
import { scrubProcess } from '@countersign/testkit'
import {
  Certificate,
  CertificateRevocationList,
  createRequest,
  PrivateKey,
} from '@countersign/x509'
import { leafKey, makeAuthority, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

/** What was asked for, of each call in its order. */
const actions: string[] = []

/** Takes the role from a header: what a real one reads from a session. */
const authorize: Authorize = async (request, env, action) => {
  actions.push(action)
  const role = request.headers.get('x-role')
  if (role === null) return new Response('who are you?', { status: 401 })
  return { name: `${role} ${JSON.stringify(env)}`, roles: [role] }
}

const CSR = createRequest({
  subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }],
  key: leafKey,
})

describe('the routes', () => {
  const suite = suiteAuthority({ authorize })

  async function call(target: string, init: RequestInit = {}): Promise<Response> {
    return await suite.current.authority.routes.request(target, init, { peer: 'p' })
  }

  async function post(
    target: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return await call(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-role': 'admin', ...headers },
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    })
  }

  it('hand the roots to everybody, and tell when they have not changed', async () => {
    const response = await call('/roots.pem')
    assert.equal(response.headers.get('content-type'), 'application/x-pem-file')
    assert.match(response.headers.get('cache-control') ?? '', /max-age/)
    const [root] = Certificate.parseAll(await response.text())
    assert.equal(root?.fingerprint, suite.current.authority.roots[0]?.fingerprint)
    const etag = response.headers.get('etag') ?? ''
    const again = await call('/roots.pem', { headers: { 'if-none-match': etag } })
    assert.deepEqual([again.status, await again.text()], [304, ''])
    assert.equal((await call('/roots.pem', { method: 'HEAD' })).status, 200)
  })

  it('hand the revocation lists and the issuer to everybody', async () => {
    const { authority } = suite.current
    for (const crl of await authority.crl()) {
      const response = await call(`/crl/${crl.ca}.crl`)
      assert.equal(response.headers.get('content-type'), 'application/pkix-crl')
      const list = CertificateRevocationList.parse(new Uint8Array(await response.arrayBuffer()))
      assert.equal(list.number, BigInt(crl.number))
      const certificate = await call(`/crl/${crl.ca}.crt`)
      assert.equal(certificate.headers.get('content-type'), 'application/pkix-cert')
      const ca = Certificate.parse(new Uint8Array(await certificate.arrayBuffer()))
      assert.equal(list.issuedBy(ca), true)
    }
    for (const file of ['x.crl', 'x.crt', 'root', '..%2froot.key', 'issuer.key']) {
      assert.deepEqual(await problem(await call(`/crl/${file}`)), [404, 'not-found'], file)
    }
  })

  it('answer nobody whom authorize does not know, and no role that may not', async () => {
    const requests: [string, string][] = [
      ['GET', '/ca/certificates'],
      ['POST', '/ca/certificates'],
      ['POST', '/ca/certificates/00/revoke'],
    ]
    for (const [method, target] of requests) {
      const unknown = await call(target, { method })
      assert.deepEqual([unknown.status, await unknown.text()], [401, 'who are you?'])
      const role = method === 'GET' ? 'somebody' : 'viewer'
      const refused = await call(target, { method, headers: { 'x-role': role } })
      assert.deepEqual(await problem(refused), [403, 'role-missing'])
    }
  })

  it('tell authorize what they do, however the address is written', async () => {
    const targets: [string, string, string][] = [
      ['GET', '/ca/certificates', 'list'],
      ['HEAD', '/ca/certificates?revoke', 'list'],
      ['POST', '/ca/certificates', 'issue'],
      ['POST', '/ca/certificates?x=/revoke', 'issue'],
      ['POST', '/c%61/certificates', 'issue'],
      ['POST', '/ca/certificates/00/revoke', 'revoke'],
      ['POST', '/ca/certificates/00/%72evoke', 'revoke'],
      ['POST', '/ca/certificates/00/revok%65?x', 'revoke'],
    ]
    for (const [method, target, action] of targets) {
      actions.length = 0
      assert.equal((await call(target, { method })).status, 401, target)
      assert.deepEqual(actions, [action], target)
    }
  })

  it('issue by a signing request in JSON', async () => {
    const response = await post('/ca/certificates', { csr: CSR.pem, profile: 'server', days: 2 })
    assert.equal(response.status, 201)
    const { certificate, chain, serial } = Object(await response.json())
    const leaf = Certificate.parse(certificate)
    assert.deepEqual(leaf.dnsNames, ['api.corp.internal'])
    assert.equal(leaf.serialNumber, serial)
    assert.equal(Certificate.parseAll(chain).length, 2)
    const entry = await suite.current.authority.find(serial)
    assert.equal(entry?.requester, 'admin {"peer":"p"}')
    const named = await post('/ca/certificates', {
      csr: CSR.pem,
      names: ['ann'],
      profile: 'client',
    })
    assert.equal(
      Certificate.parse(Object(await named.json()).certificate).subject.toString(),
      'CN=ann',
    )
  })

  it('issue by a signing request as it is, and answer a chain where one is wanted', async () => {
    for (const [body, type] of [
      [CSR.pem, 'application/x-pem-file'],
      [CSR.der, 'application/pkcs10'],
    ] as const) {
      const response = await post('/ca/certificates?profile=client&days=0.5', body, {
        'content-type': type,
        accept: 'application/pem-certificate-chain',
      })
      assert.equal(response.status, 201)
      assert.equal(response.headers.get('content-type'), 'application/pem-certificate-chain')
      const [leaf, issuer] = Certificate.parseAll(await response.text())
      assert.equal(issuer !== undefined && leaf?.issuedBy(issuer), true)
      assert.deepEqual(leaf?.toX509Certificate().keyUsage, ['1.3.6.1.5.5.7.3.2'])
    }
  })

  it('refuse a body that makes no sense with what is wrong with it', async () => {
    const weak = createRequest({
      subjectAltNames: [{ type: 'dns', value: '*.test' }],
      key: PrivateKey.generateSync('p256'),
    })
    for (const [body, status, code] of [
      ['', 400, 'request-malformed'],
      ['{', 400, 'request-malformed'],
      ['[]', 400, 'request-malformed'],
      ['null', 400, 'request-malformed'],
      [Uint8Array.of(0x22, 0xff, 0xfe, 0x22), 400, 'request-malformed'],
      [{}, 400, 'request-malformed'],
      [{ csr: 'nonsense' }, 400, 'request-malformed'],
      [{ csr: CSR.pem.slice(0, 120) }, 400, 'request-malformed'],
      [{ csr: suite.current.authority.issuer.pem }, 400, 'request-malformed'],
      [{ csr: leafKey.toPem() }, 400, 'request-malformed'],
      [{ csr: CSR.pem, names: 'api' }, 400, 'request-malformed'],
      [{ csr: CSR.pem, names: [1] }, 400, 'request-malformed'],
      [{ csr: CSR.pem, names: ['a b'] }, 400, 'name-invalid'],
      [{ csr: CSR.pem, profile: 'sever' }, 400, 'profile-unknown'],
      [{ csr: CSR.pem, profile: null }, 400, 'profile-unknown'],
      [{ csr: CSR.pem, days: '7' }, 400, 'days-invalid'],
      [{ csr: CSR.pem, days: 91 }, 400, 'days-invalid'],
      [{ csr: CSR.pem, isCa: true }, 400, 'option-unknown'],
      [{ csr: weak.pem }, 403, 'wildcard-too-wide'],
      ['x'.repeat(65 * 1024), 413, 'body-too-large'],
    ] as const) {
      const text = JSON.stringify(body).slice(0, 80)
      const response = await post('/ca/certificates', body)
      const answer = await response.clone().text()
      assert.equal(answer.includes(leafKey.toPem().split('\n')[1] ?? ''), false)
      assert.deepEqual(await problem(response), [status, code], text)
    }
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(16 * 1024))
      },
    })
    const request = new Request('http://ca.test/ca/certificates', {
      method: 'POST',
      headers: { 'x-role': 'admin', 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    })
    const endless = await suite.current.authority.routes.fetch(request)
    assert.deepEqual(await problem(endless), [413, 'body-too-large'])
    for (const [query, code] of [
      ['days=x', 'days-invalid'],
      ['days=0x10', 'days-invalid'],
      ['days=', 'days-invalid'],
      ['day=1', 'option-unknown'],
      ['days=1&days=2', 'option-invalid'],
    ] as const) {
      const refused = await post(`/ca/certificates?${query}`, CSR.pem, {
        'content-type': 'text/plain',
      })
      assert.deepEqual(await problem(refused), [400, code], query)
    }
    const beside = await post('/ca/certificates?days=1', { csr: CSR.pem })
    assert.deepEqual(await problem(beside), [400, 'option-unknown'])
  })

  it('read a body whose length was announced in one piece, and no more of it than may be', async () => {
    const type = { 'content-type': 'application/pkcs10' }
    const long = new Uint8Array(65 * 1024)
    for (const [body, length, outcome] of [
      [CSR.pem, CSR.pem.length, [201, undefined]],
      [CSR.pem, 65 * 1024, [413, 'body-too-large']],
      [long, 65 * 1024, [413, 'body-too-large']],
      // No server lets that through; whoever calls the routes in its own process may.
      [long, 10, [413, 'body-too-large']],
      [new Uint8Array(), 0, [400, 'request-malformed']],
    ] as const) {
      const response = await post('/ca/certificates', body, {
        ...type,
        'content-length': String(length),
      })
      const found = response.status === 201 ? [201, undefined] : await problem(response)
      assert.deepEqual(found, outcome, `${body.length} bytes as ${length}`)
    }
  })

  it('refuse a signing request with any byte changed', async () => {
    for (let index = 0; index < CSR.der.length; index++) {
      const body = Uint8Array.from(CSR.der)
      body[index] = (body[index] ?? 0) ^ (1 << (index % 8))
      const response = await post('/ca/certificates', body, {
        'content-type': 'application/pkcs10',
      })
      const [status, code] = await problem(response)
      assert.equal(status, 400, `byte ${index}: ${String(code)}`)
      assert.match(String(code), /^request-(?:malformed|signature)$/)
    }
  })

  it('refuse a signing request whose names are damaged under a good signature', async () => {
    const response = await post('/ca/certificates', DAMAGED, {
      'content-type': 'application/x-pem-file',
    })
    assert.deepEqual(await problem(response), [400, 'request-malformed'])
  })

  it('list in pages, with times as text, for a viewer', async (t) => {
    const { authority } = await makeAuthority(t, { authorize })
    for (let index = 0; index < 5; index++) {
      await authority.issue(serverRequest({ names: [`h${index}.test`], days: index + 1 }))
    }
    const [first] = await authority.list({ limit: 1 })
    await authority.revoke(first?.serial ?? '', 'superseded')
    const list = async (
      query: string,
    ): Promise<{ certificates: Record<string, unknown>[]; next?: string }> => {
      const response = await authority.routes.request(`/ca/certificates${query}`, {
        headers: { 'x-role': 'viewer' },
      })
      assert.equal(response.headers.get('cache-control'), 'no-store')
      return Object(await response.json())
    }
    const all = await list('')
    assert.equal(all.next, undefined)
    const seen = []
    for (let after = ''; ; ) {
      const page = await list(`?limit=2${after}`)
      seen.push(...page.certificates)
      if (page.next === undefined) break
      after = `&after=${page.next}`
    }
    assert.deepEqual(seen, all.certificates)
    const entry = all.certificates.find((one) => one['serial'] === first?.serial)
    assert.deepEqual(entry, {
      serial: first?.serial,
      names: first?.names,
      profile: 'server',
      requester: 'test',
      notBefore: first?.notBefore.toISOString(),
      notAfter: first?.notAfter.toISOString(),
      issuedAt: first?.issuedAt.toISOString(),
      revokedAt: entry?.['revokedAt'],
      revocationReason: 'superseded',
      fingerprint: first?.fingerprint,
      keyType: 'p256',
      issuer: first?.issuer,
    })
    assert.equal(typeof entry?.['revokedAt'], 'string')
    const names = async (query: string): Promise<unknown[]> =>
      (await list(query)).certificates.flatMap((one) => one['names'])
    assert.deepEqual(await names('?q=h3'), ['h3.test'])
    assert.deepEqual(await names('?expiring=49h'), ['h0.test', 'h1.test'])
    assert.equal((await names('?revoked=true')).length, 1)
    for (const query of [
      '?limit=0',
      '?limit=x',
      '?revoked=1',
      '?expiring=soon',
      '?after=zz',
      '?expirng=7d',
      '?q=a&q=b',
      '?q=%00',
    ]) {
      const response = await authority.routes.request(`/ca/certificates${query}`, {
        headers: { 'x-role': 'viewer' },
      })
      assert.equal((await problem(response))[0], 400, query)
    }
  })

  it('revoke by serial', async () => {
    const { authority } = suite.current
    const { serialNumber } = await authority.issue(serverRequest())
    const response = await post(`/ca/certificates/${serialNumber.toLowerCase()}/revoke`, {
      reason: 'key-compromise',
    })
    assert.equal(response.status, 200)
    assert.equal(Object(await response.json()).revocationReason, 'keyCompromise')
    assert.notEqual((await authority.find(serialNumber))?.revokedAt, undefined)
    assert.equal((await post(`/ca/certificates/${serialNumber}/revoke`, '')).status, 200)
    assert.deepEqual(await problem(await post('/ca/certificates/00/revoke', '')), [
      404,
      'certificate-unknown',
    ])
    const unknown = await post(`/ca/certificates/${serialNumber}/revoke`, { reason: 'bored' })
    assert.deepEqual(await problem(unknown), [400, 'reason-unknown'])
    const { serialNumber: other } = await authority.issue(serverRequest())
    for (const reason of [['keyCompromise'], 1, null, { reason: 'superseded' }]) {
      const answer = await post(`/ca/certificates/${other}/revoke`, { reason })
      assert.deepEqual(await problem(answer), [400, 'reason-unknown'])
    }
    assert.equal((await authority.find(other))?.revokedAt, undefined)
    const misspelt = await post(`/ca/certificates/${serialNumber}/revoke`, {
      reasons: 'superseded',
    })
    assert.deepEqual(await problem(misspelt), [400, 'option-unknown'])
  })

  it('know no other path and no other method', async () => {
    for (const [method, target] of [
      ['GET', '/'],
      ['GET', '/ca/certificates/00'],
      ['DELETE', '/ca/certificates'],
      ['PUT', '/roots.pem'],
    ] as const) {
      assert.deepEqual(await problem(await call(target, { method })), [404, 'not-found'])
    }
  })

  it('answer 503 without a word about the database where its tables are gone', async (t) => {
    const { store, folder } = await makeAuthority(t)
    const authority = await openAuthority({ store, folder, authorize })
    const [issuer] = await authority.crl()
    await sql`drop table revocation_list`.execute(store.database<object>())
    const response = await authority.routes.request(`/crl/${issuer?.ca}.crl`)
    assert.equal(response.status, 503)
    assert.doesNotMatch(await response.text(), /revocation_list|sqlite/)
  })

  it('answer 503, and issue nothing, while the database is away', async (t) => {
    const { store, folder } = await makeAuthority(t)
    const authority = await openAuthority({ store, folder, authorize })
    await store.close()
    for (const [method, body] of [
      ['GET', null],
      ['POST', CSR.pem],
    ] as const) {
      const headers = { 'x-role': 'admin', 'content-type': 'application/pkcs10' }
      const response = await authority.routes.request('/ca/certificates', { method, headers, body })
      assert.deepEqual(await problem(response), [503, 'store-unavailable'])
    }
  })
})

/** Status and code of a refusal. */
async function problem(response: Response): Promise<[number, unknown]> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const { code, detail } = Object(await response.json())
  assert.equal(typeof detail, 'string')
  return [response.status, code]
}

/** Its subjectAltName is a sequence with a name that is longer than the sequence. Made by openssl req. */
const DAMAGED = `-----BEGIN CERTIFICATE REQUEST-----
MIHqMIGQAgEAMA8xDTALBgNVBAMMBGV2aWwwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAARCS1S37JCG8pVBxat0s0tj0iBguI4BbT1rdWwAS69stJOx06lwU0aysLd+
3mWmU4PbqLxLMeG6ptpSJxtQs/S0oB8wHQYJKoZIhvcNAQkOMRAwDjAMBgNVHREE
BTADggVhMAoGCCqGSM49BAMCA0kAMEYCIQCrkgXSs4Ppn2mYuJxlgamXDHR38DsI
eiumglJbiohhOwIhAOn2R99ONzMvnjkm6h1Kk4K92YgQEGNxDJS1U9dufur2
-----END CERTIFICATE REQUEST-----
`
