import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { get, post } from '@countersign/client'
import {
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  temporaryFolder,
} from '@countersign/testkit'
import {
  Certificate,
  CertificateRevocationList,
  OcspRequest,
  OcspResponse,
  verifyOcsp,
} from '@countersign/x509'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

describe('countersign up says where its certificates can be checked', () => {
  const folder = temporaryFolder(after)
  const data = path.join(folder, 'data')
  const at = (name: string): string => path.join(folder, name)
  let service: RunningService
  let base: string
  before(async () => {
    service = await startUp(data)
    base = `http://127.0.0.1:${new URL(service.url).port}`
  })
  after(async () => {
    await service[Symbol.asyncDispose]()
  })

  async function issue(name: string): Promise<{ leaf: Certificate; issuer: Certificate }> {
    const { code, stderr } = await runProgram(['issue', name, '--data', data, '--out', folder])
    assert.equal(code, 0, stderr)
    const [leaf, issuer] = Certificate.parseAll(readFileSync(at(`${name}.crt`), 'utf8'))
    assert.ok(leaf !== undefined && issuer !== undefined)
    return { leaf, issuer }
  }

  async function revoke(name: string): Promise<void> {
    const { code, stderr } = await runProgram(['revoke', at(`${name}.crt`), '--data', data])
    assert.equal(code, 0, stderr)
  }

  it('and our client fetches the list that the service’s own certificate names', async () => {
    const revocation = { fetch: service.roots, check: 'leaf' } as const
    const response = await get(`${service.url}/healthz`, { ca: service.roots, revocation })
    assert.equal(response.status, 200)
    await response.bytes()
  })

  it('a command beside it names the same address, and the list there has what was revoked at once', async () => {
    const { leaf, issuer } = await issue('listed.corp.internal')
    const { crlDistributionPoints, OCSP, caIssuers } = leaf.toPythonDict()
    const [list = ''] = crlDistributionPoints ?? []
    assert.ok(list.startsWith(`${base}/crl/issuer-`), list)
    assert.deepEqual(OCSP, [`${base}/ocsp`])
    const [place = ''] = caIssuers ?? []
    const served = await get(place)
    assert.deepEqual(Certificate.parse(await served.bytes()).der, issuer.der)
    const isListed = async (): Promise<boolean> => {
      const response = await get(list)
      return CertificateRevocationList.parse(await response.bytes()).has(leaf.serialNumber)
    }
    assert.equal(await isListed(), false)
    await revoke('listed.corp.internal')
    assert.equal(await isListed(), true)
  })

  it('the responder answers over http and https, by GET and POST, and a revocation holds at once', async () => {
    const { leaf, issuer } = await issue('asked.corp.internal')
    const request = OcspRequest.build({ about: [{ certificate: leaf, issuer }], nonce: false })
    const answers = async (): Promise<string[]> => {
      const headers = { 'content-type': 'application/ocsp-request' }
      const body = request.der
      const responses = [
        await get(`${base}/ocsp/${request.path}`),
        await post(`${base}/ocsp`, { body, headers }),
        await get(`${service.url}/ocsp/${request.path}`, { ca: service.roots }),
        await post(`${service.url}/ocsp`, { body, headers, ca: service.roots }),
      ]
      const bodies = await Promise.all(responses.map(async (response) => response.bytes()))
      return bodies.map((response) => verifyOcsp({ response, certificate: leaf, issuer }).status)
    }
    assert.deepEqual(await answers(), ['good', 'good', 'good', 'good'])
    await revoke('asked.corp.internal')
    assert.deepEqual(await answers(), ['revoked', 'revoked', 'revoked', 'revoked'])
  })

  it('what is no request gets a refusal of OCSP with status 200', async () => {
    for (const body of ['', 'hello', 'x'.repeat(100_000)]) {
      const response = await post(`${base}/ocsp`, { body })
      assert.equal(response.status, 200)
      assert.equal(OcspResponse.parse(await response.bytes()).status, 'malformedRequest')
    }
  })

  it('openssl asks where the certificate says', { skip: skipWithout('openssl') }, async () => {
    const { leaf, issuer } = await issue('openssl.corp.internal')
    const file = at('openssl.corp.internal.crt')
    const { stdout: place } = await runCommand('openssl', [
      'x509',
      '-in',
      file,
      '-noout',
      '-ocsp_uri',
    ])
    assert.equal(place.trim(), leaf.toPythonDict().OCSP?.[0])
    writeFileSync(at('issuer.pem'), issuer.pem)
    const { stdout, stderr } = await runCommand('openssl', [
      'ocsp',
      '-issuer',
      at('issuer.pem'),
      '-cert',
      file,
      '-url',
      place.trim(),
      '-CAfile',
      service.roots,
      '-verify_other',
      file,
    ])
    assert.match(stderr, /Response verify OK/)
    assert.match(stdout, /: good/)
  })
})
