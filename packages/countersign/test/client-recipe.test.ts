/** The recipe for clients of the document, its openssl commands as they stand, beside what the program makes of the same request. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  type RunningCommand,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import {
  buildCertificate,
  Certificate,
  lint,
  Name,
  PrivateKey,
  verifyChain,
} from '@countersign/x509'
import { initAuthority, issue } from './identity-files.ts'

scrubProcess()

const PAGE = 'Top-level content\n'
const folder = temporaryFolder(after)
const at = (...names: string[]): string => path.join(folder, ...names)

/** As the document has them, but for the subjects, which it types at a prompt. */
const RECIPE = [
  'genrsa -out root_ca.key 2048',
  'req -x509 -new -nodes -key root_ca.key -sha256 -days 1024 -out root_ca.crt -subj /CN=root',
  'genrsa -out client.key 2048',
  'req -new -key client.key -out client.csr -subj /CN=ada',
  'x509 -req -in client.csr -CA root_ca.crt -CAkey root_ca.key -CAcreateserial -out client.crt -days 1024 -sha256',
]

describe('the recipe of the document', { skip: skipWithout('openssl', 'curl') }, () => {
  let running: RunningCommand
  let url = ''

  before(async () => {
    for (const line of RECIPE) {
      const { code, stderr } = await runCommand('openssl', line.split(' '), { cwd: folder })
      assert.equal(code, 0, stderr)
    }
    bundle('untrusted_client.pem', 'client.crt', 'client.key')
    const data = await initAuthority(folder)
    const server = await issue(data, at('issued'), 'localhost')
    await issue(data, at('issued'), 'ada', '--client', '--csr', at('client.csr'))
    mkdirSync(at('client'))
    bundle('client/client.pem', 'issued/ada.crt', 'client.key')
    copyFileSync(server.certificate, at('server.crt'))
    copyFileSync(server.key, at('server.key'))
    copyFileSync(server.roots, at('ca.crt'))
    mkdirSync(at('site'))
    writeFileSync(at('site', 'index.html'), PAGE)
    running = startProgram(['serve', 'site'], {
      env: { HTTPS_ENABLED: 'true', VERIFY_USER: 'true', API_PORT: '0' },
      cwd: folder,
    })
    url = (await running.waitForOutput(/listening on (\S+)/))[1] ?? ''
  })
  after(async () => running[Symbol.asyncDispose]())

  it('S5: curl with PEM and with PKCS#12 of the client gets the page', async () => {
    assert.equal(await curl('-E', at('client', 'client.pem')), PAGE)
    const pack = ['-in', at('client', 'client.pem'), '-out', at('client.p12')]
    await runCommand('openssl', ['pkcs12', '-export', ...pack, '-passout', 'pass:secret'])
    assert.equal(await curl('--cert-type', 'P12', '--cert', `${at('client.p12')}:secret`), PAGE)
  })

  it('S5: untrusted, expired and absent clients do not, and the reason is known', async () => {
    writeFileSync(at('expired.pem'), expiredClient().pem + readFileSync(at('client.key'), 'utf8'))
    for (const [args, code, words] of [
      [['-E', at('untrusted_client.pem')], 'untrusted-root', /no authority that this server/],
      [['-E', at('expired.pem')], 'expired', /expired/],
      [[], 'no-client-certificate', /none was presented/],
    ] as const) {
      const answer = await curl(...args)
      assert.doesNotMatch(answer, /Top-level/)
      assert.equal(JSON.parse(answer).code, code)
      await running.waitForOutput(
        new RegExp(`refused 127\\.0\\.0\\.1: [^\\n]*(${words.source})`, 'i'),
      )
    }
  })

  it('S6: the request of the recipe is signed with its defects mended: version 3, names, key identifier', () => {
    const [ours, issuer] = parseAll('client/client.pem')
    const [theirs] = parseAll('client.crt')
    const roots = parseAll('ca.crt')
    assert.ok(ours && issuer && theirs)
    assert.ok(ours.publicKey.equals(theirs.publicKey))
    assert.equal(ours.version, 3)
    assert.deepEqual(ours.subjectAltNames, [
      { type: 'uri', value: 'spiffe://example.internal/ada' },
    ])
    assert.equal(ours.authorityKeyId, issuer.subjectKeyId)
    assert.deepEqual(ours.extensions.extendedKeyUsage, ['clientAuth'])
    assert.deepEqual(theirs.subjectAltNames, [])
    assert.deepEqual(lint(ours), [])
    assert.notDeepEqual(lint(theirs, { profile: 'client' }), [])
    const purpose = 'client'
    assert.ok(verifyChain({ leaf: ours, intermediates: [issuer], roots, purpose }).ok)
    assert.ok(!verifyChain({ leaf: theirs, roots: parseAll('root_ca.crt'), purpose }).ok)
  })

  it('S6: openssl -x509_strict takes ours and not theirs', async () => {
    const ada = at('issued', 'ada.crt')
    assert.equal(await verifyStrictly('-CAfile', at('ca.crt'), '-untrusted', ada, ada), 0)
    assert.notEqual(await verifyStrictly('-CAfile', at('root_ca.crt'), at('client.crt')), 0)
  })

  it('S8: the layout is taken by serve and by our client as it is', async () => {
    const args = ['get', url, '--ca', 'ca.crt', '--cert', path.join('client', 'client.pem')]
    const { code, stdout, stderr } = await runProgram(args, { cwd: folder })
    assert.equal(code, 0, stderr)
    assert.equal(stdout, PAGE)
  })

  async function curl(...args: string[]): Promise<string> {
    const known = ['-sS', '--max-time', '30', '--cacert', at('ca.crt'), `${url}/`]
    const { stdout } = await runCommand('curl', [...known, ...args])
    return stdout
  }
})

/** The exit code of openssl. */
async function verifyStrictly(...args: string[]): Promise<number | null> {
  const asked = ['verify', '-x509_strict', '-purpose', 'sslclient', ...args]
  return (await runCommand('openssl', asked)).code
}

/** What `cat` makes of two files. */
function bundle(name: string, ...parts: readonly string[]): void {
  writeFileSync(at(name), parts.map((part) => readFileSync(at(part), 'utf8')).join(''))
}

function parseAll(name: string): Certificate[] {
  return Certificate.parseAll(readFileSync(at(name), 'utf8'))
}

/** A certificate of our issuer that ended an hour ago, for the key of the recipe. */
function expiredClient(): Certificate {
  const [, issuer] = parseAll('client/client.pem')
  assert.ok(issuer)
  const passphrase = readFileSync(at('data', 'passphrase'), 'utf8').trim()
  const key = PrivateKey.parse(readFileSync(at('data', 'issuer.key'), 'utf8'), { passphrase })
  const hour = 3_600_000
  return buildCertificate(
    {
      subject: Name.from({ commonName: 'ada' }),
      issuer: issuer.subject,
      publicKey: PrivateKey.parse(readFileSync(at('client.key'), 'utf8')).publicKey,
      notBefore: new Date(Date.now() - 2 * hour),
      notAfter: new Date(Date.now() - hour),
      subjectAltNames: [{ type: 'uri', value: 'spiffe://example.internal/ada' }],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['clientAuth'],
      authorityKeyId: issuer.publicKey.keyId(),
    },
    key.signer(),
  )
}
