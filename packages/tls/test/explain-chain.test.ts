import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { scrubProcess } from '@countersign/testkit'
import {
  connect,
  createDefaultContext,
  explainChain,
  type Explanation,
  explanationToJson,
  TlsError,
  TrustStore,
} from '@countersign/tls'
import { type Certificate, type GeneralName, Name } from '@countersign/x509'
import { DAY, makeAuthority, makeLeaf, serveChain, shape } from './explain-support.ts'
import {
  authority,
  connectTo,
  failureOf,
  localhost,
  serverContext,
  startServer,
} from './support.ts'

scrubProcess()

const root = makeAuthority('Chain Root')
const trust = TrustStore.fromPem(root.certificate.pem)

function explained(
  chain: readonly Certificate[],
  options: Partial<Parameters<typeof explainChain>[0]> = {},
): Explanation {
  return explainChain({
    chain: chain.map(({ der }) => der),
    trust,
    name: 'api.corp.internal',
    target: { host: 'api.corp.internal', port: 8443 },
    ...options,
  })
}

function leafNamed(...names: readonly string[]): Certificate {
  const subjectAltNames = names.map((value): GeneralName => ({ type: 'dns', value }))
  return makeLeaf({ subjectAltNames }, root).certificate
}

describe('explainChain names the near miss:', () => {
  for (const [kind, presented, wanted] of [
    ['wildcard-depth', '*.internal.example', 'a.b.internal.example'],
    ['wildcard-depth', '*.corp.internal', 'corp.internal'],
    ['wildcard-depth', '*.internal', 'api.internal'],
    ['partial-wildcard', 'ap*.corp.internal', 'api.corp.internal'],
    ['partial-wildcard', 'api.*.internal', 'api.corp.internal'],
    ['trailing-dot', 'api.corp.internal.', 'api.corp.internal'],
    ['single-label', 'api.corp.internal', 'api'],
    ['single-label', 'api', 'api.corp.internal'],
    ['parent-domain', 'corp.internal', 'api.corp.internal'],
    ['spelling', 'apl.corp.internal', 'api.corp.internal'],
    ['address-as-dns', '10.0.0.1', '10.0.0.1'],
  ] as const) {
    it(`${kind}: ${presented} for ${wanted}`, () => {
      const { code, name, ok } = explained([leafNamed('other.example', presented)], {
        name: wanted,
      })
      assert.equal(ok, false)
      assert.equal(code, 'name-mismatch')
      assert.equal(name?.matches, false)
      assert.deepEqual(
        name.nearMisses.map((miss) => [miss.kind, miss.name]),
        [[kind, presented]],
      )
    })
  }

  it('a common name alone', () => {
    const only = makeAuthority('api.corp.internal', root, {
      keyUsage: ['keyCertSign', 'digitalSignature'],
      extendedKeyUsage: ['serverAuth'],
    })
    const found = explained([only.certificate])
    assert.equal(found.code, 'name-mismatch')
    assert.deepEqual(
      found.name?.nearMisses.map(({ kind }) => kind),
      ['common-name-only'],
    )
    const other = explained([only.certificate], { name: 'www.corp.internal' })
    assert.deepEqual(
      other.name?.nearMisses.map(({ kind }) => kind),
      ['no-alternative-name'],
    )
  })

  it('none, where the name is there in another case, or with a dot', () => {
    for (const name of ['API.corp.internal', 'api.corp.internal.']) {
      const found = explained([leafNamed('Api.Corp.Internal')], { name })
      assert.equal(found.ok, true, found.message)
      assert.deepEqual(found.name?.nearMisses, [])
    }
  })
})

describe('explainChain', () => {
  it('predicts what a context of ours does: a store of an intermediate or of the leaf alone will do', () => {
    const issuer = makeAuthority('Chain Issuer', root)
    const { certificate } = makeLeaf({}, issuer)
    for (const [sent, held] of [
      [[certificate, issuer.certificate], issuer.certificate],
      [[certificate, issuer.certificate, root.certificate], issuer.certificate],
      [[certificate], certificate],
    ] as const) {
      const found = explained(sent, { trust: TrustStore.fromDer(held.der), name: 'localhost' })
      assert.equal(found.ok, true, found.message)
      assert.equal(found.clients.find(({ client }) => client === 'node')?.ok, false)
    }
  })

  it('says that the leaf comes first where its issuer does', () => {
    const issuer = makeAuthority('Early Issuer', root)
    const { certificate } = makeLeaf({}, issuer)
    const found = explained([issuer.certificate, certificate], { name: 'localhost' })
    assert.equal(found.ok, false)
    assert.match(found.notes.join(), /^CN=localhost is issued by the first certificate: the leaf/)
    const right = explained([certificate, issuer.certificate], { name: 'localhost' })
    assert.deepEqual([right.ok, right.notes], [true, []])
  })

  it('does not promise that a root mends a name or a date', () => {
    const alone = TrustStore.fromPem(makeAuthority('Another Root').certificate.pem)
    const caller = (changes: object, name: string): string => {
      const found = explained([makeLeaf(changes, makeAuthority('Far Root')).certificate], {
        trust: alone,
        name,
      })
      assert.match(found.code ?? '', /untrusted-root|missing-intermediate/)
      assert.equal(found.clients.length, 8)
      assert.ok(found.clients.every(({ ok }) => !ok))
      return found.fixes.caller?.text ?? ''
    }
    assert.match(caller({}, 'other.test'), /will not do: the certificate is not for other\.test$/)
    const ended = { notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01') }
    assert.match(caller(ended, 'localhost'), /will not do: the certificate ended on 2021-01-01/)
    assert.doesNotMatch(caller({}, 'localhost'), /will not do/)
  })

  it('says how long ago it ended, by which clock', () => {
    const notAfter = new Date('2026-06-01T12:00:00Z')
    const notBefore = new Date('2026-05-01T00:00:00Z')
    const [long, short] = [
      { notBefore, notAfter: new Date('2030-01-01') },
      { notBefore, notAfter },
    ]
    const old = makeAuthority('Clock Root', undefined, long)
    const { certificate } = makeLeaf(short, old)
    const found = explained([certificate], {
      trust: TrustStore.fromDer(old.certificate.der),
      name: undefined,
      time: new Date('2026-06-01T15:12:10Z'),
    })
    assert.equal(
      found.message,
      'api.corp.internal:8443: CN=localhost ended 3 h 12 min ago by this clock, on 2026-06-01T12:00:00.000Z',
    )
    assert.deepEqual(found.clock, { local: '2026-06-01T15:12:10.000Z' })
    if (found.brokenLink?.code !== 'expired') assert.fail('not expired')
    assert.equal(found.brokenLink.facts.differenceMs, (3 * 60 + 12) * 60_000 + 10_000)
  })

  it('believes what was said, and finds the facts behind it', () => {
    const { certificate } = makeLeaf({}, makeAuthority('Somebody Issuing'))
    const found = explained([certificate], { code: 'untrusted-root' })
    assert.equal(found.code, 'missing-intermediate')
    const unknown = explained([certificate], { code: 'weak-crypto', message: 'EE key too small' })
    assert.equal(unknown.code, 'weak-crypto')
    assert.equal(unknown.message, 'api.corp.internal:8443: EE key too small')
    assert.equal(unknown.brokenLink, undefined)
  })

  it('goes on without a certificate, and with one that cannot be read', () => {
    const nothing = explained([], { code: 'reset' })
    assert.equal(nothing.code, 'reset')
    assert.deepEqual(nothing.chain, [])
    const garbage = explainChain({ chain: [Uint8Array.of(1, 2, 3)], trust })
    assert.equal(garbage.ok, false)
    assert.match(garbage.notes.join(), /1 of the 1 .* cannot be read/)
  })

  it('refuses a misspelt option', () => {
    const misspelt = { chain: [], trust, nmae: 'x' }
    assert.throws(() => explainChain(misspelt), { code: 'option-unknown' })
  })

  it('is JSON, with dates and numbers of any length', () => {
    const { certificate } = makeLeaf({}, root)
    const crl = authority.crl()
    const found = explained([certificate], { crls: [crl.der], name: undefined })
    assert.equal(found.code, 'crl-missing')
    const text = JSON.stringify(explanationToJson(found))
    assert.deepEqual(JSON.parse(text), explanationToJson(found))
    assert.equal(JSON.parse(text).brokenLink.code, 'crl-missing')
  })
})

describe('the commands of an explanation', () => {
  it('are quoted, and hold no name that a shell or a command line could take for something else', () => {
    const hostile = [
      '--force',
      '$(id)',
      '`id`',
      "a'b",
      'a;b',
      '*.ok.example',
      'x y',
      '-rf',
      'ok.example',
    ]
    const { certificate } = makeLeaf(
      {
        subjectAltNames: hostile.map((value) => ({
          type: 'uri',
          value: `x:${encodeURIComponent(value)}`,
        })),
      },
      root,
    )
    const found = explained([leafNamed('*.ok.example', 'ok.example'), certificate])
    assert.equal(
      found.fixes.owner?.command,
      "countersign issue api.corp.internal '*.ok.example' ok.example --out .",
    )
    // Whether the name leads there nobody has looked up.
    assert.match(found.fixes.caller?.text ?? '', /as ok\.example$/)
    assert.equal(found.fixes.caller?.command, undefined)
  })

  it('are left out where a terminal would obey what is pasted', () => {
    const found = explained([], {
      code: 'not-tls',
      target: { host: 'a\u001b[201~; id', port: 1 },
    })
    assert.equal(found.fixes.caller?.command, undefined)
    assert.doesNotMatch(found.message, UNPRINTABLE)
  })

  it('nothing of a certificate reaches a terminal as it is', () => {
    const words = Buffer.from('evil\u001b]0;title\u0007\u202e')
    // A name of one attribute, the common name, by hand: the builder refuses it.
    const name = [6, 3, 0x55, 4, 3, 12, words.length, ...words]
    const pair = [0x31, name.length + 2, 0x30, name.length, ...name]
    const subject = Name.fromDer(Uint8Array.of(0x30, pair.length, ...pair))
    const { certificate } = makeLeaf({ subject, issuer: subject })
    const found = explained([certificate])
    assert.doesNotMatch(Object.values(strings(explanationToJson(found))).join(), UNPRINTABLE)
  })
})

describe('the explanation of an error', () => {
  it('is made when it is first read, and once', () => {
    let made = 0
    const explanation = explained([leafNamed('other.example')])
    const error = new TlsError('name-mismatch', 'another name', {
      explain: () => {
        made += 1
        return explanation
      },
    })
    assert.equal(JSON.stringify(error).includes('brokenLink'), false)
    assert.match(String(error), /another name/)
    assert.equal(made, 0)
    assert.equal(error.explanation, explanation)
    assert.equal(error.explanation, explanation)
    assert.equal(made, 1)
  })

  it('has the chain, the broken link and the fixes of a connection that failed', async () => {
    const stranger = makeAuthority('Stranger')
    await using server = await startServer()
    const context = createDefaultContext({ ca: stranger.certificate })
    const error = await failureOf(() => connectTo(server, { context, serverName: 'localhost' }))
    const { explanation } = error
    assert.equal(explanation?.code, error.code)
    assert.equal(explanation.code, 'untrusted-root')
    assert.equal(explanation.brokenLink?.position, 1)
    assert.equal(explanation.target.port, server.port)
    assert.equal(shape(explanation.chain).length, 2)
    assert.match(explanation.fixes.caller?.text ?? '', /--ca/)
  })

  it('agrees with the code of every connection that failed', async () => {
    for (const { chain, key } of [
      { chain: [localhost.certificate], key: localhost.key },
      { chain: [localhost.certificate, authority.issuer], key: localhost.key },
    ]) {
      await using server = await serveChain(chain, key)
      const error = await failureOf(() =>
        connect({
          host: '127.0.0.1',
          port: server.port,
          serverName: 'else.example',
          context: createDefaultContext({ ca: authority.rootPem }),
        }),
      )
      assert.equal(error.explanation?.code, error.code)
    }
  })

  it('tells a server which client certificate it refused', async () => {
    const old = authority.issue({
      names: ['late'],
      client: true,
      notBefore: new Date(Date.now() - 9 * DAY),
      notAfter: new Date(Date.now() - 2 * DAY),
    })
    await using server = await startServer(undefined, {
      context: serverContext({
        ca: authority.rootPem + authority.issuerPem,
        clientCertificates: 'ask',
      }),
    })
    const context = createDefaultContext({
      ca: authority.rootPem,
      cert: old.chainPem,
      key: old.keyPem,
    })
    // In TLS 1.3 the client may be done before the server looks.
    const socket = await connectTo(server, { context }).catch(() => undefined)
    const error = await server.refusal
    await socket?.close()
    assert.equal(error.code, 'expired')
    assert.equal(error.explanation?.code, 'expired')
    assert.match(error.explanation.message, /CN=late ended 2 d ago/)
    assert.match(
      error.explanation.fixes.owner?.command ?? '',
      /^countersign issue late --client --out \.$/,
    )
  })
})

const UNPRINTABLE = /[\p{Cc}\p{Cf}]/u

/** Every text within, by its path. */
function strings(value: unknown, path = ''): Record<string, string> {
  if (typeof value === 'string') return { [path]: value }
  if (typeof value !== 'object' || value === null) return {}
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, member]) => strings(member, `${path}.${key}`)),
  )
}
