import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type CommandResult, runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import {
  buildCrl,
  createRequest,
  encodePkcs12,
  OcspCertId,
  type OcspCertificateStatus,
  OcspResponse,
  parseGeneralName,
  PrivateKey,
  type RawExtension,
} from '@countersign/x509'
import { authority, clientOf, days, type Holder, leafOf } from './explain-certificates.ts'
import { initAuthority, issue } from './identity-files.ts'

scrubProcess()

const folder = temporaryFolder(after)
const root = authority('Verify Root')
const issuing = authority('Verify Issuing', root)
const leaf = leafOf(issuing)
const roots = file('roots.pem', root.certificate.pem)
const chain = file('chain.pem', pem(leaf, issuing))

function file(name: string, content: string | Uint8Array): string {
  const target = path.join(folder, name)
  writeFileSync(target, content)
  return target
}

function pem(...holders: Holder[]): string {
  return holders.map(({ certificate }) => certificate.pem).join('')
}

function listOf(by: Holder, ...serials: string[]): string {
  const revoked = serials.map((serialNumber) => ({
    serialNumber,
    date: days(-1),
    reason: 'keyCompromise' as const,
  }))
  const dates = { thisUpdate: days(-1), nextUpdate: days(1) }
  return buildCrl({ issuer: by.certificate, crlNumber: 7n, revoked, ...dates }, by.key.signer()).pem
}

function answerAbout({ certificate }: Holder, says: OcspCertificateStatus): OcspResponse {
  const id = OcspCertId.of(certificate, issuing.certificate)
  const answers = [{ ...says, id, thisUpdate: days(-1), nextUpdate: days(1) }]
  return OcspResponse.build({ issuer: issuing.certificate, answers }, issuing.key.signer())
}

async function verify(...args: string[]): Promise<CommandResult> {
  return await runProgram(['verify', ...args])
}

/** The answer as JSON, its exit code checked. */
async function answer(code: number, ...args: string[]): Promise<Record<string, unknown>> {
  const result = await verify(...args, '--json')
  assert.equal(result.code, code, result.stdout + result.stderr)
  assert.equal(result.stderr, '')
  const value: unknown = JSON.parse(result.stdout)
  assert.ok(typeof value === 'object' && value !== null)
  return { ...value }
}

describe('countersign verify', () => {
  it('says that a chain is trusted, and that every client takes it', async () => {
    const { code, stdout, stderr } = await verify(chain, '--roots', roots, '--name', 'localhost')
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    assert.match(stdout, /^✓ CN=localhost is trusted: its chain ends at CN=Verify Root,O=Grid\n/)
    assert.match(stdout, /^ {2}✓ CN=localhost$/m)
    assert.match(stdout, /^ {4}└ ✓ CN=Verify Issuing,O=Grid$/m)
    assert.match(stdout, /^ {6}└ ✓ CN=Verify Root,O=Grid$/m)
    assert.match(stdout, /Other clients\n {2}✓ Node 24, curl 7\.88, Python 3\.11, Python 3\.13/)
    assert.doesNotMatch(stdout, /Fix|✗/)
  })

  it('prints all facts as one JSON value, with fixed codes, ISO dates and numbers as text', async () => {
    const crl = file('both.crl', listOf(issuing) + listOf(root))
    const good = await answer(0, chain, '--roots', roots, '--name', '127.0.0.1', '--crl', crl)
    assert.partialDeepStrictEqual(good, {
      ok: true,
      chain: [
        { subject: 'CN=localhost', role: 'leaf', from: 'file', link: 'ok' },
        { subject: 'CN=Verify Issuing,O=Grid', from: 'file', link: 'ok' },
        { subject: 'CN=Verify Root,O=Grid', from: 'store', link: 'ok' },
      ],
      revocation: {
        checked: 'chain',
        lists: [{ number: '7', revoked: 0 }, { number: '7' }],
        proofs: [{ subject: 'CN=localhost' }, { by: 'CN=Verify Root,O=Grid' }],
      },
      clients: [
        { client: 'node', name: 'Node 24', ok: true },
        ...['curl', 'python', 'python-strict', 'go', 'java', 'chromium', 'firefox'].map(
          (client) => ({ client, ok: true }),
        ),
      ],
      name: '127.0.0.1',
      purpose: 'server',
      trust: { count: 1 },
    })
    assert.ok(!('code' in good) && !('facts' in good) && !('hint' in good))
    const time = '2001-02-03T04:05:06.000Z'
    const bad = await answer(3, chain, '--roots', roots, '--time', '2001-02-03T04:05:06Z')
    assert.partialDeepStrictEqual(bad, {
      ok: false,
      code: 'not-yet-valid',
      certificate: { subject: 'CN=Verify Root,O=Grid' },
      facts: { time },
      revocation: { checked: 'off', lists: [] },
      time,
    })
    assert.ok(typeof bad['message'] === 'string' && typeof bad['hint'] === 'string')
  })

  it('reads DER, PKCS#12, folders of roots, and a file in any order', async () => {
    const der = file('leaf.der', leaf.certificate.der)
    const above = file('issuing.pem', pem(issuing))
    const mixed = file('mixed.pem', pem(root, issuing, leaf, issuing))
    const some = path.join(folder, 'some-roots')
    mkdirSync(some)
    writeFileSync(path.join(some, 'root.pem'), pem(root))
    const bundle = file(
      'bundle.p12',
      encodePkcs12({
        ...leaf,
        chain: [issuing.certificate],
        password: 'correct',
        iterations: 1000,
      }),
    )
    const password = file('bundle.p12.password', 'correct\n')
    for (const args of [
      [der, '--intermediates', above, '--roots', roots],
      [mixed, '--roots', some],
      [bundle, '--password-file', password, '--roots', roots],
    ]) {
      assert.partialDeepStrictEqual(await answer(0, ...args), {
        chain: [{ subject: 'CN=localhost' }, {}, {}],
      })
    }
    // Its twin: the hint is a command that works.
    const locked = await verify(bundle)
    assert.equal(locked.code, 2)
    assert.match(locked.stderr, /bundle\.p12 is PKCS#12 and protected by a password/)
    assert.ok(locked.stderr.includes(`countersign verify ${bundle} --password-file ${password}`))
    const wrong = await verify(bundle, '--password-file', file('wrong', 'wrong\n'))
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /^error: the password in \S+wrong does not open \S+bundle\.p12\n/)
  })

  it('trusts the roots of the data folder, and without them says which root is missing', async () => {
    const data = await initAuthority(folder)
    const { certificate } = await issue(data, path.join(folder, 'out'), 'api.corp.internal')
    await answer(0, certificate, '--data', data, '--name', 'api.corp.internal')
    const refused = await answer(3, certificate, '--data', path.join(folder, 'nobody'))
    assert.equal(refused['code'], 'untrusted-root')
    assert.match(String(refused['hint']), /--roots.*: countersign explain \S+$/)
  })

  it('gives the reason in a fixed word, and what mends it', async () => {
    const other = file('other.pem', pem(authority('Other Root')))
    const twin = file('twin.pem', pem(authority('Verify Root')))
    const old = file('old.pem', pem(leafOf(issuing, { notAfter: days(-1) }), issuing))
    const alone = file('alone.pem', pem(leaf))
    const client = file('client.pem', pem(clientOf(issuing), issuing))
    for (const [code, hint, ...args] of [
      ['untrusted-root', /CN=Verify Root.*--roots/, chain, '--roots', other],
      ['key-mismatch', /--roots/, chain, '--roots', twin],
      ['missing-intermediate', /CN=Verify Issuing.*--intermediates/, alone, '--roots', roots],
      ['expired', /countersign issue localhost 127\.0\.0\.1 --out \.$/, old, '--roots', roots],
      ['name-mismatch', /countersign issue x\.y /, chain, '--roots', roots, '--name', 'x.y'],
      ['name-mismatch', /./, chain, '--roots', roots, '--name', '[::1]'],
      ['wrong-purpose', /./, chain, '--roots', roots, '--purpose', 'client'],
      ['wrong-purpose', /./, client, '--roots', roots],
    ] as const) {
      const refused = await answer(3, ...args)
      assert.equal(refused['code'], code)
      assert.match(String(refused['hint']), hint)
    }
  })

  it('knows e-mail addresses, of clients', async () => {
    const names = [parseGeneralName('ada@corp.internal')]
    const ada = file('ada.pem', pem(clientOf(issuing, { subjectAltNames: names }), issuing))
    const good = await answer(0, ada, '--roots', roots, '--name', 'ada@corp.internal')
    assert.equal(good['purpose'], 'client')
    const other = await answer(3, ada, '--roots', roots, '--name', 'bob@corp.internal')
    assert.equal(other['code'], 'name-mismatch')
  })

  it('wants a list of every authority once it is given one, and finds the revoked', async () => {
    const one = file('one.crl', listOf(issuing))
    const missing = await answer(3, chain, '--roots', roots, '--crl', one)
    assert.partialDeepStrictEqual(missing, {
      code: 'crl-missing',
      certificate: { subject: 'CN=Verify Issuing,O=Grid' },
    })
    const all = file('all.crl', listOf(issuing, leaf.certificate.serialNumber) + listOf(root))
    const revoked = await answer(3, chain, '--roots', roots, '--crl', all)
    assert.partialDeepStrictEqual(revoked, {
      code: 'revoked',
      facts: {
        reason: 'keyCompromise',
        crlNumber: '7',
        date: days(-1).toISOString().slice(0, 19) + '.000Z',
      },
    })
  })

  it('takes OCSP answers, for the certificate alone where there are no lists', async () => {
    const ocsp = file('good.ocsp', answerAbout(leaf, { status: 'good' }).der)
    const good = await answer(0, chain, '--roots', roots, '--ocsp', ocsp)
    assert.partialDeepStrictEqual(good['revocation'], {
      checked: 'leaf',
      lists: [],
      answers: [{ status: 'successful', says: [{ status: 'good' }] }],
      proofs: [{ subject: 'CN=localhost', source: 'ocsp', by: 'CN=Verify Issuing,O=Grid' }],
    })
    const date = days(-1)
    const bad = answerAbout(leaf, { status: 'revoked', date, reason: 'keyCompromise' })
    const revoked = await answer(3, chain, '--roots', roots, '--ocsp', file('bad.ocsp', bad.pem))
    assert.partialDeepStrictEqual(revoked, {
      code: 'revoked',
      facts: { reason: 'keyCompromise', source: 'ocsp' },
    })
    const other = file('other.ocsp', answerAbout(leafOf(issuing), { status: 'good' }).der)
    const missing = await answer(3, chain, '--roots', roots, '--ocsp', other)
    assert.equal(missing['code'], 'crl-missing')
    const lists = file('two.crl', listOf(issuing) + listOf(root))
    const both = await answer(0, chain, '--roots', roots, '--ocsp', ocsp, '--crl', lists)
    assert.partialDeepStrictEqual(both['revocation'], { checked: 'chain', proofs: [{}, {}] })
  })

  it('says who else would refuse, and gives a command that says why', async () => {
    const rsa = leafOf(issuing, { key: PrivateKey.generateSync('ml-dsa-44') })
    const odd = file('odd.pem', pem(rsa, issuing))
    const { code, stdout, stderr } = await verify(odd, '--roots', roots)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^ {2}✗ Go 1\.19: CN=localhost has a key that is not accepted: ML-DSA-44/m)
    assert.match(stdout, /^ {2}✓ Node 24, Chromium 156$/m)
    const [, command = ''] = /^Fix\n.*\n +countersign (lint .*)$/m.exec(stdout) ?? []
    const words = command.split(' ')
    assert.deepEqual(words, ['lint', odd])
    const lint = await runProgram(words)
    assert.notEqual(lint.code, 2, lint.stderr)
    // Where the root is what others do not take, the file of the root is to be looked at.
    const silent = authority('Silent Root', undefined, { change: withoutKeyUsage })
    const trusted = file('silent.pem', pem(silent))
    const below = file('below.pem', pem(leafOf(silent)))
    const strict = await answer(0, below, '--roots', trusted)
    assert.partialDeepStrictEqual(strict, {
      clients: [{ ok: true }, { ok: true }, { ok: true }, { ok: false, rule: 'key-usage' }],
      hint: `this says what to change so that every client takes it: countersign lint ${trusted}`,
    })
    const json = await answer(0, odd, '--roots', roots)
    const clients = json['clients']
    assert.ok(Array.isArray(clients))
    assert.partialDeepStrictEqual(clients[4], {
      client: 'go',
      ok: false,
      code: 'weak-crypto',
      certificate: { subject: 'CN=localhost' },
    })
  })
})

describe('countersign verify refuses', () => {
  const key = PrivateKey.generateSync('p256')
  const request = createRequest({ subjectAltNames: [parseGeneralName('x.y')], key })
  const keyDer = key.keyObject.export({ type: 'pkcs8', format: 'der' })
  const good = [chain, '--roots', roots]
  const bad: [string, () => string[], number, RegExp][] = [
    ['what is not there', () => [path.join(folder, 'none')], 1, /cannot read .*none/],
    ['a folder', () => [folder], 1, /cannot read .*: it is a folder/],
    ['a device that never ends', () => ['/dev/zero'], 1, /larger than 128 MiB/],
    ['a device for roots', () => [chain, '--roots', '/dev/zero'], 1, /larger than 128 MiB/],
    ['an empty file', () => [file('empty', '')], 1, /empty is empty/],
    ['garbage', () => [file('garbage', 'nothing at all')], 1, /is neither PEM nor DER/],
    ['torn PEM', () => [file('torn.pem', pem(leaf).slice(0, 200))], 1, /torn\.pem/],
    ['PEM of garbage', () => [file('odd.pem', PEM_OF_GARBAGE)], 1, /odd\.pem/],
    ['a key', () => [file('key.pem', key.toPem())], 1, /holds no certificate \(1 x PRIVATE KEY\)/],
    ['a key in DER', () => [file('key.der', keyDer)], 1, /key\.der is a private key/],
    ['a request', () => [file('x.csr', request.pem)], 1, /no certificate \(1 x CERTIFICATE REQ/],
    ['a request in DER', () => [file('x.der', request.der)], 1, /is a certificate request, not/],
    ['a list', () => [file('x.crl', listOf(root))], 1, /no certificate \(1 x X509 CRL\)/],
    ['two leaves', () => [file('two.pem', pem(leaf, clientOf(issuing)))], 2, /holds 2 leaves: CN=/],
    ['10 MB of nested DER', () => [file('nested', nested(10_000_000))], 1, /nested: /],
    ['10 MB that begin as PKCS#12', () => [file('p12', PKCS12_START)], 1, /p12: /],
    ['roots that are not there', () => [chain, '--roots', 'none.pem'], 1, /--roots: there is no/],
    ['roots that are keys', () => [chain, '--roots', file('k', key.toPem())], 1, /^error: --roots/],
    [
      'intermediates that are none',
      () => [...good, '--intermediates', file('e', '')],
      1,
      /e is em/,
    ],
    ['lists that are none', () => [...good, '--crl', chain], 1, /chain\.pem/],
    ['answers that are none', () => [...good, '--ocsp', chain], 1, /chain\.pem holds no OCSP RESP/],
    ['a time that is none', () => [...good, '--time', 'tomorrow'], 2, /Write 2026-11-22/],
    ['a day that is none', () => [...good, '--time', '2026-13-45'], 2, /Write 2026-11-22/],
    ['a day not in the calendar', () => [...good, '--time', '2026-02-30'], 2, /Write 2026-11-22/],
    ['a time without zone', () => [...good, '--time', '2026-11-22T10:00'], 2, /Write 2026-11-22/],
    [
      'a purpose that would colour the terminal',
      () => [chain, '--purpose', '\u001b[31m'],
      2,
      /'\\u001b\[31m' is invalid/,
    ],
    ['an unknown purpose', () => [...good, '--purpose', 'servr'], 2, /choices are server, client/],
    ['a name that is none', () => [...good, '--name', 'a b'], 2, /Give a host name/],
    ['a URL for a name', () => [...good, '--name', 'https://x/'], 2, /Give a host name/],
    ['no file', () => [], 2, /missing required argument/],
    ['an unknown option', () => [...good, '--root', roots], 2, /unknown option '--root'/],
  ]
  let taken: Map<string, CommandResult>
  before(async () => {
    taken = new Map()
    for (const [what, args] of bad) taken.set(what, await verify(...args()))
  })
  for (const [what, , exit, fault] of bad) {
    it(`${what}, in one clear sentence`, () => {
      const result = taken.get(what)
      assert.equal(result?.code, exit, result?.stderr)
      assert.match(result.stderr, fault)
      assert.equal(result.stdout, '')
      assert.doesNotMatch(result.stderr, /\n\s+at |PRIVATE KEY-----/)
      assert.ok(!result.stderr.includes('\u001b'))
    })
  }
})

const withoutKeyUsage = {
  extensions: (all: readonly RawExtension[]) => all.filter(({ oid }) => oid !== '2.5.29.15'),
}

/** Sequences within sequences, every length right. */
function nested(bytes: number): Uint8Array {
  const levels = Math.floor(bytes / 6)
  const der = Buffer.alloc(levels * 6)
  for (let level = 0; level < levels; level++) {
    der.writeUInt16BE(0x3084, level * 6)
    der.writeUInt32BE((levels - level - 1) * 6, level * 6 + 2)
  }
  return der
}

const PEM_OF_GARBAGE =
  '-----BEGIN CERTIFICATE-----\nbm90aGluZyBhdCBhbGw=\n-----END CERTIFICATE-----\n'
const PKCS12_START = Buffer.concat([
  Buffer.from('3084009896800201033080', 'hex'),
  nested(9_999_990),
])
