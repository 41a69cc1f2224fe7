import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runProgram, temporaryFolder } from '@countersign/testkit'
import { buildCertificate, encodePem, Name, PrivateKey } from '@countersign/x509'
import { initAuthority } from './identity-files.ts'

const folder = temporaryFolder(after)
const key = PrivateKey.generateSync('p256')
/** A server whose address is written as a host name, with serial number 5. */
const bad = buildCertificate(
  {
    subject: Name.from({ commonName: 'api' }),
    issuer: Name.from({ commonName: 'Issuer' }),
    publicKey: key.publicKey,
    serialNumber: Uint8Array.of(5),
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    subjectAltNames: [{ type: 'dns', value: '10.0.0.1' }],
    extendedKeyUsage: ['serverAuth'],
  },
  PrivateKey.generateSync('p256').signer(),
)
let good = ''
before(async () => {
  const data = await initAuthority(folder)
  const out = path.join(folder, 'out')
  const issue = ['issue', 'api.corp.internal', '--data', data, '--out', out]
  const { code, stderr } = await runProgram(issue)
  assert.equal(code, 0, stderr)
  good = path.join(out, 'api.corp.internal.crt')
})

describe('countersign lint', () => {
  it('finds nothing in what the authority issues, and ends with 0', async () => {
    const { code, stdout, stderr } = await runProgram(['lint', good])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^1\. api\.corp\.internal \(server\): nothing found$/m)
    assert.match(stdout, /^2\. CN=.* Issuer .*\(issuer\): /m)
    const json = await runProgram(['lint', good, '--json'])
    assert.equal(json.code, 0)
    const findings: unknown = JSON.parse(json.stdout)
    assert.ok(Array.isArray(findings))
    assert.ok(findings.every(({ severity }) => severity === 'notice'))
  })

  it('names fault, fix and the clients that refuse it, for every certificate, and ends with 1', async () => {
    const file = path.join(folder, 'bad.pem')
    const torn = encodePem('CERTIFICATE', bad.der.subarray(0, 100))
    writeFileSync(file, `${readFileSync(good, 'latin1')}${bad.pem}${torn}`)
    const { code, stdout, stderr } = await runProgram(['lint', file])
    assert.equal(code, 1, stderr)
    assert.match(stdout, /^3\. CN=api \(server\): 1 error, 1 warning$/m)
    assert.match(
      stdout,
      /^ {3}error {2}the name DNS:10\.0\.0\.1 is an IP address \[dns-name-is-address\]$/m,
    )
    assert.match(stdout, /^ {6}Write addresses as iPAddress.*\(RFC 5280 /m)
    assert.match(stdout, /^ {6}refused by: node, python-strict, go, java, chromium, firefox$/m)
    assert.match(stdout, /^4\. unreadable: 1 error$/m)
    const json = await runProgram(['lint', file, '--json'])
    assert.equal(json.code, 1)
    const findings: { certificate: number; id: string }[] = JSON.parse(json.stdout)
    assert.deepEqual(
      findings
        .filter(({ certificate }) => certificate > 2)
        .map(({ certificate, id }) => [certificate, id]),
      [
        [3, 'serial-short'],
        [3, 'dns-name-is-address'],
        [4, 'certificate-unreadable'],
      ],
    )
  })

  it('takes DER, and a profile that is meant', async () => {
    const file = path.join(folder, 'bad.der')
    writeFileSync(file, bad.der)
    const { code, stdout } = await runProgram(['lint', file, '--profile', 'client'])
    assert.equal(code, 1)
    assert.match(stdout, /^1\. CN=api \(client\): /m)
    assert.match(stdout, /\[purpose-no-client\]/)
  })

  it('refuses a file that is not there, holds no certificate, or a profile nobody knows', async () => {
    const keyFile = path.join(folder, 'key.pem')
    writeFileSync(keyFile, key.toPem())
    for (const [args, expected, words] of [
      [[path.join(folder, 'none.pem')], 1, /cannot read .*none\.pem/],
      [[keyFile], 1, /holds no certificate/],
      [[good, '--profile', 'servr'], 2, /Allowed choices are root, issuer, server, client, leaf/],
    ] as const) {
      const { code, stderr } = await runProgram(['lint', ...args])
      assert.equal(code, expected, stderr)
      assert.match(stderr, words)
    }
  })
})
