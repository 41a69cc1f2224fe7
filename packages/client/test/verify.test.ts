import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { del, get, OptionError, Session, TrustError, type TrustOptions } from '@countersign/client'
import { scrubProcess, temporaryFolder, testAuthority } from '@countersign/testkit'
import { createDefaultContext, TrustStore } from '@countersign/tls'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'
import { asGiven, failureOf } from './failures.ts'
import { sendJson, startServer, type TestServer, warningsOf } from './servers.ts'

scrubProcess()
const ours = testAuthority()
const foreign = testAuthority()
const folder = temporaryFolder(after)
const roots = ours.write(folder).roots
const leaf = ours.issue({ names: ['localhost', '127.0.0.1'] })
let server: TestServer

before(async () => {
  server = await startServer(
    (request, response) => sendJson(response, { method: request.method, url: request.url }),
    { key: leaf.keyPem, cert: leaf.chainPem },
  )
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

describe('C1: get(url) with default trust', () => {
  it('fails against an internal site with an error that says why and what to do', async () => {
    const error = await failureOf(get(`${server.url}/api`))
    assert.ok(error instanceof TrustError)
    assert.equal(error.code, 'untrusted-root')
    assert.equal(error.nodeCode, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY')
    assert.equal(error.host, 'localhost')
    assert.match(error.message, /Test Issuer/)
    assert.match(error.message, /trusted certificates/)
    assert.match(error.hint ?? '', /ca/)
    assert.doesNotMatch(error.hint ?? '', /verify: ?false|rejectUnauthorized/)
    assert.equal(error.certificate?.subject, 'CN=localhost')
    assert.equal(error.chain.length, 2)
    assert.ok((error.trust?.count ?? 0) > 50)
    assert.ok(error.cause instanceof Error)
    assert.equal(server.seen.length, 0, 'nothing was sent')
  })

  it('says all of it in JSON as well', async () => {
    const error = await failureOf(get(`${server.url}/api?token=hidden`))
    const json: unknown = JSON.parse(JSON.stringify(error))
    assert.ok(typeof json === 'object' && json !== null)
    assert.ok('code' in json && 'hint' in json && 'certificate' in json && 'trust' in json)
    assert.doesNotMatch(JSON.stringify(json), /hidden/)
  })
})

describe('C2: verify: false', () => {
  it('connects and warns once for the origin, with the fix', async () => {
    const warnings = await warningsOf('CountersignInsecure', async () => {
      for (let count = 0; count < 3; count++) {
        const response = await get(server.url, { verify: false })
        assert.equal(response.status, 200)
        assert.equal(response.peer.verified, false)
        await response.close()
      }
    })
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', new RegExp(`${server.url} are not verified`))
    assert.match(warnings[0] ?? '', /verify: '\/path/)
  })

  it('is silent only when told so', async () => {
    await using quiet = await startServer((_request, response) => sendJson(response, 1), {
      key: leaf.keyPem,
      cert: leaf.chainPem,
    })
    const warnings = await warningsOf('CountersignInsecure', () =>
      get(quiet.url, { verify: false, warnInsecure: false }),
    )
    assert.deepEqual(warnings, [])
  })

  it('never lends its connection to a verified call', async () => {
    await using session = new Session()
    await (await session.get(server.url, { verify: false, warnInsecure: false })).text()
    const error = await failureOf(session.get(server.url))
    assert.equal(error.code, 'untrusted-root')
    await using trusting = new Session({ verify: false, warnInsecure: false })
    await (await trusting.get(server.url)).text()
    assert.equal(
      (await failureOf(trusting.get(server.url, { verify: true }))).code,
      'untrusted-root',
    )
  })

  it('is not stopped by a broken variable', async () => {
    await withEnvironment({ SSL_CERT_FILE: '/nowhere.pem' }, async () => {
      await using session = new Session()
      assert.ok((await session.get(server.url, { verify: false, warnInsecure: false })).ok)
    })
  })
})

const shapes: readonly (readonly [string, () => TrustOptions])[] = [
  ['verify: a file', () => ({ verify: roots })],
  ['verify: a folder', () => ({ verify: folderOf('only-roots', { 'ours.pem': ours.rootPem }) })],
  ['verify: a TrustStore', () => ({ verify: TrustStore.fromFile(roots) })],
  ['verify: a TlsContext', () => ({ verify: createDefaultContext({ ca: roots }) })],
  ['ca: a path', () => ({ ca: roots })],
  ['ca: PEM text', () => ({ ca: ours.rootPem })],
  ['ca: DER bytes', () => ({ ca: ours.root.der })],
  ['ca: a list', () => ({ ca: [foreign.rootPem, ours.root] })],
  ['extraCa: a path', () => ({ extraCa: roots })],
  ['verify: true with ca', () => ({ verify: true, ca: roots })],
  [
    'verify: a file with extraCa',
    () => ({ verify: folderOf('other', { 'a.pem': foreign.rootPem }), extraCa: roots }),
  ],
]

describe('C5, C7: every shape of verify, on calls and on sessions', () => {
  for (const [name, options] of shapes) {
    it(`${name} on a call`, async () => {
      const response = await get(`${server.url}/call`, options())
      assert.equal(response.status, 200)
      assert.ok(response.peer.verified)
      assert.equal(response.peer.certificate?.fingerprint, leaf.certificate.fingerprint)
      assert.equal(response.peer.protocol, 'TLSv1.3')
      assert.match(response.peer.cipher ?? '', /^TLS_/)
      assert.deepEqual(await response.json(), { method: 'GET', url: '/call' })
    })

    it(`${name} on a session`, async () => {
      await using session = new Session(options())
      assert.equal((await session.get(`${server.url}/session`)).status, 200)
    })
  }

  const wrong: typeof shapes = [
    ['verify: a file', () => ({ verify: folderFile('foreign.pem', foreign.rootPem) })],
    ['verify: a folder', () => ({ verify: folderOf('foreign', { 'a.pem': foreign.rootPem }) })],
    ['verify: a TrustStore', () => ({ verify: TrustStore.fromPem(foreign.rootPem) })],
    ['verify: a TlsContext', () => ({ verify: createDefaultContext({ ca: foreign.rootPem }) })],
    ['ca', () => ({ ca: foreign.rootPem })],
    ['extraCa', () => ({ extraCa: foreign.rootPem })],
    ['verify: true', () => ({ verify: true })],
  ]
  for (const [name, options] of wrong) {
    it(`refuses with ${name} of somebody else, on a call and on a session`, async () => {
      const onCall = await failureOf(get(server.url, options()))
      assert.ok(onCall instanceof TrustError)
      assert.equal(onCall.code, 'untrusted-root')
      await using session = new Session(options())
      const onSession = await failureOf(session.get(server.url))
      assert.equal(onSession.code, 'untrusted-root')
    })
  }

  it('shares one connection between calls with equal trust, and none with other trust', async () => {
    await using counted = await startServer((_request, response) => sendJson(response, 1), {
      key: leaf.keyPem,
      cert: leaf.chainPem,
    })
    await using session = new Session()
    for (const verify of [roots, roots, roots]) {
      await (await session.get(counted.url, { verify })).text()
    }
    assert.equal(counted.connections, 1)
    await (await session.get(counted.url, { ca: [ours.rootPem, foreign.rootPem] })).text()
    assert.equal(counted.connections, 2)
  })

  it('reads a bundle again when the file was replaced', async () => {
    const file = path.join(folder, 'replaced.pem')
    await writeFile(file, ours.rootPem)
    await using session = new Session()
    assert.ok((await session.get(server.url, { verify: file })).ok)
    await writeFile(`${file}.new`, foreign.rootPem)
    await rename(`${file}.new`, file)
    assert.equal(
      (await failureOf(session.get(server.url, { verify: file }))).code,
      'untrusted-root',
    )
  })

  it('describes the trust of a session', () => {
    const session = new Session({ ca: roots, extraCa: foreign.rootPem })
    const description = session.trust.describe()
    assert.equal(description.count, 2)
    assert.match(description.trace.join('\n'), /option ca/)
  })
})

describe('C5: a pinned self-signed certificate', () => {
  it('is trusted when it is the bundle, and refused by name when it is not', async () => {
    const pinned = selfSigned('localhost')
    await using own = await startServer((_request, response) => sendJson(response, 'pinned'), {
      key: pinned.keyPem,
      cert: pinned.certPem,
    })
    const file = folderFile('pubkey.pem', pinned.certPem)
    assert.equal(await (await get(own.url, { verify: file })).json(), 'pinned')
    const error = await failureOf(get(own.url, { verify: roots }))
    assert.equal(error.code, 'self-signed')
    assert.match(error.message, /1 certificate from option/)
  })
})

describe('what is wrong with a server is said by name', () => {
  const faults: readonly (readonly [
    string,
    string | RegExp,
    RegExp,
    () => Parameters<typeof startServer>[1],
  ])[] = [
    [
      'another name',
      'name-mismatch',
      /not for localhost, but for DNS:elsewhere\.corp/,
      () => pair(ours.issue({ names: ['elsewhere.corp'] })),
    ],
    [
      'an expired certificate',
      'expired',
      /ended on 2024-02-01T00:00:00\.000Z/,
      () =>
        pair(
          ours.issue({
            names: ['localhost'],
            notBefore: new Date('2024-01-01T00:00:00Z'),
            notAfter: new Date('2024-02-01T00:00:00Z'),
          }),
        ),
    ],
    [
      'a certificate that is not valid yet',
      'not-yet-valid',
      /begins on/,
      () =>
        pair(
          ours.issue({
            names: ['localhost'],
            notBefore: new Date(Date.now() + 86_400_000),
            notAfter: new Date(Date.now() + 2 * 86_400_000),
          }),
        ),
    ],
    [
      'a missing intermediate',
      /^(?:missing-intermediate|untrusted-root)$/,
      /issued by CN=Test Issuer/,
      () => ({ key: leaf.keyPem, cert: leaf.certPem }),
    ],
    [
      'the certificate of a client',
      'wrong-purpose',
      /use/,
      () => pair(ours.issue({ names: ['localhost'], client: true })),
    ],
  ]
  for (const [name, code, message, secure] of faults) {
    it(name, async () => {
      await using faulty = await startServer(
        (_request, response) => sendJson(response, 1),
        secure(),
      )
      const error = await failureOf(get(faulty.url, { ca: roots }))
      assert.ok(error instanceof TrustError, error.message)
      if (code instanceof RegExp) assert.match(error.code, code)
      else assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.ok(error.hint !== undefined && !/verify: ?false/.test(error.hint))
      assert.equal(faulty.seen.length, 0)
    })
  }

  it('a root made again under its old name', async () => {
    const again = buildCertificate(
      {
        subject: ours.root.subject,
        issuer: ours.root.subject,
        publicKey: foreign.rootKey.publicKey,
        notBefore: ours.root.notBefore,
        notAfter: ours.root.notAfter,
        ca: {},
        keyUsage: ['keyCertSign', 'cRLSign'],
      },
      foreign.rootKey.signer(),
    )
    const error = await failureOf(get(server.url, { ca: again.pem }))
    assert.ok(error instanceof TrustError)
    assert.equal(error.code, 'key-mismatch')
  })
})

describe('C3: an environment variable names the bundle for all calls', () => {
  const variables = [
    'COUNTERSIGN_CA',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'REQUESTS_CA_BUNDLE',
    'CURL_CA_BUNDLE',
    'NODE_EXTRA_CA_CERTS',
  ] as const
  const garbage = folderFile('garbage.pem', 'hello')
  const valueFor = (variable: string, content: string, name: string): string =>
    variable === 'SSL_CERT_DIR'
      ? folderOf(`dir-${name}`, { 'a.pem': content })
      : folderFile(`${name}.pem`, content)

  for (const variable of variables) {
    describe(variable, () => {
      it('set: believed, by functions and by sessions', async () => {
        await withEnvironment(
          { [variable]: valueFor(variable, ours.rootPem, `set-${variable}`) },
          async () => {
            assert.ok((await get(server.url)).ok)
            await using session = new Session()
            assert.ok((await session.get(server.url)).ok)
          },
        )
        assert.equal(
          (await failureOf(get(server.url))).code,
          'untrusted-root',
          'and only while it is set',
        )
      })

      it('empty: as if it were not set', async () => {
        await withEnvironment({ [variable]: '' }, async () => {
          assert.equal((await failureOf(get(server.url))).code, 'untrusted-root')
        })
      })

      it('missing: an error that names variable and path', async () => {
        const missing = path.join(folder, `missing-${variable}`)
        await withEnvironment({ [variable]: missing }, async () => {
          const error = await failureOf(get(server.url))
          assert.ok(error instanceof OptionError)
          assert.equal(error.code, 'ca-missing')
          assert.match(error.message, new RegExp(`${variable}.*missing-${variable}`))
        })
      })

      it('garbage: an error that names variable and path', async () => {
        const value =
          variable === 'SSL_CERT_DIR' ? folderOf('dir-garbage', { 'a.pem': 'hello' }) : garbage
        await withEnvironment({ [variable]: value }, async () => {
          const error = await failureOf(get(server.url))
          assert.ok(error instanceof OptionError)
          assert.match(error.code, /^ca-(malformed|empty)$/)
          assert.ok(
            error.message.includes(variable) && error.message.includes(value),
            error.message,
          )
        })
      })

      it('loses to the call and to the session', async () => {
        await withEnvironment(
          { [variable]: valueFor(variable, foreign.rootPem, `beaten-${variable}`) },
          async () => {
            assert.ok((await get(server.url, { verify: roots })).ok)
            assert.ok((await get(server.url, { ca: roots })).ok)
            await using session = new Session({ ca: roots })
            assert.ok((await session.get(server.url)).ok)
            await using pinned = new Session({ ca: foreign.rootPem })
            assert.ok(
              (await pinned.get(server.url, { verify: roots })).ok,
              'the call beats the session',
            )
            assert.equal((await failureOf(pinned.get(server.url))).code, 'untrusted-root')
          },
        )
        await withEnvironment(
          { [variable]: valueFor(variable, ours.rootPem, `set-${variable}`) },
          async () => {
            assert.equal(
              (await failureOf(get(server.url, { ca: foreign.rootPem }))).code,
              'untrusted-root',
            )
            await using session = new Session({ verify: TrustStore.fromPem(foreign.rootPem) })
            assert.equal((await failureOf(session.get(server.url))).code, 'untrusted-root')
          },
        )
      })

      it('even broken, it does not matter to code that says whom to trust', async () => {
        await withEnvironment({ [variable]: path.join(folder, 'nowhere') }, async () => {
          assert.ok((await get(server.url, { verify: roots })).ok)
        })
      })

      it('is not read with trustEnvironment: false', async () => {
        await withEnvironment(
          { [variable]: valueFor(variable, ours.rootPem, `set-${variable}`) },
          async () => {
            await using session = new Session({ trustEnvironment: false })
            assert.equal((await failureOf(session.get(server.url))).code, 'untrusted-root')
          },
        )
      })
    })
  }

  it('extraCa adds to what the environment names', async () => {
    await withEnvironment({ SSL_CERT_FILE: folderFile('f.pem', foreign.rootPem) }, async () => {
      assert.ok((await get(server.url, { extraCa: roots })).ok)
    })
  })
})

describe('C4: your own root added to the default bundle', () => {
  it('extraCa keeps every default root', () => {
    const store = new Session({ extraCa: roots }).trust
    assert.ok(store.has(ours.root.fingerprint))
    assert.equal(store.size, new Session().trust.size + 1)
  })
})

describe('sources that are not usable are refused at construction', () => {
  const empty = folderFile('empty.pem', '')
  const cases: readonly (readonly [string, object, string, RegExp])[] = [
    [
      'verify: a missing path',
      { verify: '/nowhere/roots.pem' },
      'ca-missing',
      /option verify.*\/nowhere\/roots\.pem/,
    ],
    [
      'ca: a missing path',
      { ca: '/nowhere/roots.pem' },
      'ca-missing',
      /option ca.*\/nowhere\/roots\.pem/,
    ],
    ['ca: an empty file', { ca: empty }, 'ca-empty', /empty\.pem/],
    ['ca: garbage', { ca: folderFile('hello.pem', 'hello') }, 'ca-malformed', /hello\.pem/],
    ['ca: an empty list', { ca: [] }, 'ca-empty', /ca/],
    ['cert without key', { cert: leaf.chainPem, ca: roots }, 'cert-without-key', /cert/],
    ['key without cert', { key: leaf.keyPem, ca: roots }, 'key-without-cert', /key/],
    [
      'a key of another certificate',
      { cert: leaf.chainPem, key: foreign.rootKey.toPem(), ca: roots },
      'key-mismatch',
      /key/,
    ],
    [
      'an encrypted key without its passphrase',
      {
        cert: leaf.chainPem,
        key: leaf.key.toPem({ passphrase: 'x', iterations: 1000 }),
        ca: roots,
      },
      'passphrase-required',
      /key/,
    ],
    [
      'an encrypted key with another passphrase',
      {
        cert: leaf.chainPem,
        key: leaf.key.toPem({ passphrase: 'x', iterations: 1000 }),
        passphrase: 'y',
        ca: roots,
      },
      'passphrase-wrong',
      /./,
    ],
    ['verify: a number', { verify: 1 }, 'option-invalid', /verify must be/],
    ['verify: an empty string', { verify: '' }, 'option-invalid', /verify must be/],
    ['verify: null', { verify: null }, 'option-invalid', /verify must be/],
    [
      'verify: a TLS context of a server',
      {
        verify: createDefaultContext({
          purpose: 'client-auth',
          cert: leaf.chainPem,
          key: leaf.keyPem,
        }),
      },
      'option-invalid',
      /server/,
    ],
    ['verify: false with ca', { verify: false, ca: roots }, 'option-conflict', /contradict/],
    ['verify: a path with ca', { verify: roots, ca: roots }, 'option-conflict', /contradict/],
    ['a misspelt option', { verfy: roots }, 'option-unknown', /verfy/],
  ]
  for (const [name, options, code, message] of cases) {
    it(name, async () => {
      assert.throws(
        () => new Session(options),
        (error) =>
          error instanceof OptionError && error.code === code && message.test(error.message),
      )
      const error = await failureOf(del(server.url, options))
      assert.ok(error instanceof OptionError)
      assert.equal(error.code, code)
    })
  }

  it('a misspelt option comes with the one that was probably meant', () => {
    assert.throws(() => new Session(asGiven({ verfy: roots })), { hint: 'did you mean "verify"?' })
  })
})

function pair(identity: ReturnType<typeof ours.issue>): { key: string; cert: string } {
  return { key: identity.keyPem, cert: identity.chainPem }
}

function selfSigned(name: string): { certPem: string; keyPem: string } {
  const key = PrivateKey.generateSync('p256')
  const subject = Name.from({ commonName: name })
  const certificate = buildCertificate(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 86_400_000),
      subjectAltNames: [{ type: 'dns', value: name }],
    },
    key.signer(),
  )
  return { certPem: certificate.pem, keyPem: key.toPem() }
}

function folderFile(name: string, content: string): string {
  const file = path.join(folder, name)
  writeFileSync(file, content)
  return file
}

function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  const made = path.join(folder, name)
  mkdirSync(made, { recursive: true })
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(made, file), content)
  return made
}

async function withEnvironment(
  variables: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  Object.assign(process.env, variables)
  try {
    await work()
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name]
  }
}

describe('what a call says about trust, over what its session says', () => {
  it('"only these" is not widened by the extraCa of the session', async () => {
    await using session = new Session({ extraCa: roots })
    assert.ok((await session.get(server.url)).ok)
    for (const only of [{ ca: foreign.rootPem }, { verify: TrustStore.fromPem(foreign.rootPem) }]) {
      assert.equal((await failureOf(session.get(server.url, only))).code, 'untrusted-root')
    }
    assert.ok((await session.get(server.url, { ca: foreign.rootPem, extraCa: roots })).ok)
  })

  it('extraCa is looked at, also where the session says verify: false', async () => {
    await using session = new Session({ verify: false, warnInsecure: false })
    const error = await failureOf(session.get(server.url, { extraCa: foreign.rootPem }))
    assert.equal(error.code, 'untrusted-root')
    const response = await session.get(server.url, { extraCa: roots })
    assert.equal(response.peer.verified, true)
    assert.equal((await session.get(server.url)).peer.verified, false)
  })

  it('a path that no system takes is refused by name', async () => {
    const long = 'x'.repeat(5000)
    for (const [options, code] of [
      [{ verify: 'a\0b' }, 'ca-missing'],
      [{ ca: long }, 'ca-missing'],
      [{ extraCa: `${folder}/${long}` }, 'ca-missing'],
      [{ cert: long }, 'cert-missing'],
      [{ cert: leaf.certPem, key: 'a\0b' }, 'key-missing'],
    ] as const) {
      assert.equal((await failureOf(get(server.url, options))).code, code)
    }
  })
})
