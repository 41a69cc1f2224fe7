import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { getCACertificates } from 'node:tls'
import { CoreError } from '@countersign/core'
import { requireTool, runCommand, temporaryFolder, testAuthority } from '@countersign/testkit'
import { findElsewhere, type Place, type PlacesQuery, TrustStore } from '@countersign/tls'
import { buildCertificate, Certificate, PrivateKey } from '@countersign/x509'
import { authority } from './support.ts'

const other = testAuthority()
/** The root made again: the same name, another key. */
const oldRoot = Certificate.parse(
  buildCertificate(
    {
      subject: authority.root.subject,
      issuer: authority.root.subject,
      publicKey: PrivateKey.generateSync('p256').publicKey,
      notBefore: authority.root.notBefore,
      notAfter: authority.root.notAfter,
      ca: {},
    },
    PrivateKey.generateSync('p256').signer(),
  ).der,
)

function put(folder: string, name: string, data: string | Uint8Array): string {
  const file = path.join(folder, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, data)
  return file
}

/** Looks for the root above the test issuer, on a machine whose home is `home`. */
function search(
  home: string,
  env: Record<string, string> = {},
  more: Partial<PlacesQuery> = {},
): Promise<Place[]> {
  return findElsewhere({
    issuer: authority.issuer.issuer,
    keyId: authority.issuer.authorityKeyId,
    isIssuer: (candidate) => authority.issuer.verifySignature(candidate.publicKey),
    consulted: TrustStore.fromPem(other.rootPem),
    env: { HOME: home, ...env },
    folder: home,
    ...more,
  })
}

describe('findElsewhere', () => {
  const share = '.local/share'
  for (const [kind, name, file, variable, value] of [
    ['data-folder', 'COUNTERSIGN_DATA', 'mine/roots.pem', 'COUNTERSIGN_DATA', 'mine'],
    ['data-folder', 'data folder', 'xdg/countersign/roots.pem', 'XDG_DATA_HOME', 'xdg'],
    ['data-folder', 'data folder', `${share}/countersign/roots.pem`],
    ['mkcert', 'mkcert', 'caroot/rootCA.pem', 'CAROOT', 'caroot'],
    ['mkcert', 'mkcert', 'xdg/mkcert/rootCA.pem', 'XDG_DATA_HOME', 'xdg'],
    ['mkcert', 'mkcert', `${share}/mkcert/rootCA.pem`],
    ['mkcert', 'mkcert', 'Library/Application Support/mkcert/rootCA.pem'],
    ['other', 'roots.pem', 'roots.pem'],
    ['other', 'ca.crt', 'ca.crt'],
    ['other', 'step', '.step/certs/root_ca.crt'],
    ['other', 'step', 'steps/certs/root_ca.crt', 'STEPPATH', 'steps'],
    ['other', 'Caddy', `${share}/caddy/pki/authorities/local/root.crt`],
    ['other', 'minikube', '.minikube/ca.crt'],
    ['environment', 'COUNTERSIGN_CA', 'a.pem', 'COUNTERSIGN_CA', 'a.pem'],
    ['environment', 'COUNTERSIGN_CA', 'folder/a.pem', 'COUNTERSIGN_CA', 'folder'],
    ['environment', 'SSL_CERT_FILE', 'a.pem', 'SSL_CERT_FILE', 'a.pem'],
    ['environment', 'SSL_CERT_DIR', 'b/9d66eef0.0', 'SSL_CERT_DIR', `a${path.delimiter}b`],
    ['environment', 'REQUESTS_CA_BUNDLE', 'a.pem', 'REQUESTS_CA_BUNDLE', 'a.pem'],
    ['environment', 'CURL_CA_BUNDLE', 'a.pem', 'CURL_CA_BUNDLE', 'a.pem'],
    ['environment', 'NODE_EXTRA_CA_CERTS', 'a.pem', 'NODE_EXTRA_CA_CERTS', 'a.pem'],
    ['environment', 'GIT_SSL_CAINFO', 'a.pem', 'GIT_SSL_CAINFO', 'a.pem'],
    ['environment', 'PIP_CERT', 'a.pem', 'PIP_CERT', 'a.pem'],
    ['environment', 'AWS_CA_BUNDLE', 'a.pem', 'AWS_CA_BUNDLE', 'a.pem'],
    ['environment', 'NIX_SSL_CERT_FILE', 'a.pem', 'NIX_SSL_CERT_FILE', 'a.pem'],
    ['environment', 'DENO_CERT', 'a.pem', 'DENO_CERT', 'a.pem'],
  ] as const) {
    it(`finds the root in ${file}${variable === undefined ? '' : `, by ${variable}=${value}`}`, async (t) => {
      const home = temporaryFolder(t)
      const full = put(home, file, other.rootPem + authority.rootPem)
      const places = await search(home, variable === undefined ? {} : { [variable]: value })
      assert.deepEqual(
        places.map((place) => ({ ...place, certificate: place.certificate.fingerprint })),
        [
          {
            kind,
            name,
            path: full,
            certificate: authority.root.fingerprint,
            keyId: authority.root.subjectKeyId,
            ca: full,
            command: undefined,
            sameNameOnly: false,
          },
        ],
      )
      assert.equal(TrustStore.resolve({ ca: full, env: false }).size, 2, 'good for --ca')
    })
  }

  it('finds nothing where nothing is, and reads no variable with env: false', async (t) => {
    const home = temporaryFolder(t)
    assert.deepEqual(await search(home), [])
    put(home, 'elsewhere.pem', authority.rootPem)
    process.env['PIP_CERT'] = path.join(home, 'elsewhere.pem')
    try {
      assert.equal((await search(home, {}, { env: undefined })).length, 1)
      assert.deepEqual(await search(home, {}, { env: false }), [])
    } finally {
      delete process.env['PIP_CERT']
    }
  })

  it('does not answer what was consulted already, nor a certificate of another name', async (t) => {
    const home = temporaryFolder(t)
    put(home, 'roots.pem', authority.rootPem)
    put(home, 'ca.crt', other.rootPem)
    const consulted = TrustStore.fromPem(authority.rootPem)
    assert.deepEqual(await search(home, {}, { consulted }), [])
    assert.equal((await search(home)).length, 1)
  })

  it('keeps a root of the same name with another key apart, behind the right one', async (t) => {
    const home = temporaryFolder(t)
    const old = put(home, '.local/share/countersign/roots.pem', oldRoot.pem)
    const right = put(home, 'bundle.pem', authority.rootPem)
    const both = put(home, 'both.pem', oldRoot.pem + authority.rootPem)
    const places = await search(home, { SSL_CERT_FILE: right, CURL_CA_BUNDLE: both })
    assert.deepEqual(
      places.map(({ path: file, sameNameOnly }) => [file, sameNameOnly]),
      [
        [right, false],
        [both, false],
        [old, true],
      ],
    )
    assert.equal(places[2]?.certificate.fingerprint, oldRoot.fingerprint)
  })

  it('answers one place for a file that several variables and links name', async (t) => {
    const home = temporaryFolder(t)
    const file = put(home, 'bundle.pem', authority.rootPem)
    symlinkSync(file, path.join(home, 'link.pem'))
    const places = await search(home, {
      SSL_CERT_FILE: file,
      REQUESTS_CA_BUNDLE: path.join(home, 'link.pem'),
      PIP_CERT: 'bundle.pem',
    })
    assert.deepEqual(
      places.map(({ name, path: from }) => [name, from]),
      [['SSL_CERT_FILE, REQUESTS_CA_BUNDLE, PIP_CERT', file]],
    )
  })

  it('passes over what it cannot read, and what could not be given to --ca', async (t) => {
    const home = temporaryFolder(t)
    put(home, 'roots.pem', 'hello')
    put(home, 'ca.crt', '')
    put(home, 'huge.pem', `${authority.rootPem}${' '.repeat(9 * 1024 * 1024)}`)
    put(
      home,
      'broken.pem',
      `${authority.rootPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
    )
    symlinkSync('loop.pem', path.join(home, 'loop.pem'))
    symlinkSync('gone', path.join(home, 'dead.pem'))
    mkdirSync(path.join(home, 'folder/inner.pem'), { recursive: true })
    const right = put(home, 'right.pem', authority.rootPem)
    const places = await search(home, {
      COUNTERSIGN_CA: path.join(home, 'none'),
      SSL_CERT_FILE: 'huge.pem',
      SSL_CERT_DIR: `folder${path.delimiter}${path.delimiter}none`,
      REQUESTS_CA_BUNDLE: 'broken.pem',
      CURL_CA_BUNDLE: 'loop.pem',
      AWS_CA_BUNDLE: 'dead.pem',
      GIT_SSL_CAINFO: '\0',
      NIX_SSL_CERT_FILE: '/dev/zero',
      DENO_CERT: 'a'.repeat(100_000),
      PGSSLROOTCERT: 'system',
      PIP_CERT: right,
    })
    assert.deepEqual(
      places.map(({ path: file }) => file),
      [right],
    )
  })

  it('does not wait for the writer of a pipe', async (t) => {
    const mkfifo = requireTool(t, 'mkfifo')
    if (mkfifo === undefined) return
    const home = temporaryFolder(t)
    const pipe = path.join(home, 'roots.pem')
    await runCommand(mkfifo, [pipe])
    put(home, 'ca.crt', authority.rootPem)
    assert.equal((await search(home, { SSL_CERT_FILE: pipe }, { timeoutMs: 0 })).length, 1)
  })

  it('asks for at most 64 signatures, for those of the wanted key first', async (t) => {
    const home = temporaryFolder(t)
    let flood = ''
    for (let count = 0; count < 100; count++) {
      const key = authority.issuerKey
      flood += buildCertificate(
        {
          subject: authority.root.subject,
          issuer: authority.root.subject,
          publicKey: key.publicKey,
          notBefore: authority.root.notBefore,
          notAfter: authority.root.notAfter,
          ca: {},
        },
        key.signer(),
      ).pem
    }
    put(home, 'roots.pem', flood)
    put(home, 'ca.crt', authority.rootPem)
    let asked = 0
    const places = await search(
      home,
      {},
      {
        isIssuer: (candidate) => {
          asked++
          return authority.issuer.verifySignature(candidate.publicKey)
        },
      },
    )
    assert.equal(asked, 64)
    assert.deepEqual(
      places.map(({ name, sameNameOnly }) => [name, sameNameOnly]),
      [
        ['ca.crt', false],
        ['roots.pem', true],
      ],
    )
  })

  it('finds a public root that the consulted store lacks among those built into Node, and how to make a file of it', async (t) => {
    const home = temporaryFolder(t)
    const [pem] = getCACertificates('bundled')
    assert.ok(pem !== undefined)
    const root = Certificate.parse(pem)
    const query = { issuer: root.subject, keyId: undefined, isIssuer: () => true }
    const places = await search(home, {}, query)
    const bundled = places.find(({ kind }) => kind === 'bundled')
    assert.equal(bundled?.certificate.fingerprint, root.fingerprint)
    assert.equal(bundled?.path, undefined)
    assert.ok(bundled?.command !== undefined)
    if (process.platform === 'win32') return
    const made = await runCommand('sh', ['-c', bundled.command], {
      cwd: home,
      env: { PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}` },
    })
    assert.equal(made.code, 0, made.stderr)
    assert.ok(TrustStore.fromFile(path.join(home, bundled.ca)).has(root.fingerprint))
  })

  it('refuses a misspelt option and a time-out that is none', async (t) => {
    const home = temporaryFolder(t)
    // @ts-expect-error a caller without types
    await assert.rejects(search(home, {}, { timeout: 5 }), { code: 'option-unknown' })
    await assert.rejects(
      search(home, {}, { timeoutMs: Number.NaN }),
      (error) => error instanceof CoreError && error.code === 'option-invalid',
    )
  })
})
