import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openAuthority } from '@countersign/authority'
import { scrubProcess } from '@countersign/testkit'
import {
  type Certificate,
  lint,
  OcspCertId,
  OcspRequest,
  OcspResponse,
  verifyChain,
  verifyOcsp,
} from '@countersign/x509'
import { clientRequest, makeAuthority, serverRequest, suiteAuthority } from './fixture.ts'

scrubProcess()

const authorize = async (): Promise<Response> =>
  Promise.resolve(new Response('who are you?', { status: 401 }))

const HOUR_MS = 3_600_000

describe('the OCSP responder', () => {
  const suite = suiteAuthority({ authorize })

  async function post(body: Uint8Array | string): Promise<Response> {
    return await suite.current.authority.routes.request('/ocsp', {
      method: 'POST',
      headers: { 'content-type': 'application/ocsp-request' },
      body: Buffer.from(body),
    })
  }

  async function ask(request: OcspRequest): Promise<OcspResponse> {
    const response = await post(request.der)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'application/ocsp-response')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    return OcspResponse.parse(await response.bytes())
  }

  async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return await suite.current.authority.routes.request(`/ocsp/${path}`, { headers })
  }

  it('says good, revoked with date and reason at once, and unknown, by every hash, the nonce repeated', async () => {
    const { authority } = suite.current
    const { issuer } = authority
    const { certificate, serialNumber } = await authority.issue(serverRequest())
    for (const hash of ['sha1', 'sha256'] as const) {
      const request = OcspRequest.build({ about: [{ certificate, issuer }], hash })
      const response = (await ask(request)).der
      const verdict = verifyOcsp({ response, certificate, issuer, nonce: request.nonce })
      assert.equal(verdict.status, 'good', hash)
    }
    const { revokedAt } = await authority.revoke(serialNumber, 'keyCompromise')
    const request = OcspRequest.build({ about: [{ certificate, issuer }] })
    const { basic } = await ask(request)
    assert.deepEqual(basic?.nonce, request.nonce)
    const [answer] = basic?.answers ?? []
    assert.equal(answer?.status, 'revoked')
    if (answer?.status === 'revoked') {
      assert.equal(answer.reason, 'keyCompromise')
      assert.ok(revokedAt !== undefined && answer.date <= revokedAt)
    }
    const never = OcspCertId.forSerial('0123456789ABCDEF', issuer)
    const unknown = await ask(OcspRequest.build({ about: [never] }))
    assert.equal(unknown.basic?.answers[0]?.status, 'unknown')
  })

  it('answers about several certificates in one response', async () => {
    const { authority } = suite.current
    const { issuer } = authority
    const first = await authority.issue(serverRequest())
    const second = await authority.issue(clientRequest())
    await authority.revoke(second.serialNumber)
    const about = [first, second].map(({ certificate }) => ({ certificate, issuer }))
    const { basic } = await ask(OcspRequest.build({ about }))
    assert.deepEqual(
      basic?.answers.map(({ status }) => status),
      ['good', 'revoked'],
    )
  })

  it('answers by a responder of a day that nobody has to check, which is in the ledger', async () => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(serverRequest())
    const about = [{ certificate, issuer: authority.issuer }]
    const { basic } = await ask(OcspRequest.build({ about }))
    const [delegate, ...others] = basic?.certificates ?? []
    assert.ok(delegate !== undefined && others.length === 0)
    assert.deepEqual(delegate.extensions.extendedKeyUsage, ['ocspSigning'])
    assert.ok(delegate.extensions.get('1.3.6.1.5.5.7.48.1.5') !== undefined)
    assert.ok(delegate.notAfter.getTime() - Date.now() <= 24 * HOUR_MS)
    assert.deepEqual(lint(delegate), [])
    const verdictFor = (purpose: 'any' | 'server' | 'client') => {
      const { issuer, roots } = authority
      // It names nothing, which strict clients want of servers and clients alone.
      const question = { leaf: delegate, intermediates: [issuer], roots, purpose }
      const verdict = verifyChain({ ...question, profile: 'openssl' })
      return verdict.ok ? 'ok' : verdict.code
    }
    assert.equal(verdictFor('any'), 'ok')
    assert.equal(verdictFor('server'), 'wrong-purpose')
    assert.equal(verdictFor('client'), 'wrong-purpose')
    const entry = await authority.find(delegate.serialNumber)
    assert.equal(entry?.profile, 'ocsp')
  })

  it('keeps what was asked without a nonce, for caches to keep until its end, and forgets it when it is no more true', async () => {
    const { authority } = suite.current
    const { issuer } = authority
    const { certificate, serialNumber } = await authority.issue(serverRequest())
    const request = OcspRequest.build({ about: [{ certificate, issuer }], nonce: false })
    const first = await get(request.path)
    const caching = first.headers.get('cache-control') ?? ''
    const [, seconds] = /^max-age=(\d+), public, no-transform, must-revalidate$/.exec(caching) ?? []
    assert.ok(Number(seconds) > 0 && Number(seconds) <= 3600, caching)
    const response = await first.bytes()
    assert.equal(verifyOcsp({ response, certificate, issuer }).status, 'good')
    const [answer] = OcspResponse.parse(response).basic?.answers ?? []
    assert.ok(answer !== undefined && answer.thisUpdate.getTime() <= Date.now() - 59_000)
    assert.equal(first.headers.get('expires'), answer.nextUpdate?.toUTCString())
    const again = await get(request.path)
    assert.deepEqual(await again.bytes(), response)
    const etag = first.headers.get('etag') ?? ''
    assert.equal((await get(request.path, { 'if-none-match': etag })).status, 304)
    await authority.revoke(serialNumber)
    const after = await get(request.path, { 'if-none-match': etag })
    assert.equal(after.status, 200)
    assert.equal(
      verifyOcsp({ response: await after.bytes(), certificate, issuer }).status,
      'revoked',
    )
  })

  it('sees what another process revoked', async () => {
    const { authority, store, folder } = suite.current
    const { certificate, serialNumber } = await authority.issue(serverRequest())
    const about = [{ certificate, issuer: authority.issuer }]
    const request = OcspRequest.build({ about, nonce: false })
    assert.equal((await ask(request)).basic?.answers[0]?.status, 'good')
    const other = await openAuthority({ store, folder })
    await other.revoke(serialNumber)
    assert.equal((await ask(request)).basic?.answers[0]?.status, 'revoked')
  })

  it('reads a GET with its slashes as they are, or percent-encoded, but keeps none with a nonce', async () => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(serverRequest())
    const about = [{ certificate, issuer: authority.issuer }]
    for (let attempt = 0; attempt < 20; attempt++) {
      const request = OcspRequest.build({ about })
      const plain = Buffer.from(request.der).toString('base64')
      for (const path of [request.path, plain, plain.replace(/=+$/, '')]) {
        const response = await get(path)
        assert.equal(response.headers.get('cache-control'), 'no-store')
        const { status, basic } = OcspResponse.parse(await response.bytes())
        assert.equal(status, 'successful', path)
        assert.deepEqual(basic?.nonce, request.nonce)
      }
    }
  })

  it('is not authorized to speak for other authorities, nor for its root', async (t) => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(serverRequest())
    const foreign = await makeAuthority(t, { authorize })
    const { certificate: other } = await foreign.authority.issue(serverRequest())
    const own = OcspCertId.of(certificate, authority.issuer)
    const ids: OcspCertId[][] = [
      [OcspCertId.of(other, foreign.authority.issuer)],
      [own, OcspCertId.of(other, foreign.authority.issuer)],
      [OcspCertId.of(authority.issuer, rootOf(authority.roots))],
    ]
    for (const about of ids) {
      assert.equal((await ask(OcspRequest.build({ about }))).status, 'unauthorized')
    }
  })

  it('answers malformedRequest with 200 to what is no request', async () => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(serverRequest())
    const { der } = OcspRequest.build({ about: [{ certificate, issuer: authority.issuer }] })
    const critical = Buffer.from(der)
    const bodies: (Uint8Array | string)[] = [
      '',
      'hello',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      new Uint8Array(1_000_000),
      Buffer.alloc(5000, 0x30),
      Buffer.concat([der, der]),
      der.subarray(0, -1),
      critical.fill(0xff, 0, 8),
    ]
    for (const body of bodies) {
      const response = await post(body)
      assert.equal(response.status, 200)
      assert.equal(OcspResponse.parse(await response.bytes()).status, 'malformedRequest')
    }
    for (const path of ['', 'x', '%%%', 'A'.repeat(20_000), '../roots.pem', 'MA==']) {
      const response = await get(path)
      if (path.startsWith('..')) continue
      assert.equal(response.status, 200, path)
      assert.equal(OcspResponse.parse(await response.bytes()).status, 'malformedRequest', path)
    }
  })

  it('answers whatever byte of a request is another one', async () => {
    const { authority } = suite.current
    const { certificate } = await authority.issue(serverRequest())
    const { der } = OcspRequest.build({ about: [{ certificate, issuer: authority.issuer }] })
    for (let index = 0; index < der.length; index++) {
      const changed = Buffer.from(der)
      changed[index] = (changed[index] ?? 0) ^ 0x55
      const response = await post(changed)
      assert.equal(response.status, 200)
      const { status } = OcspResponse.parse(await response.bytes())
      assert.ok(KNOWN.has(status), `${index}: ${status}`)
    }
  })

  it('takes twenty at once, with one responder for all', async (t) => {
    const { authority } = await makeAuthority(t, { authorize })
    const { certificate } = await authority.issue(serverRequest())
    const about = [{ certificate, issuer: authority.issuer }]
    const delegates = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { der: body } = OcspRequest.build({ about })
        const init = { method: 'POST', body: Buffer.from(body) }
        const response = await authority.routes.request('/ocsp', init)
        const { basic } = OcspResponse.parse(await response.bytes())
        assert.equal(basic?.answers[0]?.status, 'good')
        return basic?.certificates[0]?.fingerprint
      }),
    )
    assert.equal(new Set(delegates).size, 1)
  })

  it('has another responder from two thirds of its life on, and none beyond the end of its issuer', async (t) => {
    let now = Date.now()
    const faults: unknown[] = []
    const { authority } = await makeAuthority(t, {
      authorize,
      clock: () => new Date(now),
      onFault: (error) => faults.push(error),
    })
    const { certificate } = await authority.issue(serverRequest())
    const request = OcspRequest.build({ about: [{ certificate, issuer: authority.issuer }] })
    const status = async (): Promise<{ status: string; delegate: string | undefined }> => {
      const init = { method: 'POST', body: Buffer.from(request.der) }
      const response = await authority.routes.request('/ocsp', init)
      const { basic, status: answered } = OcspResponse.parse(await response.bytes())
      return { status: answered, delegate: basic?.certificates[0]?.fingerprint }
    }
    const first = await status()
    now += 15 * HOUR_MS
    assert.deepEqual(await status(), first)
    now += 2 * HOUR_MS
    const second = await status()
    assert.equal(second.status, 'successful')
    assert.notEqual(second.delegate, first.delegate)
    now = authority.issuer.notAfter.getTime() + 1000
    assert.equal((await status()).status, 'internalError')
    assert.equal(Reflect.get(Object(faults[0]), 'code'), 'issuer-expired')
  })

  it('says try later, and not good, while the database is away, and tells the operator', async (t) => {
    const faults: unknown[] = []
    const { authority, store } = await makeAuthority(t, {
      authorize,
      onFault: (error) => faults.push(error),
    })
    const { certificate } = await authority.issue(serverRequest())
    const about = [{ certificate, issuer: authority.issuer }]
    const request = OcspRequest.build({ about, nonce: false })
    const status = async (): Promise<string> => {
      const response = await authority.routes.request(`/ocsp/${request.path}`)
      assert.equal(response.status, 200)
      return OcspResponse.parse(await response.bytes()).status
    }
    assert.equal(await status(), 'successful')
    await store.close()
    assert.equal(await status(), 'tryLater')
    assert.equal(faults.length, 1)
  })
})

function rootOf([root]: readonly Certificate[]): Certificate {
  assert.ok(root !== undefined)
  return root
}

const KNOWN: ReadonlySet<string> = new Set(['successful', 'malformedRequest', 'unauthorized'])
