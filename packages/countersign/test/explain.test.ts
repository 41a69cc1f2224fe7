import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runProgram, scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { Certificate, Name } from '@countersign/x509'
import { authority, days, leafOf } from './explain-certificates.ts'
import { banner, http, https, nobody, type Running } from './explain-servers.ts'

scrubProcess()

const folder = temporaryFolder(after)
const root = authority('Grid Root')
const issuing = authority('Grid Issuing', root)
const leaf = leafOf(issuing)
const good = file('good.pem', root.certificate.pem)
const bad = file('bad.pem', testAuthority().rootPem)

const ESCAPE = '\u001B'

describe('countersign explain', () => {
  let server: Running
  let address = ''
  before(async () => {
    server = await https([leaf, issuing])()
    address = `localhost:${server.port}`
  })
  after(async () => server[Symbol.asyncDispose]())

  it('says that a server is trusted, by URL and by HOST:PORT, and ends with 0', async () => {
    for (const source of [`https://${address}/path`, address]) {
      const { code, stdout, stderr } = await runProgram(['explain', source, '--ca', good])
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^✓ localhost:\d+: CN=localhost is trusted/)
      assert.match(stdout, /^ +└ ✓ CN=Grid Issuing,O=Grid$/m)
      assert.match(stdout, /^ {2}--ca .*good\.pem \(1\)$/m)
      assert.match(stdout, /TLSv1\.3, TLS_AES_\w+\n {2}key exchange X25519MLKEM768, /)
      assert.doesNotMatch(stdout, /For you/)
      assert.equal(stderr, '')
    }
  })

  it('says why one is not, with the broken link marked, and ends with 3', async () => {
    const { code, stdout } = await runProgram(['explain', address, '--ca', bad])
    assert.equal(code, 3)
    assert.match(stdout, /^✗ localhost:\d+: .*\n.*\[untrusted-root\]$/m)
    assert.match(stdout, /^ {2}✓ CN=localhost$/m)
    assert.match(stdout, /^ +└ ✗ CN=Grid Issuing,O=Grid$/m)
    assert.match(stdout, /^ +└ \? CN=Grid Root,O=Grid: not found$/m)
    assert.match(stdout, /^For you$/m)
    assert.match(stdout, /^For the owner of the server$/m)
  })

  it('prints the same facts as one JSON value with --json', async () => {
    const { code, stdout, stderr } = await runProgram(['explain', address, '--ca', bad, '--json'])
    assert.equal(code, 3)
    assert.equal(stderr, '')
    const value = JSON.parse(stdout)
    assert.partialDeepStrictEqual(value, {
      ok: false,
      code: 'untrusted-root',
      target: { host: 'localhost', port: server.port },
      chain: [
        { subject: 'CN=localhost', role: 'leaf', from: 'sent', link: 'ok' },
        { subject: 'CN=Grid Issuing,O=Grid', from: 'sent', link: 'broken' },
      ],
      brokenLink: { code: 'untrusted-root', facts: { issuer: 'CN=Grid Root,O=Grid' } },
      trust: { count: 1, sources: [{ path: bad }] },
      name: { wanted: 'localhost', matches: true },
      connection: { protocol: 'TLSv1.3' },
    })
    assert.ok(typeof value.message === 'string' && typeof value.hint === 'string')
    const trusted = await runProgram(['explain', address, '--ca', good, '--json'])
    assert.equal(trusted.code, 0)
    assert.partialDeepStrictEqual(JSON.parse(trusted.stdout), { ok: true, fixes: {} })
  })

  it('asks for another name with --name', async () => {
    const args = [
      'explain',
      `127.0.0.1:${server.port}`,
      '--ca',
      good,
      '--name',
      'api.corp.internal',
    ]
    const { code, stdout } = await runProgram(args)
    assert.equal(code, 3)
    assert.match(stdout, /\[name-mismatch\]/)
    assert.match(stdout, /api\.corp\.internal is not among the names/)
  })

  it('ends with 5 where there is no TLS to talk about, and with 2 for what it cannot ask', async () => {
    await using plain = await http()
    const onHttp = await runProgram(['explain', `localhost:${plain.port}`, '--json'])
    assert.equal(onHttp.code, 5)
    assert.partialDeepStrictEqual(JSON.parse(onHttp.stdout), { ok: false, code: 'not-tls' })
    await using mail = await banner('220 mail.corp.internal ESMTP\r\n')()
    assert.equal((await runProgram(['explain', `localhost:${mail.port}`])).code, 5)
    const gone = await nobody()
    const refused = await runProgram(['explain', `localhost:${gone.port}`, '--json'])
    assert.equal(refused.code, 5)
    assert.partialDeepStrictEqual(JSON.parse(refused.stdout), { code: 'connect-failed' })
    for (const args of [
      [],
      [address, '--timeout', 'soon'],
      [address, '--unknown'],
      [good, '--cert', good],
    ]) {
      assert.equal((await runProgram(['explain', ...args])).code, 2, args.join(' '))
    }
  })

  it('lets no name in a certificate write to the terminal, or add to the page', async () => {
    const { stdout } = await runProgram(['explain', hostileFile(), '--ca', good])
    assert.match(stdout, /evil/)
    assert.ok(!stdout.includes(ESCAPE), stdout)
    assert.doesNotMatch(stdout, /^ *countersign get http:/m)
    assert.equal(stdout.match(/^For you$/gm)?.length, 1, stdout)
  })

  it('colours its marks where colours are wanted, and nowhere else', async () => {
    const args = ['explain', address, '--ca', good]
    const coloured = await runProgram(args, { env: { FORCE_COLOR: '1' } })
    assert.ok(coloured.stdout.startsWith(`${ESCAPE}[32m✓${ESCAPE}[39m localhost`))
    assert.ok(!(await runProgram(args)).stdout.includes(ESCAPE))
  })

  it('refuses a key that is not that of the certificate, as a mistake on the command line', async () => {
    const key = file('other.key', issuing.key.toPem())
    const args = ['explain', address, '--cert', good, '--key', key, '--json']
    const { code, stdout } = await runProgram(args)
    assert.equal(code, 2, stdout)
    assert.partialDeepStrictEqual(JSON.parse(stdout), { ok: false, code: 'key-mismatch' })
    assert.doesNotMatch(stdout, /"more"/)
  })

  it('explains a file of certificates without a connection, PEM or DER', async () => {
    const chain = file('chain.pem', leaf.certificate.pem + issuing.certificate.pem)
    const trusted = await runProgram(['explain', chain, '--ca', good, '--name', 'localhost'])
    assert.equal(trusted.code, 0, trusted.stdout)
    assert.match(trusted.stdout, /^✓ .*chain\.pem: CN=localhost is trusted/)
    assert.match(trusted.stdout, /2nd in the file, valid/)
    assert.doesNotMatch(trusted.stdout, /Connection|Client certificate/)
    const der = path.join(folder, 'leaf.der')
    writeFileSync(der, leaf.certificate.der)
    const alone = await runProgram(['explain', der, '--ca', good, '--json'])
    assert.equal(alone.code, 3)
    assert.partialDeepStrictEqual(JSON.parse(alone.stdout), {
      code: 'missing-intermediate',
      target: { file: der },
    })
    const garbage = await runProgram(['explain', file('garbage', 'garbage')])
    assert.equal(garbage.code, 1)
    assert.match(garbage.stderr, /^error: .*garbage/)
    const missing = await runProgram(['explain', path.join(folder, 'nowhere.pem')])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /there is no file .*nowhere\.pem/)
    const typo = await runProgram(['explain', 'chian.pem'])
    assert.match(typo.stderr, /there is no file chian\.pem/)
  })
})

describe('an error of trust', () => {
  const expired = leafOf(issuing, { notAfter: days(-1) })
  let server: Running
  before(async () => {
    server = await https([expired, issuing])()
  })
  after(async () => server[Symbol.asyncDispose]())

  it('ends with the command that explains it, with the options that were used', async () => {
    const url = `https://localhost:${server.port}/`
    const ca = ['--ca', good]
    const expected = `more:  countersign explain localhost:${server.port} --ca ${good}\n`
    for (const args of [
      ['get', url, ...ca],
      ['login', url, '--user', 'ada', '--password-stdin', ...ca],
    ]) {
      const { code, stderr } = await runProgram(args, { input: 'secret\n' })
      assert.equal(code, 3, stderr)
      assert.ok(stderr.endsWith(expected), stderr)
    }
    const { code, stdout } = await runProgram(['fetch', url, ...ca])
    assert.equal(code, 3)
    assert.partialDeepStrictEqual(JSON.parse(stdout), {
      url,
      error: { code: 'expired', more: expected.slice('more:  '.length, -1) },
    })
  })

  it('carries its explanation with --json', async () => {
    const url = `https://localhost:${server.port}/`
    const { code, stdout } = await runProgram(['get', url, '--ca', good, '--json'])
    assert.equal(code, 3)
    assert.partialDeepStrictEqual(JSON.parse(stdout), {
      ok: false,
      code: 'expired',
      explanation: { ok: false, code: 'expired', chain: [{ subject: 'CN=localhost' }] },
    })
  })

  it('is explained by get --explain, above the error', async () => {
    const url = `https://localhost:${server.port}/`
    const { code, stdout, stderr } = await runProgram(['get', url, '--ca', good, '--explain'])
    assert.equal(code, 3)
    assert.equal(stdout, '')
    assert.match(stderr, /^✗ localhost:\d+: CN=localhost ended[^]*^For you$[^]*^error: /m)
  })

  it('does not keep show from printing the certificate, which it says it has not verified', async () => {
    const address = `localhost:${server.port}`
    const { code, stdout, stderr } = await runProgram(['show', address, '--ca', good])
    assert.equal(code, 3)
    assert.match(stdout, /^Subject +CN=localhost$/m)
    assert.match(stdout, /^SHA-256 +[0-9a-f]{64}$/m)
    assert.match(stderr, /^not verified: .*expired/)
    const pem = await runProgram(['show', address, '--ca', good, '--pem'])
    assert.equal(pem.code, 3)
    assert.equal(Certificate.parse(pem.stdout).fingerprint, expired.certificate.fingerprint)
    assert.match(pem.stderr, new RegExp(`^sha256 ${expired.certificate.fingerprint}$`, 'm'))
  })

  it('says nothing of explain where it is not about trust', async () => {
    const gone = await nobody()
    const { code, stderr } = await runProgram(['get', `https://localhost:${gone.port}/`])
    assert.equal(code, 5)
    assert.doesNotMatch(stderr, /more:/)
  })
})

function file(name: string, text: string): string {
  const full = path.join(folder, name)
  writeFileSync(full, text)
  return full
}

/** A leaf whose common name clears the screen and writes a page of its own; our builder would not have it. */
function hostileFile(): string {
  const evil = Buffer.from(`${ESCAPE}[2Jevil\n\nFor you\n    countersign get http://evil`)
  const harmless = 'Z'.repeat(evil.length)
  const der = Buffer.from(
    leafOf(issuing, { subject: Name.from({ commonName: harmless }) }).certificate.der,
  )
  der.set(evil, der.indexOf(harmless))
  const { pem } = Certificate.parse(der)
  return file('hostile.pem', pem + issuing.certificate.pem)
}
