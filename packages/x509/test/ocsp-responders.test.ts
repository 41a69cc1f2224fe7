import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import { type Certificate, OcspRequest, OcspResponse, verifyOcsp } from '../src/index.ts'
import { DAY, good, issuing, NOW, respond, revoked, stranger, write } from './ocsp-interop.ts'

scrubProcess()

describe('openssl ocsp answers us', { skip: skipWithout('openssl') }, () => {
  const folder = temporaryFolder(after)
  const files = write(folder)
  const index = path.join(folder, 'index.txt')
  writeFileSync(
    index,
    [
      `V\t${stamp(NOW + DAY)}\t\t${good.serialNumber}\tunknown\t/CN=good`,
      `R\t${stamp(NOW + DAY)}\t${stamp(NOW - 3_600_000)},keyCompromise\t${revoked.serialNumber}\tunknown\t/CN=revoked`,
      '',
    ].join('\n'),
  )

  /** The flags of a responder with this certificate and its key. */
  function responder(by: string): string[] {
    const signer = ['-rsigner', by, '-rkey', by.replace(/pem$/, 'key')]
    return ['-index', index, '-CA', files.issuer, ...signer]
  }

  /** What a responder of openssl with this key answers, by its files. */
  async function answerOf(
    certificate: Certificate,
    by: string,
    options: { hash?: 'sha1' | 'sha256'; flags?: readonly string[]; nonce?: false } = {},
  ): Promise<{ request: OcspRequest; response: OcspResponse }> {
    const { hash, flags = ['-ndays', '1'], nonce } = options
    const about = [{ certificate, issuer: issuing.certificate }]
    const request = OcspRequest.build({ about, hash, nonce })
    const [requestFile, responseFile] = [path.join(folder, 'req.der'), path.join(folder, 'res.der')]
    writeFileSync(requestFile, request.der)
    const { code, stderr } = await runCommand('openssl', [
      'ocsp',
      ...responder(by),
      '-reqin',
      requestFile,
      '-respout',
      responseFile,
      ...flags,
    ])
    assert.equal(code, 0, stderr)
    return { request, response: OcspResponse.parse(readFileSync(responseFile)) }
  }

  it('and we understand good, revoked and unknown, by SHA-1 and SHA-256, the nonce repeated', async () => {
    for (const by of [files.issuer, files.delegate]) {
      for (const hash of ['sha1', 'sha256'] as const) {
        for (const flags of [['-ndays', '1'], ['-nmin', '5', '-resp_key_id'], []]) {
          const answer = await answerOf(good, by, { hash, flags })
          assert.equal(check(good, answer).status, 'good')
          assert.equal(answer.response.basic?.answers[0]?.id.hash, hash)
          assert.equal('keyId' in answer.response.basic.responderId, flags.length === 3)
        }
      }
    }
    const verdict = check(revoked, await answerOf(revoked, files.delegate))
    assert.equal(verdict.status, 'revoked')
    assert.partialDeepStrictEqual(verdict.answer, {
      date: new Date(Math.floor((NOW - 3_600_000) / 1000) * 1000),
      reason: 'keyCompromise',
    })
    const unknown = check(stranger, await answerOf(stranger, files.delegate))
    assert.ok(unknown.status === 'unusable' && unknown.why === 'status-unknown')
  })

  it('and we do not believe what it signs with a key that may not answer', async () => {
    const twins: [string, string, readonly string[]][] = [
      [files.impostor, 'responder-may-not-answer', ['-ndays', '1']],
      [files.delegate, 'not-signed-by-the-issuer', ['-ndays', '1', '-badsig']],
      [files.delegate, 'not-signed-by-the-issuer', ['-ndays', '1', '-resp_no_certs']],
      [files.roots, 'not-signed-by-the-issuer', ['-ndays', '1']],
    ]
    for (const [by, why, flags] of twins) {
      const verdict = check(good, await answerOf(good, by, { flags }))
      assert.ok(
        verdict.status === 'unusable' && verdict.why === why,
        `${by} ${JSON.stringify(verdict)}`,
      )
    }
    const first = await answerOf(good, files.delegate)
    const second = await answerOf(good, files.delegate)
    const swapped = check(good, { request: first.request, response: second.response })
    assert.ok(swapped.status === 'unusable' && swapped.why === 'other-nonce')
  })

  it('and reads and prints the requests we make', async () => {
    const about = [good, revoked].map((certificate) => ({
      certificate,
      issuer: issuing.certificate,
    }))
    const file = path.join(folder, 'two.der')
    writeFileSync(file, OcspRequest.build({ about, nonce: new Uint8Array(16).fill(0xab) }).der)
    const { stdout } = await runCommand('openssl', ['ocsp', '-reqin', file, '-req_text'])
    assert.match(stdout, new RegExp(`Serial Number: ${good.serialNumber}`))
    assert.match(stdout, new RegExp(`Serial Number: ${revoked.serialNumber}`))
    assert.match(stdout, /OCSP Nonce:\s+0410(?:AB){16}/)
  })

  it('and makes requests that we read, signed ones too', async () => {
    const file = path.join(folder, 'theirs.der')
    const signed = ['-signer', files.delegate, '-signkey', files.delegate.replace(/pem$/, 'key')]
    for (const flags of [[], ['-sha256', '-no_nonce'], signed]) {
      const args = ['ocsp', '-issuer', files.issuer, '-reqout', file, ...flags, '-cert', files.good]
      const { code, stderr } = await runCommand('openssl', args)
      assert.equal(code, 0, stderr)
      const request = OcspRequest.parse(readFileSync(file))
      assert.ok(request.ids[0]?.names(good, issuing.certificate))
      assert.equal(request.isSigned, flags === signed)
      assert.equal(request.nonce === undefined, flags.includes('-no_nonce'))
      assert.equal(respond(request).status, 'successful')
    }
  })
})

function check(
  certificate: Certificate,
  { request, response }: { request: OcspRequest; response: OcspResponse },
): ReturnType<typeof verifyOcsp> {
  const { nonce } = request
  return verifyOcsp({ response, certificate, issuer: issuing.certificate, nonce })
}

/** `YYMMDDHHMMSSZ`. */
function stamp(at: number): string {
  return `${new Date(at).toISOString().slice(2, 19).replaceAll(/[-T:]/g, '')}Z`
}
