/** What we issue, judged by the programs of others. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Authority, initAuthority, type Issued, writeIdentity } from '@countersign/authority'
import {
  requirePython,
  requireTool,
  runCommand,
  scrubProcess,
  temporaryFolder,
} from '@countersign/testkit'
import {
  buildCertificate,
  type Certificate,
  KEY_TYPES,
  Name,
  parseGeneralName,
  PrivateKey,
} from '@countersign/x509'
import {
  clientRequest,
  codeOf,
  leafKey,
  makeAuthority,
  openMemory,
  serverRequest,
} from './fixture.ts'

scrubProcess()

/** OpenSSL reads ML-DSA from 3.5. */
const CLASSIC = KEY_TYPES.filter((type) => !type.startsWith('ml-dsa'))
/** Two keys of 4096 bits take seconds, and sign like those of 3072. */
const QUICK = CLASSIC.filter((type) => type !== 'rsa4096')

describe('what we issue', () => {
  for (const keyType of QUICK) {
    it(`under a ${keyType} root is accepted by openssl -x509_strict, names and purposes included`, async (t) => {
      const openssl = requireTool(t, 'openssl')
      if (openssl === undefined) return
      const { authority, folder } = await makeAuthority(t, { keyType })
      const publicKey = (await PrivateKey.generate(keyType)).publicKey
      const files = new Files(folder, authority)
      const server = await authority.issue(
        serverRequest({
          publicKey,
          names: ['api.corp.internal', '*.a.corp.internal', '10.0.0.1', 'fd00::1'],
        }),
      )
      const client = await authority.issue(
        clientRequest({ publicKey, names: ['ann', 'ann@corp.internal'] }),
      )
      const verify = (issued: Issued, ...options: string[]): Promise<string> =>
        verifyWithOpenssl(openssl, files, issued.certificate, ...options)
      for (const options of [
        ['-verify_hostname', 'api.corp.internal'],
        ['-verify_hostname', 'x.a.corp.internal'],
        ['-verify_ip', '10.0.0.1'],
        ['-verify_ip', 'fd00::1'],
      ]) {
        assert.equal(
          await verify(server, '-purpose', 'sslserver', ...options),
          'OK',
          options.join(' '),
        )
      }
      assert.equal(
        await verify(client, '-purpose', 'sslclient', '-verify_email', 'ann@corp.internal'),
        'OK',
      )
      assert.match(await verify(server, '-purpose', 'sslclient'), /unsuitable certificate purpose/)
      assert.match(await verify(client, '-purpose', 'sslserver'), /unsuitable certificate purpose/)
      assert.match(await verify(server, '-verify_hostname', 'corp.internal'), /hostname mismatch/)
    })
  }

  for (const keyType of ['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'] as const) {
    it(`under an ${keyType} root verifies in Node, for a key of its kind and for P-256`, async (t) => {
      const { authority } = await makeAuthority(t, { keyType })
      for (const key of [PrivateKey.generateSync(keyType), leafKey]) {
        const { chain } = await authority.issue(serverRequest({ publicKey: key.publicKey }))
        const [leaf, issuer, root] = [...chain, ...authority.roots].map(
          (one) => new X509Certificate(one.der),
        )
        assert.ok(leaf !== undefined && issuer !== undefined && root !== undefined)
        assert.equal(leaf.verify(issuer.publicKey), true)
        assert.equal(issuer.verify(root.publicKey), true)
        assert.equal(root.verify(root.publicKey), true)
        assert.equal(leaf.verify(root.publicKey), false)
        assert.equal(leaf.checkIssued(issuer) && issuer.checkIssued(root), true)
        assert.equal(leaf.publicKey.equals(key.publicKey.keyObject), true)
      }
    })
  }

  it('is accepted by Python, which is strict, on both sides of a handshake', async (t) => {
    const python = requirePython(t, { strict: true })
    if (python === undefined) return
    const cases: string[] = []
    for (const [keyType, constrain] of [
      ['p256', undefined],
      ['ed25519', undefined],
      ['p384', ['.corp.internal', '10.0.0.0/8']],
    ] as const) {
      const folder = temporaryFolder(t)
      const store = await openMemory(t)
      const authority = await initAuthority({ store, folder, keyType, constrain })
      const { roots } = authority
      const client = await authority.issue(clientRequest({ names: ['ann', 'ann@corp.internal'] }))
      const clientFiles = await writeIdentity(folder, 'ann', client, { roots, key: leafKey })
      for (const [name, host] of [
        ['api.corp.internal', 'api.corp.internal'],
        ['*.corp.internal', 'x.corp.internal'],
        ['10.0.0.1', '10.0.0.1'],
      ] as const) {
        const server = await authority.issue(serverRequest({ names: [name] }))
        const files = await writeIdentity(folder, name, server, { roots, key: leafKey })
        cases.push(
          JSON.stringify({
            server: files.certificate,
            client: clientFiles.certificate,
            key: files.key,
            roots: files.roots,
            host,
          }),
        )
      }
    }
    const script = fileURLToPath(new URL('child/handshake.py', import.meta.url))
    const { stdout, stderr } = await runCommand(python, [script], {
      input: `${cases.join('\n')}\n`,
    })
    assert.deepEqual(
      stdout.trim().split('\n'),
      cases.map(() => 'OK'),
      stderr,
    )
  })

  it('is read by keytool: a chain whose leaf has no subject', async (t) => {
    const keytool = requireTool(t, 'keytool')
    if (keytool === undefined) return
    const { authority, folder } = await makeAuthority(t)
    const files = new Files(folder, authority)
    const { chain } = await authority.issue(serverRequest())
    const file = files.write('chain', ...chain)
    const { code, stdout } = await runCommand(keytool, [
      '-J-Duser.language=en',
      '-printcert',
      '-file',
      file,
    ])
    assert.equal(code, 0)
    assert.match(stdout, /DNSName: api\.corp\.internal/)
    assert.equal(stdout.match(/^Certificate\[\d\]:/gm)?.length, 2)
  })

  it('checks out against the lists of all levels, and is refused once it is revoked', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const { authority, folder } = await makeAuthority(t, { publicUrl: 'http://127.0.0.1:9' })
    const files = new Files(folder, authority)
    const { certificate, serialNumber } = await authority.issue(serverRequest())
    await authority.setPublicUrl('http://127.0.0.1:10')
    const moved = await authority.issue(serverRequest())
    const verify = async (leaf: Certificate = certificate): Promise<string> => {
      for (const crl of await authority.crl()) writeFileSync(path.join(folder, crl.ca), crl.der)
      const lists = (await authority.crl()).flatMap((crl) => [
        '-CRLfile',
        path.join(folder, crl.ca),
      ])
      return await verifyWithOpenssl(openssl, files, leaf, '-crl_check_all', ...lists)
    }
    assert.equal(await verify(), 'OK')
    assert.equal(await verify(moved.certificate), 'OK', 'of another address')
    await authority.revoke(serialNumber, 'keyCompromise')
    assert.match(await verify(), /certificate revoked/)
    assert.equal(await verify(moved.certificate), 'OK')
  })
})

describe('name constraints', () => {
  for (const constrain of [
    ['.corp.internal'],
    ['10.0.0.0/8'],
    ['.corp.internal', '10.0.0.0/8', 'fd00::/8'],
  ]) {
    it(`to ${constrain.join(', ')} are honoured by openssl exactly where we refuse`, async (t) => {
      const openssl = requireTool(t, 'openssl')
      if (openssl === undefined) return
      const { authority, folder } = await makeAuthority(t, {
        constrain,
        trustDomain: 'corp.internal',
      })
      const files = new Files(folder, authority)
      const signer = issuerKey(folder).signer()
      for (const [profile, name] of NAMES) {
        const request = profile === 'server' ? serverRequest : clientRequest
        const ours = await codeOf(authority.issue(request({ names: [name] })))
        // What a thief of the key would sign, who asks no policy.
        const isPlain = profile === 'client' && !/[@:]/.test(name)
        const certificate = buildCertificate(
          {
            subject: Name.from({ commonName: profile === 'client' ? name : undefined }),
            issuer: authority.issuer.subject,
            publicKey: leafKey.publicKey,
            notBefore: authority.issuer.notBefore,
            notAfter: authority.issuer.notAfter,
            subjectAltNames: [parseGeneralName(isPlain ? `spiffe://corp.internal/${name}` : name)],
            extendedKeyUsage: [profile === 'server' ? 'serverAuth' : 'clientAuth'],
          },
          signer,
        )
        const theirs = await verifyWithOpenssl(openssl, files, certificate)
        assert.equal(
          ours === 'none',
          theirs === 'OK',
          `${name}: we say ${ours}, openssl says ${theirs}`,
        )
        if (ours !== 'none') {
          assert.equal(ours, 'name-constraint')
          assert.match(theirs, /(permitted|excluded) subtree violation/)
        }
      }
    })
  }
})

const NAMES = [
  ['server', 'api.corp.internal'],
  ['server', 'corp.internal'],
  ['server', '*.corp.internal'],
  ['server', 'api.other.internal'],
  ['server', 'evilcorp.internal'],
  ['server', 'localhost'],
  ['server', '10.1.2.3'],
  ['server', '192.168.0.1'],
  ['server', 'fd00::1'],
  ['server', '2001:db8::1'],
  ['client', 'alice'],
  ['client', 'alice.smith'],
  ['client', 'api.corp.internal'],
  ['client', 'ann@corp.internal'],
  ['client', 'ann@a.corp.internal'],
  ['client', 'ann@other.internal'],
  ['client', 'spiffe://corp.internal/x'],
  ['client', 'spiffe://a.corp.internal/x'],
  ['client', 'spiffe://other.internal/x'],
] as const

/** Certificates as files, for programs that want them so. */
class Files {
  readonly roots: string
  readonly issuer: string
  readonly #folder: string

  constructor(folder: string, authority: Authority) {
    this.#folder = folder
    this.roots = path.join(folder, 'roots.pem')
    this.issuer = this.write('issuer', authority.issuer)
  }

  write(name: string, ...certificates: readonly Certificate[]): string {
    const file = path.join(this.#folder, `${name}.pem`)
    writeFileSync(file, certificates.map((certificate) => certificate.pem).join(''))
    return file
  }
}

/** `OK`, or what openssl says is wrong. */
async function verifyWithOpenssl(
  openssl: string,
  files: Files,
  certificate: Certificate,
  ...options: readonly string[]
): Promise<string> {
  const leaf = files.write('leaf', certificate)
  const { code, stdout, stderr } = await runCommand(openssl, [
    'verify',
    '-x509_strict',
    ...options,
    '-CAfile',
    files.roots,
    '-untrusted',
    files.issuer,
    leaf,
  ])
  return code === 0 && stdout === `${leaf}: OK\n` ? 'OK' : stdout + stderr
}

function issuerKey(folder: string): PrivateKey {
  const passphrase = readFileSync(path.join(folder, 'passphrase'), 'utf8').trim()
  return PrivateKey.parse(readFileSync(path.join(folder, 'issuer.key'), 'utf8'), { passphrase })
}
