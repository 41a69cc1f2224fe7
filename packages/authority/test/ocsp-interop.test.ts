import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import { OcspRequest } from '@countersign/x509'
import { clientRequest, makeAuthority, serverRequest, suiteAuthority } from './fixture.ts'
import { serveRoutes } from './ocsp-server.ts'

scrubProcess()

const authorize = async (): Promise<Response> =>
  Promise.resolve(new Response('who are you?', { status: 401 }))

for (const keyType of ['p256', 'rsa2048'] as const) {
  describe(`the OCSP responder of a ${keyType} authority, asked by others`, () => {
    const folder = temporaryFolder(after)
    const at = (name: string): string => path.join(folder, name)
    const suite = suiteAuthority({ authorize, keyType })
    let served: Awaited<ReturnType<typeof serveRoutes>>
    before(async () => {
      const { authority } = suite.current
      served = await serveRoutes(authority)
      writeFileSync(at('roots.pem'), authority.rootsPem)
      writeFileSync(at('issuer.pem'), authority.issuer.pem)
      writeFileSync(at('chain.pem'), authority.issuer.pem + authority.rootsPem)
      const good = await authority.issue(serverRequest())
      writeFileSync(at('good.pem'), good.certificate.pem)
      const revoked = await authority.issue(clientRequest())
      await authority.revoke(revoked.serialNumber, 'keyCompromise')
      writeFileSync(at('revoked.pem'), revoked.certificate.pem)
    })
    after(async () => served[Symbol.asyncDispose]())

    async function openssl(...args: string[]): Promise<{ stdout: string; stderr: string }> {
      const trust = ['-issuer', at('issuer.pem'), '-CAfile', at('chain.pem')]
      const { code, stdout, stderr } = await runCommand('openssl', ['ocsp', ...trust, ...args])
      assert.equal(code, 0, stderr)
      return { stdout, stderr }
    }

    const skip = skipWithout('openssl')

    for (const hash of ['-sha1', '-sha256']) {
      for (const nonce of ['-nonce', '-no_nonce']) {
        it(`openssl ocsp ${hash} ${nonce} says good, revoked, unknown`, { skip }, async () => {
          const { stdout, stderr } = await openssl(
            '-url',
            `${served.url}/ocsp`,
            nonce,
            hash,
            '-cert',
            at('good.pem'),
            hash,
            '-cert',
            at('revoked.pem'),
            hash,
            '-serial',
            '0x1234567890',
          )
          assert.match(stderr, /Response verify OK/)
          assert.doesNotMatch(stderr, /WARNING/)
          assert.match(stdout, /good\.pem: good/)
          assert.match(stdout, /revoked\.pem: revoked\n[^]*Reason: keyCompromise/)
          assert.match(stdout, /0x1234567890: unknown/)
        })
      }
    }

    it('openssl reads what curl fetched by GET', {
      skip: skipWithout('openssl', 'curl'),
    }, async () => {
      await openssl('-no_nonce', '-cert', at('good.pem'), '-reqout', at('request.der'))
      const request = OcspRequest.parse(readFileSync(at('request.der'))).path
      const url = `${served.url}/ocsp/${request}`
      const { code } = await runCommand('curl', ['-sf', url, '-o', at('response.der')])
      assert.equal(code, 0)
      const { stdout, stderr } = await openssl(
        '-respin',
        at('response.der'),
        '-no_nonce',
        '-cert',
        at('good.pem'),
      )
      assert.match(stderr, /Response verify OK/)
      assert.match(stdout, /good\.pem: good/)
    })

    it('openssl is told that it asks the wrong one', { skip }, async (t) => {
      const foreign = await makeAuthority(t)
      const { certificate } = await foreign.authority.issue(serverRequest())
      writeFileSync(at('foreign-issuer.pem'), foreign.authority.issuer.pem)
      writeFileSync(at('foreign.pem'), certificate.pem)
      const { stdout } = await runCommand('openssl', [
        'ocsp',
        '-issuer',
        at('foreign-issuer.pem'),
        '-cert',
        at('foreign.pem'),
        '-url',
        `${served.url}/ocsp`,
      ])
      assert.match(stdout, /Responder Error: unauthorized/)
    })

    for (const [file, status] of [
      ['good.pem', 'good'],
      ['revoked.pem', 'revoked'],
    ] as const) {
      for (const nonce of [['--nonce'], []]) {
        const without = skipWithout('ocsptool')
        it(`ocsptool ${nonce.join('')} says ${status}`, { skip: without }, async () => {
          const { stdout, stderr } = await runCommand('ocsptool', [
            `--ask=${served.url}/ocsp`,
            ...nonce,
            '--load-issuer',
            at('issuer.pem'),
            '--load-cert',
            at(file),
            '--load-trust',
            at('chain.pem'),
          ])
          assert.match(stdout, new RegExp(`Certificate Status: ${status}`), stderr)
          assert.match(stdout + stderr, /Verifying OCSP Response: Success/)
        })
      }
    }
  })
}
