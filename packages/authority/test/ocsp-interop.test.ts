import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import {
  buildCertificate,
  type Certificate,
  Name,
  OcspRequest,
  PrivateKey,
} from '@countersign/x509'
import {
  clientRequest,
  type Fixture,
  leafKey,
  makeAuthority,
  serverRequest,
  suiteAuthority,
} from './fixture.ts'
import { serveRoutes } from './ocsp-server.ts'

scrubProcess()

const authorize = async (): Promise<Response> =>
  Promise.resolve(new Response('who are you?', { status: 401 }))

const STATUSES = ['good', 'revoked', 'unknown'] as const

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
      writeFileSync(at('unknown.pem'), forged(suite.current).pem)
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
        it(`openssl ocsp ${hash} ${nonce} says by POST good, revoked, unknown`, {
          skip,
        }, async () => {
          const asked = STATUSES.flatMap((status) => [hash, '-cert', at(`${status}.pem`)])
          const { stdout, stderr } = await openssl('-url', `${served.url}/ocsp`, nonce, ...asked)
          assert.match(stderr, /Response verify OK/)
          assert.doesNotMatch(stderr, /WARNING/)
          assert.match(stdout, /good\.pem: good/)
          assert.match(stdout, /revoked\.pem: revoked\n[^]*Reason: keyCompromise/)
          assert.match(stdout, /unknown\.pem: unknown/)
        })
      }
    }

    for (const status of STATUSES) {
      for (const nonce of ['-nonce', '-no_nonce']) {
        it(`openssl ocsp ${nonce} reads by GET that one is ${status}`, { skip }, async () => {
          const certificate = ['-cert', at(`${status}.pem`)]
          await openssl(nonce, ...certificate, '-reqout', at('request.der'))
          await fetchByGet(at('request.der'), at('response.der'))
          // It compares with the nonce of the request that it is given, and -no_nonce keeps it from putting another one there.
          const files = ['-reqin', at('request.der'), '-respin', at('response.der')]
          const read = [...files, '-no_nonce', ...certificate]
          const { stdout, stderr } = await openssl(...read)
          assert.match(stderr, /Response verify OK/)
          assert.doesNotMatch(stderr, /WARNING|Nonce Verify error/)
          assert.match(stdout, new RegExp(`${status}\\.pem: ${status}`))
        })
      }
    }

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

    for (const status of STATUSES) {
      for (const nonce of [['--nonce'], []]) {
        const title = `ocsptool ${nonce.join('')} reads that one is ${status}`
        const identity = ['--load-issuer', at('issuer.pem'), '--load-cert', at(`${status}.pem`)]
        const trust = ['--load-trust', at('chain.pem')]
        const without = { skip: skipWithout('ocsptool') }

        it(`${title}, by POST`, without, async () => {
          const asked = [`--ask=${served.url}/ocsp`, ...nonce, ...identity, ...trust]
          const { stdout, stderr } = await runCommand('ocsptool', asked)
          assert.match(stdout, new RegExp(`Certificate Status: ${status}`), stderr)
          assert.match(stdout + stderr, /Verifying OCSP Response: Success/)
        })

        it(`${title}, by GET`, without, async () => {
          const [request, response] = [at('request.der'), at('response.der')]
          const make = ['--generate-request', ...identity, '--outfile', request]
          assert.equal((await runCommand('ocsptool', make)).code, 0)
          // A request that it keeps in a file never has a nonce.
          const { ids: about } = OcspRequest.parse(readFileSync(request))
          const sent = OcspRequest.build({ about, nonce: nonce.length > 0 ? undefined : false })
          writeFileSync(request, sent.der)
          await fetchByGet(request, response)
          const read = ['--verify-response', ...identity, ...trust, '--load-request', request]
          const { stdout, stderr } = await runCommand('ocsptool', [
            ...read,
            '--load-response',
            response,
          ])
          assert.match(stdout + stderr, /Verifying OCSP Response: Success/)
          const info = ['--response-info', '--load-response', response]
          const { stdout: shown } = await runCommand('ocsptool', info)
          assert.match(shown, new RegExp(`Certificate Status: ${status}`))
          const hex = Buffer.from(sent.nonce ?? []).toString('hex')
          assert.equal(hex !== '' && shown.includes(hex), nonce.length > 0)
        })
      }
    }

    /** What both tools leave to others: they ask by POST alone. */
    async function fetchByGet(request: string, response: string): Promise<void> {
      const asked = OcspRequest.parse(readFileSync(request))
      const answer = await fetch(`${served.url}/ocsp/${asked.path}`)
      assert.equal(answer.status, 200)
      writeFileSync(response, await answer.bytes())
    }
  })
}

/** What a thief of the issuer's key would sign: it is not in the ledger. */
function forged({ authority, folder }: Fixture): Certificate {
  const passphrase = readFileSync(path.join(folder, 'passphrase'), 'utf8').trim()
  const key = readFileSync(path.join(folder, 'issuer.key'), 'utf8')
  const { issuer } = authority
  return buildCertificate(
    {
      subject: Name.from({}),
      subjectAltNames: [{ type: 'dns', value: 'nobody.corp.internal' }],
      issuer: issuer.subject,
      publicKey: leafKey.publicKey,
      notBefore: issuer.notBefore,
      notAfter: issuer.notAfter,
      authorityKeyId: issuer.publicKey.keyId(),
    },
    PrivateKey.parse(key, { passphrase }).signer(),
  )
}
