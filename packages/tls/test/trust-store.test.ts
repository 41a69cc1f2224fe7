import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { getCACertificates } from 'node:tls'
import { CoreError } from '@countersign/core'
import { type TestAuthority, temporaryFolder, testAuthority } from '@countersign/testkit'
import { TrustStore } from '@countersign/tls'
import { buildCertificate, Name } from '@countersign/x509'
import { authority, failureOf } from './support.ts'

const other: TestAuthority = testAuthority()

function write(folder: string, name: string, data: string | Uint8Array): string {
  const file = path.join(folder, name)
  writeFileSync(file, data)
  return file
}

function digestOf(pem: string): string {
  return TrustStore.fromPem(pem).sha256
}

describe('TrustStore', () => {
  it('reads a file of several PEM blocks and counts each certificate once', (t) => {
    const file = write(
      temporaryFolder(t),
      'roots.pem',
      `# a comment\n${authority.rootPem}\n${other.rootPem}\n${authority.rootPem}`,
    )
    const store = TrustStore.fromFile(file)
    assert.equal(store.size, 2)
    assert.equal(store.certificates.length, 2)
    assert.ok(store.has(authority.root.fingerprint))
    assert.ok(store.has(authority.root.fingerprint.toUpperCase().replace(/..\B/g, '$&:')))
    assert.ok(!store.has(authority.issuer.fingerprint))
    assert.deepEqual(
      store.describe().sources.map(({ kind, path: from, count }) => ({ kind, from, count })),
      [{ kind: 'file', from: file, count: 3 }],
    )
  })

  it('reads DER, PEM, certificates, stores and lists of them', (t) => {
    const der = write(temporaryFolder(t), 'root.cer', authority.root.der)
    assert.equal(TrustStore.fromFile(der).size, 1)
    const store = TrustStore.resolve({
      ca: [
        der,
        other.rootPem,
        authority.issuer,
        other.issuer.der,
        TrustStore.fromPem(other.rootPem),
      ],
      env: false,
    })
    assert.equal(store.size, 4)
    assert.deepEqual(
      store.describe().sources.map(({ kind }) => kind),
      ['file', 'pem', 'certificate', 'der', 'pem'],
    )
  })

  it('reads *.pem, *.crt, *.cer and hashed names of a folder, and passes keys, folders and dead links over', (t) => {
    const folder = temporaryFolder(t)
    write(folder, 'a.pem', authority.rootPem)
    write(folder, 'b.CRT', other.rootPem)
    write(folder, 'c.cer', authority.issuer.der)
    write(folder, '9d66eef0.0', other.issuerPem)
    write(folder, 'server-key.pem', authority.issue({ names: ['x.test'] }).keyPem)
    write(folder, 'notes.txt', 'hello')
    mkdirSync(path.join(folder, 'more.pem'))
    symlinkSync(path.join(folder, 'gone'), path.join(folder, 'dead.pem'))
    symlinkSync(path.join(folder, 'a.pem'), path.join(folder, 'abcdef01.0'))
    assert.equal(TrustStore.fromFolder(folder).size, 4)
    assert.equal(TrustStore.resolve({ ca: folder, env: false }).size, 4)
  })

  it('reads roots.pem of a data folder and nothing else there', async (t) => {
    const folder = temporaryFolder(t)
    write(folder, 'roots.pem', authority.rootPem)
    write(folder, 'issuer.key', 'encrypted')
    write(folder, 'server.crt', authority.issue({ names: ['x.test'] }).certPem)
    assert.equal(TrustStore.fromDataFolder(folder).size, 1)
    const { sources } = TrustStore.resolve({ ca: folder, env: false }).describe()
    assert.deepEqual(
      sources.map(({ kind, count }) => ({ kind, count })),
      [{ kind: 'data-folder', count: 1 }],
    )
    const error = await failureOf(() => TrustStore.fromDataFolder(path.join(folder, 'none')))
    assert.equal(error.code, 'ca-missing')
    assert.match(error.hint ?? '', /countersign init/)
  })

  it('holds the roots of the system and of Node, each once, all readable', () => {
    const store = TrustStore.resolve({ env: {} })
    const bundled = TrustStore.bundled()
    assert.equal(bundled.size, getCACertificates('bundled').length)
    assert.equal(new Set(store.certificates.map((one) => one.fingerprint)).size, store.size)
    for (const certificate of bundled.certificates) assert.ok(store.has(certificate.fingerprint))
    for (const certificate of store.certificates) {
      assert.notEqual(certificate.subject.toString(), '')
      assert.ok(certificate.notAfter > certificate.notBefore)
    }
    assert.deepEqual(
      store.describe().sources.map(({ kind }) => kind),
      ['system', 'bundled'],
    )
    assert.equal(TrustStore.resolve({ env: {} }), store, 'the default is made once')
  })

  it('has the same digest for the same set, whatever its order and sources', () => {
    const one = TrustStore.resolve({ ca: [authority.rootPem, other.rootPem], env: false })
    const two = TrustStore.fromPem(other.rootPem).merge(TrustStore.fromPem(authority.rootPem))
    assert.equal(one.describe().sha256, two.describe().sha256)
    assert.notEqual(one.sha256, TrustStore.fromPem(other.rootPem).sha256)
    assert.match(one.sha256, /^[0-9a-f]{64}$/)
    assert.equal(TrustStore.fromPem(one.toPem()).sha256, one.sha256)
  })

  it('finds candidates for an issuer by name', () => {
    const store = TrustStore.resolve({ ca: [authority.rootPem, other.rootPem], env: false })
    assert.deepEqual(
      store.findBySubject(authority.issuer.issuer).map((one) => one.fingerprint),
      [authority.root.fingerprint],
    )
    assert.deepEqual(store.findBySubject(authority.issuer.subject), [])
  })

  it('finds an issuer whose name is written in another way, as OpenSSL does', () => {
    const { publicKey } = authority.rootKey
    const { notBefore, notAfter } = authority.root
    const validity = { publicKey, notBefore, notAfter, ca: {} }
    const subject = Name.fromAttributes([
      [{ type: 'commonName', value: 'The  ROOT', encoding: 'printable' }],
    ])
    const root = buildCertificate(
      { subject, issuer: subject, ...validity },
      authority.rootKey.signer(),
    )
    const store = TrustStore.fromDer(root.der)
    assert.equal(store.findBySubject(Name.from({ commonName: 'the root' })).length, 1)
    assert.equal(store.findBySubject(Name.from({ commonName: 'the roots' })).length, 0)
  })

  it('gives the same frozen list and the same index at every call, to a store made from it too', () => {
    const store = TrustStore.fromPem(authority.rootPem + other.rootPem)
    assert.ok(Object.isFrozen(store.certificates))
    assert.equal(store.certificates, store.certificates)
    const again = TrustStore.resolve({ ca: store, env: false })
    assert.equal(again.certificates, store.certificates)
    assert.equal(again.anchors, store.anchors)
    assert.equal(store.anchors.size, 2)
    const more = TrustStore.resolve({ ca: store, extraCa: other.issuer, env: false })
    assert.equal(more.size, 3)
    assert.equal(store.size, 2)
  })
})

describe('TrustStore.resolve', () => {
  it('lets code beat the environment, and says so', (t) => {
    const folder = temporaryFolder(t)
    const file = write(folder, 'other.pem', other.rootPem)
    const store = TrustStore.resolve({
      ca: authority.rootPem,
      env: { SSL_CERT_FILE: file, CURL_CA_BUNDLE: file, NODE_EXTRA_CA_CERTS: file },
    })
    assert.equal(store.sha256, digestOf(authority.rootPem))
    assert.deepEqual(store.describe().trace, [
      'option ca: 1 certificate',
      'option ca beat SSL_CERT_FILE',
      'option ca beat CURL_CA_BUNDLE',
      'option ca beat NODE_EXTRA_CA_CERTS',
    ])
  })

  it('takes the first variable that is set: COUNTERSIGN_CA, SSL_CERT_*, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE', (t) => {
    const folder = temporaryFolder(t)
    const mine = write(folder, 'mine.pem', authority.rootPem)
    const theirs = write(folder, 'theirs.pem', other.rootPem)
    const names = ['COUNTERSIGN_CA', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']
    for (const [index, name] of names.entries()) {
      const env: Record<string, string> = { [name]: mine }
      for (const later of names.slice(index + 1)) env[later] = theirs
      const store = TrustStore.resolve({ env })
      assert.equal(store.sha256, digestOf(authority.rootPem), name)
      const { trace, sources } = store.describe()
      assert.deepEqual(trace, [
        `${name}: 1 certificate`,
        ...names.slice(index + 1).map((later) => `${name} beat ${later}`),
      ])
      assert.deepEqual(sources, [{ kind: 'file', name, path: mine, count: 1 }])
    }
  })

  it('unites SSL_CERT_FILE with every folder of SSL_CERT_DIR', (t) => {
    const folder = temporaryFolder(t)
    const [one, two] = ['one', 'two'].map((name) => path.join(folder, name))
    assert.ok(one !== undefined && two !== undefined)
    mkdirSync(one)
    mkdirSync(two)
    write(one, 'a.pem', other.rootPem)
    write(two, 'b.pem', other.issuerPem)
    const file = write(folder, 'mine.pem', authority.rootPem)
    const store = TrustStore.resolve({
      env: { SSL_CERT_FILE: file, SSL_CERT_DIR: `${one}${path.delimiter}${two}` },
    })
    assert.equal(store.size, 3)
    assert.deepEqual(store.describe().trace, ['SSL_CERT_FILE and SSL_CERT_DIR: 3 certificates'])
    assert.equal(TrustStore.resolve({ env: { SSL_CERT_DIR: two } }).size, 1)
  })

  it('refuses a SSL_CERT_DIR of separators only, which would trust nobody without a word', async () => {
    const value = path.delimiter
    const error = await failureOf(() => TrustStore.resolve({ env: { SSL_CERT_DIR: value } }))
    assert.equal(error.code, 'ca-empty')
    assert.match(error.message, /^SSL_CERT_DIR/)
  })

  it('lets NODE_EXTRA_CA_CERTS and extraCa only ever add', (t) => {
    const folder = temporaryFolder(t)
    const file = write(folder, 'mine.pem', authority.rootPem)
    const extra = write(folder, 'extra.pem', other.rootPem)
    const all = TrustStore.resolve({ env: {} }).size
    assert.equal(TrustStore.resolve({ env: { NODE_EXTRA_CA_CERTS: extra } }).size, all + 1)
    const store = TrustStore.resolve({
      extraCa: authority.issuer,
      env: { SSL_CERT_FILE: file, NODE_EXTRA_CA_CERTS: extra },
    })
    assert.equal(store.size, 3)
    assert.deepEqual(store.describe().trace, [
      'SSL_CERT_FILE: 1 certificate',
      'NODE_EXTRA_CA_CERTS added 1 certificate',
      'option extraCa added 1 certificate',
    ])
    assert.equal(TrustStore.resolve({ extraCa: other.rootPem, env: false }).size, all + 1)
    assert.equal(TrustStore.resolve({ ca: file, extraCa: other.rootPem, env: false }).size, 2)
  })

  it('takes an empty variable as unset, and reads none with env: false', (t) => {
    const file = write(temporaryFolder(t), 'mine.pem', authority.rootPem)
    const env = { COUNTERSIGN_CA: '', SSL_CERT_FILE: '', REQUESTS_CA_BUNDLE: file }
    assert.equal(TrustStore.resolve({ env }).size, 1)
    process.env['REQUESTS_CA_BUNDLE'] = file
    try {
      assert.equal(TrustStore.resolve().size, 1)
      assert.ok(TrustStore.resolve({ env: false }).size > 100)
    } finally {
      delete process.env['REQUESTS_CA_BUNDLE']
    }
  })

  it('is not led astray by SSL_CERT_FILE when it reads the system', (t) => {
    const file = write(temporaryFolder(t), 'mine.pem', authority.rootPem)
    process.env['SSL_CERT_FILE'] = file
    try {
      assert.ok(!TrustStore.resolve({ env: false }).has(authority.root.fingerprint))
    } finally {
      delete process.env['SSL_CERT_FILE']
    }
  })

  for (const name of [
    'COUNTERSIGN_CA',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
    'REQUESTS_CA_BUNDLE',
    'CURL_CA_BUNDLE',
    'NODE_EXTRA_CA_CERTS',
  ]) {
    it(`refuses what ${name} names, if it is missing, empty or garbage, by variable and path`, async (t) => {
      const folder = temporaryFolder(t)
      const missing = path.join(folder, 'nothing')
      const gone = await failureOf(() => TrustStore.resolve({ env: { [name]: missing } }))
      assert.equal(gone.code, 'ca-missing')
      assert.match(gone.message, new RegExp(`${name}.*nothing`))
      assert.equal(gone.source, name)
      assert.equal(gone.path, missing)
      assert.match(gone.hint ?? '', new RegExp(`unset ${name}`))

      const isFolder = name === 'SSL_CERT_DIR'
      const make = (kind: string, content: string): string => {
        const place = isFolder ? path.join(folder, kind) : folder
        if (isFolder) mkdirSync(place)
        const file = write(place, `${kind}.pem`, content)
        return isFolder ? place : file
      }
      for (const [kind, content, code] of [
        ['empty', '', 'ca-empty'],
        ['key', authority.issue({ names: ['x.test'] }).keyPem, 'ca-empty'],
        ['garbage', 'hello, I am no certificate', 'ca-malformed'],
        [
          'broken',
          '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
          'ca-malformed',
        ],
      ] as const) {
        const error = await failureOf(() =>
          TrustStore.resolve({ env: { [name]: make(kind, content) } }),
        )
        assert.equal(error.code, code, kind)
        assert.match(error.message, new RegExp(`${name}.*${kind}`))
        assert.equal(error.source, name)
      }
    })
  }

  it('refuses an empty option, an empty list, garbage text, bytes and types, by the name of the option', async () => {
    for (const [ca, code, words] of [
      ['', 'ca-empty', /option ca is empty/],
      ['  \n', 'ca-empty', /option ca is empty/],
      [[], 'ca-empty', /option ca is empty/],
      [new Uint8Array(), 'ca-empty', /option ca is empty/],
      [TrustStore.empty(), 'ca-empty', /option ca is empty/],
      ['zzz', 'ca-missing', /option ca: there is no file or folder zzz/],
      [[authority.rootPem, ''], 'ca-empty', /option ca is empty/],
      [Uint8Array.of(1, 2, 3), 'ca-malformed', /option ca is neither PEM nor DER/],
      ['-----BEGIN NONSENSE-----', 'ca-malformed', /option ca/],
      [authority.root.der.subarray(0, 100), 'ca-malformed', /option ca/],
    ] as const) {
      const error = await failureOf(() => TrustStore.resolve({ ca, env: false }))
      assert.equal(error.code, code, JSON.stringify(ca))
      assert.match(error.message, words)
    }
    const extra = await failureOf(() => TrustStore.resolve({ extraCa: '', env: false }))
    assert.match(extra.message, /option extraCa is empty/)
    // @ts-expect-error a caller without types
    const wrong = await failureOf(() => TrustStore.resolve({ ca: 42, env: false }))
    assert.equal(wrong.code, 'option-invalid')
  })

  it('refuses a file of more than 128 MiB before it reads it', async (t) => {
    const file = write(temporaryFolder(t), 'huge.pem', authority.rootPem)
    truncateSync(file, 128 * 1024 * 1024 + 1)
    const error = await failureOf(() => TrustStore.resolve({ ca: file, env: false }))
    assert.equal(error.code, 'ca-missing')
    assert.match(error.message, /cannot read .*huge\.pem: it is larger than 128 MiB/)
  })

  it('refuses a file that cannot be read', {
    skip: process.getuid?.() === 0 && 'root reads everything',
  }, async (t) => {
    const file = write(temporaryFolder(t), 'closed.pem', authority.rootPem)
    chmodSync(file, 0)
    const error = await failureOf(() => TrustStore.resolve({ ca: file, env: false }))
    assert.equal(error.code, 'ca-missing')
    assert.equal(error.nodeCode, 'EACCES')
  })

  it('refuses a misspelt option, with the name that was meant', () => {
    assert.throws(
      // @ts-expect-error a caller without types
      () => TrustStore.resolve({ extraCA: authority.rootPem }),
      (error) =>
        error instanceof CoreError &&
        error.code === 'option-unknown' &&
        error.hint === 'did you mean "extraCa"?',
    )
  })
})
