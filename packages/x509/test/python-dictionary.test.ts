import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import tls from 'node:tls'
import { outsidePython, scrubEnvironment, temporaryFolder } from '@countersign/testkit'
import {
  buildCertificate,
  Certificate,
  KEY_TYPES,
  Name,
  PrivateKey,
  parseGeneralName,
} from '../src/index.ts'
import { oddCertificates } from './odd-certificates.ts'

describe('toPythonDict', () => {
  it('answers the dictionary of the Python documentation', () => {
    const subject = Name.fromAttributes([
      [{ type: '2.5.4.15', value: 'Private Organization' }],
      [{ type: '1.3.6.1.4.1.311.60.2.1.3', value: 'US' }],
      [{ type: 'serialNumber', value: '3359300' }],
      [{ type: 'commonName', value: 'www.python.org' }],
    ])
    const key = PrivateKey.generateSync('p256')
    const certificate = buildCertificate(
      {
        subject,
        issuer: Name.from({ country: 'US', organization: 'DigiCert Inc' }),
        publicKey: key.publicKey,
        serialNumber: Buffer.from('01BB6F00122B177F36CAB49CEA8B6B26', 'hex'),
        notBefore: new Date('2014-09-05T00:00:00Z'),
        notAfter: new Date('2016-09-09T12:00:00Z'),
        subjectAltNames: ['www.python.org', 'pypi.org', '2001:db8::1'].map(parseGeneralName),
        authorityInfoAccess: { ocsp: ['http://ocsp.test'], caIssuers: ['http://ca.test/a.crt'] },
        crlDistributionPoints: ['http://crl3.test/a.crl', 'http://crl4.test/a.crl'],
      },
      key.signer(),
    )
    assert.deepEqual(certificate.toPythonDict(), {
      OCSP: ['http://ocsp.test'],
      caIssuers: ['http://ca.test/a.crt'],
      crlDistributionPoints: ['http://crl3.test/a.crl', 'http://crl4.test/a.crl'],
      issuer: [[['countryName', 'US']], [['organizationName', 'DigiCert Inc']]],
      notAfter: 'Sep  9 12:00:00 2016 GMT',
      notBefore: 'Sep  5 00:00:00 2014 GMT',
      serialNumber: '01BB6F00122B177F36CAB49CEA8B6B26',
      subject: [
        [['businessCategory', 'Private Organization']],
        [['jurisdictionCountryName', 'US']],
        [['serialNumber', '3359300']],
        [['commonName', 'www.python.org']],
      ],
      subjectAltName: [
        ['DNS', 'www.python.org'],
        ['DNS', 'pypi.org'],
        ['IP Address', '2001:DB8:0:0:0:0:0:1'],
      ],
      version: 3,
    })
  })

  for (const python of pythons()) {
    it(`equals CPython's answer for everything it can read (${python.name})`, (t) => {
      const certificates = new Map([...ofEveryKeyType(), ...oddCertificates(), ...publicRoots()])
      const folder = temporaryFolder(t)
      const expected = decodeWithPython(python.file, folder, certificates)
      let compared = 0
      for (const [label, der] of certificates) {
        const theirs = expected[label]
        if (theirs === null) continue
        assert.deepEqual(Certificate.parse(der, label).toPythonDict(), theirs, label)
        compared++
      }
      const unreadable = [...certificates.keys()].filter((label) => expected[label] === null)
      assert.deepEqual(
        unreadable.filter((label) => !label.startsWith('unreadable')),
        [],
      )
      assert.ok(compared > 100)
    })
  }
})

function* pythons(): Generator<{ name: string; file: string }> {
  const [system, strict] = [outsidePython(), outsidePython({ strict: true })]
  if (system !== undefined) yield { name: 'python3', file: system }
  else it('equals CPython for every certificate', { skip: 'needs python3' })
  if (strict === undefined) {
    it('equals CPython 3.13 for every certificate', { skip: 'needs python3 >= 3.13' })
  } else if (strict !== system) yield { name: 'python3 >= 3.13', file: strict }
}

function decodeWithPython(
  python: string,
  folder: string,
  certificates: ReadonlyMap<string, Uint8Array>,
): Record<string, unknown> {
  const labels = [...certificates.keys()]
  for (const [index, der] of [...certificates.values()].entries()) {
    writeFileSync(path.join(folder, `${index}.pem`), Certificate.fromTrustedDer(der).pem)
  }
  assert.equal(readdirSync(folder).length, labels.length)
  const { stdout, stderr, status } = spawnSync(python, ['-c', SCRIPT, folder], {
    env: scrubEnvironment(),
    input: JSON.stringify(labels),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

const SCRIPT = `
import json, ssl, sys
answers = {}
for index, label in enumerate(json.load(sys.stdin)):
    try:
        answers[label] = ssl._ssl._test_decode_cert(f'{sys.argv[1]}/{index}.pem')
    except Exception:
        answers[label] = None
json.dump(answers, sys.stdout)
`

function* ofEveryKeyType(): Generator<[string, Uint8Array]> {
  for (const type of KEY_TYPES) {
    // OpenSSL 3.0 does not know ML-DSA, yet decodes all around the key. Large RSA keys take seconds to make.
    if (type === 'rsa3072' || type === 'rsa4096') continue
    const key = PrivateKey.generateSync(type)
    const issuer = Name.from({ commonName: `Root ${type}`, organization: 'Ünïcode & Co' })
    const common = {
      issuer,
      publicKey: key.publicKey,
      notBefore: new Date(),
      notAfter: new Date('2051-01-02T03:04:05Z'),
    }
    const root = buildCertificate(
      { ...common, subject: issuer, ca: { pathLength: 0 } },
      key.signer(),
    )
    yield [`root ${type}`, root.der]
    for (const usage of ['serverAuth', 'clientAuth']) {
      const names = ['*.corp.internal', 'büro.example', '10.1.2.3', 'fd00::a:0', 'a@b.example']
      const subjectAltNames = [...names, 'spiffe://corp/a'].map(parseGeneralName)
      const leaf = buildCertificate(
        { ...common, subject: Name.from({}), subjectAltNames, extendedKeyUsage: [usage] },
        key.signer(),
      )
      yield [`${usage} leaf ${type}`, leaf.der]
    }
  }
}

function* publicRoots(): Generator<[string, Uint8Array]> {
  for (const [index, pem] of tls.rootCertificates.entries()) {
    if (index % 4 === 0) yield [`public root ${index}`, Certificate.parse(pem).der]
  }
}
