import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import tls from 'node:tls'
import {
  runCommand,
  skipWithout,
  type TestIdentity,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import * as fc from 'fast-check'
import {
  buildCertificate,
  buildCrl,
  buildCrlAsync,
  CertificateRevocationList,
  type CrlTemplate,
  encodePem,
  Name,
  PrivateKey,
  REVOCATION_REASONS,
  type RevokedCertificate,
  X509Error,
} from '../src/index.ts'

const ca = testAuthority()
const now = new Date('2026-05-06T07:08:09Z')
const tomorrow = new Date('2026-05-07T07:08:09Z')

function template(revoked: readonly RevokedCertificate[] = []): CrlTemplate {
  return { issuer: ca.issuer, crlNumber: 7n, thisUpdate: now, nextUpdate: tomorrow, revoked }
}

function make(changes: Partial<CrlTemplate> = {}): CertificateRevocationList {
  return buildCrl({ ...template(), ...changes }, ca.issuerKey.signer())
}

describe('buildCrl', () => {
  it('makes what parse reads back, for any entries', () => {
    const entry = fc.record(
      {
        serialNumber: fc
          .uint8Array({ minLength: 1, maxLength: 20 })
          .filter((bytes) => bytes.some((byte) => byte !== 0))
          .map((bytes) => Buffer.from(bytes).toString('hex')),
        date: fc.date({ min: new Date('1970-01-01'), max: now, noInvalidDate: true }),
        reason: fc.constantFrom(undefined, ...REVOCATION_REASONS),
        invalidityDate: fc.date({ min: new Date('1970-01-01'), max: now, noInvalidDate: true }),
      },
      { requiredKeys: ['serialNumber', 'date'] },
    )
    const entries = fc.uniqueArray(entry, { selector: (one) => serialOf(one.serialNumber) })
    fc.assert(
      fc.property(entries, (revoked) => {
        const list = CertificateRevocationList.parse(make({ revoked }).pem)
        assert.equal(list.size, revoked.length)
        const read = [...list]
        for (const [index, wanted] of revoked.entries()) {
          const found = read[index]
          assert.ok(found !== undefined)
          assert.equal(serialOf(found.serialNumber), serialOf(wanted.serialNumber))
          assert.match(found.serialNumber, /^(?:[0-9A-F]{2})+$/)
          assert.equal(found.date.getTime(), seconds(wanted.date))
          assert.equal(found.reason ?? 'unspecified', wanted.reason ?? 'unspecified')
          assert.equal(
            found.invalidityDate?.getTime(),
            wanted.invalidityDate && seconds(wanted.invalidityDate),
          )
          assert.ok(list.has(wanted.serialNumber))
          assert.deepEqual(list.get(wanted.serialNumber), found)
        }
        assert.equal(
          list.has('0123456789ABCDEF'),
          revoked.some((one) => serialOf(one.serialNumber) === '123456789abcdef'),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('is signed by the issuer, for every key type', async () => {
    for (const keyType of ['p256', 'p384', 'ed25519', 'rsa2048', 'ml-dsa-44'] as const) {
      const other = testAuthority({ keyType })
      const list = other.crl()
      assert.ok(list.issuedBy(other.issuer), keyType)
      assert.ok(list.verifySignature(other.issuerKey.publicKey))
      assert.equal(list.issuedBy(other.root), false)
      assert.equal(list.issuedBy(ca.issuer), false)
      assert.equal(list.verifySignature(ca.issuerKey.publicKey), false)
    }
  })

  it('waits for a signer that answers later', async () => {
    const signer = ca.issuerKey.signer()
    const later = {
      publicKey: signer.publicKey,
      signatureAlgorithm: signer.signatureAlgorithm,
      sign: async (tbs: Uint8Array) => await Promise.resolve(signer.sign(tbs)),
    }
    const list = await buildCrlAsync(template(), later)
    assert.ok(list.issuedBy(ca.issuer))
  })

  it('says number, times, issuer, key and where it is found', () => {
    const list = make({ issuingDistributionPoint: 'http://crl.test/issuer.crl' })
    assert.equal(list.version, 2)
    assert.equal(list.number, 7n)
    assert.deepEqual(list.thisUpdate, now)
    assert.deepEqual(list.nextUpdate, tomorrow)
    assert.ok(list.issuer.equals(ca.issuer.subject))
    assert.equal(list.authorityKeyId, ca.issuer.subjectKeyId)
    assert.equal(list.signatureAlgorithm, 'ecdsa-with-SHA256')
    assert.equal(list.isDelta, false)
    assert.deepEqual(list.unknownCriticalExtensions, [])
    assert.deepEqual(list.issuingDistributionPoint, {
      fullName: [{ type: 'uri', value: 'http://crl.test/issuer.crl' }],
      onlyUserCertificates: false,
      onlyCaCertificates: false,
      onlyAttributeCertificates: false,
      onlySomeReasons: false,
      indirect: false,
    })
    assert.equal(list.extensions.get('2.5.29.28')?.critical, true)
    assert.equal(list.extensions.get('2.5.29.20')?.critical, false)
    assert.equal(make().issuingDistributionPoint, undefined)
  })

  it('writes a large number, and a date after thisUpdate as thisUpdate', () => {
    const revoked = [{ serialNumber: '01', date: tomorrow }]
    const list = make({ crlNumber: (1n << 159n) - 1n, revoked })
    assert.equal(list.number, (1n << 159n) - 1n)
    assert.deepEqual([...list][0]?.date, now)
  })

  it('refuses what would be no list of this issuer', () => {
    const other = PrivateKey.generateSync('p256')
    assert.throws(() => buildCrl(template(), other.signer()), {
      code: 'crl-invalid',
      message: /not the one of the issuer/,
    })
    const leaf = ca.issue({ names: ['a.test'] })
    assert.throws(() => buildCrl({ ...template(), issuer: leaf.certificate }, leaf.key.signer()), {
      code: 'crl-invalid',
      message: /may not sign/,
    })
    const certificate = buildCertificate(
      {
        subject: Name.from({ commonName: 'No lists' }),
        issuer: Name.from({ commonName: 'No lists' }),
        publicKey: other.publicKey,
        notBefore: now,
        notAfter: tomorrow,
        ca: {},
        keyUsage: ['keyCertSign'],
      },
      other.signer(),
    )
    assert.throws(() => buildCrl({ ...template(), issuer: certificate }, other.signer()), {
      code: 'crl-invalid',
      hint: /cRLSign/,
    })
  })

  it('refuses impossible numbers, times and entries', () => {
    const date = now
    const wrong: Partial<CrlTemplate>[] = [
      { crlNumber: -1n },
      { crlNumber: 1n << 159n },
      { nextUpdate: now },
      { nextUpdate: new Date(Number.NaN) },
      { revoked: [{ serialNumber: '', date }] },
      { revoked: [{ serialNumber: '00', date }] },
      { revoked: [{ serialNumber: '-01', date }] },
      { revoked: [{ serialNumber: 'serial', date }] },
      { revoked: [{ serialNumber: '01', date: new Date(Number.NaN) }] },
      {
        revoked: [
          { serialNumber: '01', date },
          { serialNumber: '0001', date },
        ],
      },
    ]
    for (const changes of wrong) assert.throws(() => make(changes), { code: 'crl-invalid' })
    assert.throws(() => make({ issuingDistributionPoint: 'http://crl.test/ü' }), X509Error)
    const misspelt = { ...template(), nextUpdte: now }
    assert.throws(() => buildCrl(misspelt, ca.issuerKey.signer()), { code: 'option-unknown' })
  })
})

describe('CertificateRevocationList', () => {
  it('finds serial numbers in any writing', () => {
    const list = make({ revoked: [{ serialNumber: '0ABC', date: now }] })
    for (const text of ['0ABC', 'abc', '0a:bc', '000ABC']) assert.ok(list.has(text), text)
    for (const text of ['0ABD', '', 'x', '-0ABC', '0ABC0'])
      assert.equal(list.has(text), false, text)
    assert.equal(list.get('0ABD'), undefined)
  })

  it('knows when it is in force', () => {
    const list = make()
    assert.ok(list.isValidAt(now))
    assert.ok(list.isValidAt(tomorrow))
    assert.equal(list.isValidAt(new Date(now.getTime() - 1)), false)
    assert.equal(list.isValidAt(new Date(tomorrow.getTime() + 1)), false)
  })

  it('reads several lists of one PEM, and refuses them where one is expected', () => {
    const pem = ca.crlPem()
    assert.equal(CertificateRevocationList.parseAll(pem).length, 2)
    assert.throws(() => CertificateRevocationList.parse(pem, 'lists.pem'), {
      code: 'crl-several',
      message: /lists\.pem holds 2/,
    })
    assert.throws(() => CertificateRevocationList.parse(ca.rootPem), { code: 'crl-missing' })
    assert.throws(() => CertificateRevocationList.parse(''), { code: 'pem-empty' })
    const old = encodePem('CRL', make().der)
    assert.equal(CertificateRevocationList.parse(old).number, 7n)
  })

  it('keeps 100,000 entries as bytes and finds each', () => {
    const revoked = Array.from({ length: 100_000 }, (_, index) => ({
      serialNumber: `7${index.toString(16).padStart(31, '0')}`,
      date: now,
      reason: REVOCATION_REASONS[index % 4],
    }))
    const list = CertificateRevocationList.parse(make({ revoked }).der)
    assert.equal(list.size, 100_000)
    assert.ok(revoked.every(({ serialNumber }) => list.has(serialNumber)))
    assert.equal(list.has('55'), false)
  })
})

describe('revocation lists and openssl', { skip: skipWithout('openssl') }, () => {
  it('are printed by openssl as they are meant', async (t) => {
    const revoked = [
      { serialNumber: '0ABC', date: now, reason: 'keyCompromise' as const },
      { serialNumber: 'FF01', date: now, reason: 'unspecified' as const },
    ]
    const list = make({ revoked, issuingDistributionPoint: 'http://crl.test/issuer.crl' })
    const text = await print(t, list)
    assert.match(text, /Version 2/)
    assert.match(text, /Last Update: May {2}6 07:08:09 2026 GMT/)
    assert.match(text, /Next Update: May {2}7 07:08:09 2026 GMT/)
    assert.match(text, /X509v3 CRL Number: \n\s+7\n/)
    assert.match(
      text,
      /Issuing Distribution Point: critical\n\s+Full Name:\n\s+URI:http:\/\/crl\.test/,
    )
    assert.match(text, /Serial Number: 0ABC\n[^]*Key Compromise/)
    assert.match(text, /Serial Number: FF01\n/)
    assert.equal(text.match(/CRL entry extensions/g)?.length, 1)
    assert.match(await print(t, make()), /No Revoked Certificates/)
  })

  it('are checked by openssl and by Node through the whole chain', async (t) => {
    const folder = temporaryFolder(t)
    const [good, bad] = [ca.issue({ names: ['good.test'] }), ca.issue({ names: ['bad.test'] })]
    const pem = ca.crlPem({ revoked: [bad.certificate] })
    const lists = path.join(folder, 'lists.pem')
    writeFileSync(lists, pem)
    const { roots, issuer } = ca.write(folder)
    const flags = ['-x509_strict', '-crl_check_all', '-CAfile', roots, '-untrusted', issuer]
    const verify = (file: string): ReturnType<typeof runCommand> =>
      runCommand('openssl', ['verify', ...flags, '-CRLfile', lists, file])
    assert.match((await verify(good.write(folder, 'good').certificate)).stdout, /: OK/)
    assert.match((await verify(bad.write(folder, 'bad').certificate)).stderr, /revoked/)

    const connect = async (identity: TestIdentity): Promise<void> => {
      const server = tls.createServer({ cert: identity.chainPem, key: identity.keyPem })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      assert.ok(typeof address === 'object' && address !== null)
      const socket = tls.connect({
        host: '127.0.0.1',
        port: address.port,
        servername: identity.certificate.dnsNames[0],
        ca: ca.rootPem,
        crl: CertificateRevocationList.parseAll(pem).map((list) => list.pem),
      })
      await once(socket, 'secureConnect').finally(() => {
        socket.destroy()
        server.close()
      })
    }
    await connect(good)
    await assert.rejects(connect(bad), { code: 'CERT_REVOKED' })
  })
})

async function print(
  t: { after(hook: () => void): void },
  list: CertificateRevocationList,
): Promise<string> {
  const file = path.join(temporaryFolder(t), 'list.pem')
  writeFileSync(file, list.pem)
  const { code, stdout, stderr } = await runCommand('openssl', [
    'crl',
    '-in',
    file,
    '-noout',
    '-text',
  ])
  assert.equal(code, 0, stderr)
  return stdout
}

function seconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000
}

function serialOf(text: string): string {
  return BigInt(`0x${text}`).toString(16)
}

describe('buildCrl, with dates that cannot be written', () => {
  const far = new Date(8.64e15)
  const none = new Date(Number.NaN)
  const revoked = { serialNumber: '01', date: now }
  const cases: [string, Partial<CrlTemplate>][] = [
    ['nextUpdate beyond the year 9999', { nextUpdate: far }],
    ['thisUpdate before the year 0', { thisUpdate: new Date(-8.64e15) }],
    [
      'a revocation date before the year 0',
      { revoked: [{ ...revoked, date: new Date(-8.64e15) }] },
    ],
    ['an invalidity date that is none', { revoked: [{ ...revoked, invalidityDate: none }] }],
    ['an invalidity date beyond 9999', { revoked: [{ ...revoked, invalidityDate: far }] }],
  ]
  for (const [what, changes] of cases) {
    it(`refuses ${what} by its own error`, () => {
      assert.throws(() => make(changes), { name: 'X509Error', code: 'crl-invalid' })
    })
  }
})
