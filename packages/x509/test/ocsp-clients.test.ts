import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import { OcspRequest, OcspResponse } from '../src/index.ts'
import { delegate, type Answering, good, issuing, respond, revoked, write } from './ocsp-interop.ts'

scrubProcess()

describe('openssl ocsp asks us', { skip: skipWithout('openssl') }, () => {
  const folder = temporaryFolder(after)
  const files = write(folder)
  let answering: Answering = {}
  const asked: OcspRequest[] = []
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const request = OcspRequest.parse(new Uint8Array(Buffer.concat(chunks)))
      asked.push(request)
      outgoing.setHeader('content-type', 'application/ocsp-response')
      outgoing.end(respond(request, answering).der)
    })
  })
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())

  async function ask(file: string, ...flags: string[]): Promise<string> {
    const { stdout, stderr } = await runCommand('openssl', [
      'ocsp',
      '-url',
      `http://127.0.0.1:${portOf(server)}/ocsp`,
      '-issuer',
      files.issuer,
      '-CAfile',
      files.roots,
      '-verify_other',
      files.issuer,
      ...flags,
      '-cert',
      file,
    ])
    // What it verifies goes to one stream, what is said of the certificate to the other.
    return stdout + stderr
  }

  it('and understands good, revoked and unknown, by SHA-1 and SHA-256, the nonce repeated', async () => {
    for (const by of [undefined, delegate]) {
      answering = { ...(by && { by }), responderId: by === undefined ? 'key' : 'name' }
      for (const hash of ['-sha1', '-sha256']) {
        const isGood = await ask(files.good, hash)
        assert.match(isGood, /good\.pem: good[^]*Response verify OK/)
        assert.doesNotMatch(isGood, /WARNING/)
        assert.equal(asked.at(-1)?.ids[0]?.hash, hash.slice(1))
        assert.ok(asked.at(-1)?.nonce)
      }
    }
    const isRevoked = await ask(files.revoked)
    assert.match(isRevoked, /revoked\.pem: revoked[^]*Reason: keyCompromise[^]*Response verify OK/)
    assert.match(await ask(files.stranger), /stranger\.pem: unknown[^]*Response verify OK/)
  })

  it('and notices another nonce, or none', async () => {
    answering = { nonce: 'wrong' }
    assert.match(await ask(files.good), /Nonce Verify error/)
    answering = { nonce: 'none' }
    assert.match(await ask(files.good), /WARNING: no nonce in response/)
  })

  it('and is told that we do not answer for other authorities', async () => {
    answering = {}
    const other = ['-issuer', files.roots, '-cert', files.issuer]
    const url = `http://127.0.0.1:${portOf(server)}`
    const { stdout, stderr } = await runCommand('openssl', ['ocsp', '-url', url, ...other])
    assert.match(stdout + stderr, /Responder Error: unauthorized \(6\)/)
  })

  it('and does not believe what is not signed as it must be', async () => {
    const request = OcspRequest.build({
      about: [{ certificate: good, issuer: issuing.certificate }],
      nonce: false,
    })
    const response = new Uint8Array(respond(request).der)
    const last = response.length - 1
    response[last] = (response[last] ?? 0) ^ 1
    const file = path.join(folder, 'damaged.der')
    writeFileSync(file, response)
    const about = ['-no_nonce', '-issuer', files.issuer, '-cert', files.good]
    const args = ['ocsp', '-respin', file, ...about]
    const trust = ['-CAfile', files.roots, '-verify_other', files.issuer]
    const { stdout, stderr } = await runCommand('openssl', [...args, ...trust])
    assert.match(stdout + stderr, /Response Verify Failure/)
  })
})

describe('ocsptool of GnuTLS', { skip: skipWithout('ocsptool') }, () => {
  const folder = temporaryFolder(after)
  const files = write(folder)
  const file = path.join(folder, 'response.der')
  const about = [{ certificate: good, issuer: issuing.certificate }]
  const request = OcspRequest.build({ about })

  async function verify(response: OcspResponse, ...flags: string[]): Promise<string> {
    writeFileSync(file, response.der)
    const { code, stdout, stderr } = await runCommand('ocsptool', [
      '--verify-response',
      '--load-response',
      file,
      ...flags,
    ])
    return `${code} ${stdout}${stderr}`
  }

  it('believes our responses of issuer and delegate, and no damaged one', async () => {
    assert.match(await verify(respond(request), '--load-signer', files.issuer), /^0 [^]*Success/)
    const delegated = respond(request, { by: delegate })
    assert.match(await verify(delegated, '--load-trust', files.issuer), /^0 [^]*Success/)
    assert.match(await verify(respond(request), '--load-signer', files.roots), /^1 [^]*Failure/)
  })

  it('prints what they say', async () => {
    const both = OcspRequest.build({
      about: [good, revoked].map((certificate) => ({ certificate, issuer: issuing.certificate })),
    })
    writeFileSync(file, respond(both).der)
    const args = ['--response-info', '--infile', file]
    const { stdout } = await runCommand('ocsptool', args)
    assert.match(stdout, /Response Status: Successful/)
    assert.match(stdout, /Certificate Status: good/)
    assert.match(stdout, /Certificate Status: revoked/)
  })

  it('makes requests that we read, and reads ours', async () => {
    const out = path.join(folder, 'request.der')
    const load = ['--load-cert', files.good, '--load-issuer', files.issuer]
    const made = await runCommand('ocsptool', ['-q', '--nonce', ...load, '--outfile', out])
    assert.equal(made.code, 0, made.stderr)
    const theirs = OcspRequest.parse(readFileSync(out))
    assert.ok(theirs.ids[0]?.names(good, issuing.certificate))
    writeFileSync(out, request.der)
    const { stdout } = await runCommand('ocsptool', ['--request-info', '--infile', out])
    assert.match(stdout.toUpperCase(), new RegExp(`SERIAL NUMBER: ${good.serialNumber}`))
  })
})

function portOf(server: Server): number {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}
