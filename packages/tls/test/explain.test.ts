import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import { type ExplainOptions, explanationToJson, type ReasonCode } from '@countersign/tls'
import { buildCrl, Certificate, type CertificateTemplate } from '@countersign/x509'
import {
  DAY,
  explainServer,
  makeAuthority,
  makeLeaf,
  type Made,
  serveChain,
  shape,
} from './explain-support.ts'
import { authority, localhost } from './support.ts'

scrubProcess()

const CIPHERS = [
  ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
  ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
  ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
  ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
] as const

describe('explain shows the chain as it was sent', () => {
  const stranger = makeAuthority('Stranger')

  for (const [version, ciphers] of CIPHERS) {
    it(`with ${version} and ${ciphers}: what links, what does not, and the order`, async () => {
      const chain = [localhost.certificate, stranger.certificate, authority.issuer]
      const options = { ciphers, minVersion: version, maxVersion: version }
      await using server = await serveChain(chain, localhost.key, options)
      const found = await explainServer(server)
      assert.equal(found.ok, true, found.message)
      assert.equal(found.connection?.protocol, version)
      assert.equal(found.connection.cipher, ciphers)
      assert.deepEqual(names(shape(found.chain)), [
        'CN=localhost sent0 ok',
        'CN=Test Issuer sent2 ok',
        'CN=Test Root store ok',
        'CN=Stranger sent1 superfluous',
      ])
      assert.match(found.notes.join('\n'), /CN=Stranger: sent, and no part of the chain/)
    })
  }

  it('in reversed order, root before issuer', async () => {
    const chain = [localhost.certificate, authority.root, authority.issuer]
    await using server = await serveChain(chain, localhost.key)
    const found = await explainServer(server)
    assert.equal(found.ok, true)
    assert.deepEqual(names(shape(found.chain)), [
      'CN=localhost sent0 ok',
      'CN=Test Issuer sent2 ok',
      'CN=Test Root sent1 ok',
    ])
    assert.match(found.notes.join('\n'), /wrong order/)
  })

  it('after a HelloRetryRequest', async () => {
    await using server = await serveChain(
      [localhost.certificate, authority.issuer],
      localhost.key,
      {
        ecdhCurve: 'P-384',
      },
    )
    const found = await explainServer(server)
    assert.equal(found.ok, true)
    assert.equal(found.chain[1]?.from, 'sent')
    assert.match(found.connection?.group ?? '', /384/)
  })

  it('over several records, where it is long', async () => {
    const many = Array.from({ length: 31 }, (_, index) => makeAuthority(`Superfluous ${index}`))
    const certificates = many.map(({ certificate }) => certificate)
    await using server = await serveChain([localhost.certificate, ...certificates], localhost.key)
    const found = await explainServer(server)
    assert.equal(found.code, 'missing-intermediate')
    assert.equal(found.chain.filter(({ superfluous }) => superfluous).length, 31)
  })
})

describe('explain finds the reason, live:', () => {
  const root = makeAuthority('Live Root')
  const issuer = makeAuthority('Live Issuer', root)
  const leaf = makeLeaf({}, issuer)
  const past = {
    notBefore: new Date(Date.now() - 9 * DAY),
    notAfter: new Date(Date.now() - 2 * DAY),
  }
  const again = makeAuthority('Live Root')
  const oldIssuer = makeAuthority('Old Issuer', root, past)
  const notForLeaf = makeAuthority('No further', root, { ca: { pathLength: 0 } })
  const narrow = makeAuthority('Narrow', root, {
    nameConstraints: { permitted: [{ type: 'dns', value: 'corp.internal' }] },
  })
  const expired = makeLeaf(past, issuer)
  // The builder makes no leaf without names, but it makes authorities.
  const usages = {
    keyUsage: ['keyCertSign', 'digitalSignature'],
    extendedKeyUsage: ['serverAuth'],
  } satisfies Partial<CertificateTemplate>
  const nameless = makeAuthority('localhost', issuer, usages)
  const alone = makeAuthority('localhost', undefined, {
    ...usages,
    subjectAltNames: [{ type: 'dns', value: 'localhost' }],
  })
  const deep = makeAuthority('Deep', notForLeaf)
  const listed = (entries: readonly Certificate[], nextUpdate?: Date): string =>
    [root, issuer]
      .map(
        ({ certificate, key }) =>
          buildCrl(
            {
              issuer: certificate,
              crlNumber: 1n,
              thisUpdate: new Date(Date.now() - 2 * DAY),
              nextUpdate: nextUpdate ?? new Date(Date.now() + DAY),
              revoked: (certificate === issuer.certificate ? entries : []).map(
                ({ serialNumber }) => ({
                  serialNumber,
                  date: past.notBefore,
                  reason: 'keyCompromise',
                }),
              ),
            },
            key.signer(),
          ).pem,
      )
      .join('')

  const rows: readonly Row[] = [
    ['a certificate signed by itself', 'self-signed', alone, [], /signed by itself/, 0],
    [
      'a root nobody trusts',
      'untrusted-root',
      leaf,
      [issuer],
      /issued by CN=Live Root/,
      1,
      { ca: authority.rootPem },
    ],
    [
      'an intermediate that was not sent',
      'missing-intermediate',
      leaf,
      [],
      /Live Issuer.*not sent/,
      0,
    ],
    [
      'a root that was made again',
      'key-mismatch',
      leaf,
      [issuer],
      /another key/,
      1,
      { ca: again.certificate },
    ],
    [
      'a root on the wire',
      'untrusted-root-sent',
      leaf,
      [issuer, root],
      /Live Root, which was sent/,
      2,
      { ca: authority.rootPem },
    ],
    ['an expired leaf', 'expired', expired, [issuer], /localhost ended 2 d ago by this clock/, 0],
    [
      'an expired intermediate',
      'expired',
      makeLeaf({}, oldIssuer),
      [oldIssuer],
      /Old Issuer ended 2 d ago/,
      1,
    ],
    [
      'a leaf of tomorrow',
      'not-yet-valid',
      makeLeaf({ notBefore: new Date(Date.now() + 3_600_000 * 5) }, issuer),
      [issuer],
      /begins in (5 h|4 h 59 min)/,
      0,
    ],
    ['a damaged leaf', 'bad-signature', damaged(leaf), [issuer], /signature on CN=localhost/, 0],
    [
      'a leaf without its name',
      'name-mismatch',
      makeLeaf({ subjectAltNames: [{ type: 'dns', value: 'api.corp.internal' }] }, issuer),
      [issuer],
      /not for localhost but for DNS:api\.corp\.internal/,
      0,
    ],
    ['a leaf with a common name alone', 'name-mismatch', nameless, [issuer], /no name at all/, 0],
    [
      'a leaf for clients',
      'wrong-purpose',
      makeLeaf({ extendedKeyUsage: ['clientAuth'] }, issuer),
      [issuer],
      /./,
      0,
    ],
    ['a leaf that issues', 'not-a-ca', makeLeaf({}, leaf), [leaf, issuer], /./, 1],
    [
      'an authority below its bound',
      'path-too-long',
      makeLeaf({}, deep),
      [deep, notForLeaf],
      /No further allows 0/,
      2,
    ],
    [
      'a name outside the permitted ones',
      'name-constraint',
      makeLeaf({}, narrow),
      [narrow],
      /./,
      0,
    ],
    [
      'an extension nobody knows',
      'critical-extension',
      makeLeaf(
        { extraExtensions: [{ oid: '1.2.3.4', critical: true, value: Uint8Array.of(5, 0) }] },
        issuer,
      ),
      [issuer],
      /1\.2\.3\.4/,
      0,
    ],
    [
      'a leaf that was revoked',
      'revoked',
      leaf,
      [issuer],
      /./,
      0,
      { crl: listed([leaf.certificate]) },
    ],
    [
      'a list that is stale',
      'crl-stale',
      leaf,
      [issuer],
      /./,
      0,
      { crl: listed([], new Date(Date.now() - DAY)) },
    ],
    [
      'a list that is missing',
      'crl-missing',
      leaf,
      [issuer],
      /./,
      0,
      { crl: listed([]).split(/(?<=END X509 CRL-----\n)/)[0] },
    ],
  ]

  for (const [what, code, served, above, says, broken, options] of rows) {
    it(`${code} for ${what}`, async () => {
      const chain = [served, ...above].map(({ certificate }) => certificate)
      await using server = await serveChain(chain, served.key)
      const found = await explainServer(server, { ca: root.certificate, ...options })
      assert.equal(found.code, code, found.message)
      assert.equal(found.ok, false)
      assert.match(found.message, says)
      assert.equal(found.message.startsWith(`127.0.0.1:${server.port}: `), true)
      assert.equal(found.brokenLink?.code, code)
      assert.equal(found.brokenLink.position, broken)
      assert.notEqual(found.fixes.caller?.text ?? '', '')
      assert.notEqual(found.fixes.owner?.text ?? '', '')
      assert.equal(found.hint, found.fixes.caller?.text)
      assert.doesNotMatch(JSON.stringify(explanationToJson(found)), NEVER)
      // Numbers of revocation lists are longer than those of JSON.
      assert.equal(JSON.stringify(found), JSON.stringify(explanationToJson(found)))
    })
  }
})

type Row = readonly [
  what: string,
  code: ReasonCode,
  served: Made,
  above: readonly Made[],
  says: RegExp,
  broken: number | undefined,
  options?: ExplainOptions,
]

/** What no way out may say. */
const NEVER =
  /reject.?unauthorized|verify(=|: ?| )(no|false)|--verify|insecure|TLS_REJECT|"undefined"|\[object/i

function names(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/ [0-9a-f]{8} /, ' '))
}

/** The same certificate with one bit of its signature changed. */
function damaged({ certificate, key }: Made): Made {
  const der = Buffer.from(certificate.der)
  der[der.length - 3] = (der[der.length - 3] ?? 0) ^ 1
  return { certificate: Certificate.parse(der), key }
}
