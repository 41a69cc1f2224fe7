/** `countersign import`: authorities as four other programs keep them, and what does not belong to one. */
import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { openAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import {
  outsideTool,
  requireTool,
  runCommand,
  runProgram,
  scrubProcess,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { Certificate, CertificateRevocationList } from '@countersign/x509'
import { findAuthorityFiles } from '../src/import/layout.ts'
import { readAuthority } from '../src/import/read-authority.ts'

scrubProcess()

describe('countersign import', () => {
  it('takes over a folder of step-ca, with keys that have a passphrase', async (t) => {
    const { folder, own } = places(t)
    const { root, rootKey, issuer, issuerKey } = testAuthority()
    put(folder, 'certs/root_ca.crt', root.pem)
    put(folder, 'certs/intermediate_ca.crt', issuer.pem)
    put(folder, 'secrets/root_ca_key', rootKey.toPem({ passphrase: 'geheim' }))
    // As step-ca writes it still: OpenSSL's own form of before PKCS #8.
    const cipher = { cipher: 'aes-256-cbc', passphrase: 'geheim' }
    put(
      folder,
      'secrets/intermediate_ca_key',
      String(issuerKey.keyObject.export({ type: 'sec1', format: 'pem', ...cipher })),
    )
    put(folder, 'db/000000.vlog', 'badger')
    put(folder, 'words', 'geheim\n')
    const locked = await runProgram(['import', folder, '--data', own, '--json'])
    assert.partialDeepStrictEqual(JSON.parse(locked.stdout), { code: 'file-unreadable' })
    assert.match(locked.stdout, /name that: --root-key-passphrase-file FILE/)
    const words = ['--root-key-passphrase-file', path.join(folder, 'words')]
    const done = await runProgram(['import', folder, '--data', own, ...words])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stdout, /^took over an authority of step-ca into /)
    assert.match(done.stderr, /\/db cannot be read here: what was issued and revoked before is not/)
    assert.match(done.stderr, /move .*root\.key and .*root\.passphrase to another medium/)
    const issued = await runProgram(['issue', 'api.corp.internal', '--data', own, '--out', folder])
    assert.equal(issued.code, 0, issued.stderr)
    const [leaf] = Certificate.parseAll(readFileSync(path.join(folder, 'api.corp.internal.crt')))
    assert.equal(leaf?.issuedBy(issuer), true)
  })

  it('reads nothing that lies outside of the folder, is too large, or is not there', async (t) => {
    const { folder, outside } = places(t)
    const { root, rootKey } = testAuthority()
    const read = async (): Promise<unknown> => readAuthority(findAuthorityFiles(folder), NO_WORDS)
    const refused = async (message: RegExp, code = 'file-unreadable'): Promise<void> => {
      await assert.rejects(read, (error) => {
        assert.ok(error instanceof Error && 'code' in error)
        assert.equal(error.code, code, error.message)
        assert.match(error.message, message)
        return true
      })
    }
    await refused(/holds no authority that is known here/)
    assert.throws(() => findAuthorityFiles(path.join(folder, 'nothing')), {
      code: 'file-unreadable',
    })
    put(folder, 'ca.crt', root.pem)
    await refused(/the key of .*ca\.crt is missing/, 'usage')
    put(outside, 'ca.key', rootKey.toPem())
    mkdirSync(path.join(folder, 'private'))
    symlinkSync(path.join(outside, 'ca.key'), path.join(folder, 'private/ca.key'))
    await refused(/private\/ca\.key leads out of .*, to /)
    const named = { ...findFirst(), rootKey: path.join(outside, 'ca.key') }
    assert.equal((await readAuthority(named, NO_WORDS)).issued.length, 0)
    put(outside, 'one.crt', root.pem)
    mkdirSync(path.join(folder, 'issued'))
    symlinkSync(path.join(outside, 'one.crt'), path.join(folder, 'issued/one.crt'))
    await assert.rejects(
      readAuthority({ ...named, certificates: [path.join(folder, 'issued')] }, NO_WORDS),
      { code: 'file-unreadable', message: /issued\/one\.crt leads out of/ },
    )
    put(folder, 'index.txt', '')
    truncateSync(path.join(folder, 'index.txt'), 200 * 1024 * 1024)
    await assert.rejects(
      readAuthority({ ...named, index: path.join(folder, 'index.txt') }, NO_WORDS),
      { code: 'file-unreadable', message: /index\.txt: it is larger than 128 MiB/ },
    )

    /** The layout without what leads outside. */
    function findFirst(): ReturnType<typeof findAuthorityFiles> {
      const plain = path.join(outside, 'plain')
      put(plain, 'ca.crt', root.pem)
      return { ...findAuthorityFiles(plain), certificates: [] }
    }
  })

  it('takes over openssl ca: what it revoked stays revoked for openssl verify', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    const { folder, own } = places(t)
    const run = async (...words: string[]): Promise<void> => {
      const args = words.flatMap((some) => some.split(' '))
      const { code, stderr } = await runCommand(openssl, args, { cwd: folder })
      assert.equal(code, 0, `openssl ${args.join(' ')}\n${stderr}`)
    }
    mkdirSync(path.join(folder, 'private'))
    mkdirSync(path.join(folder, 'newcerts'))
    put(folder, 'index.txt', '')
    put(folder, 'serial', '1000\n')
    put(folder, 'crlnumber', '2A\n')
    put(folder, 'ca.cnf', OPENSSL_CA)
    await run(
      'req -x509 -newkey rsa:2048 -days 3650 -passout pass:geheim -config ca.cnf -extensions v3_ca',
      '-keyout private/cakey.pem -out cacert.pem -subj /O=Old/CN=OldCA',
    )
    const sign = 'ca -config ca.cnf -batch -passin pass:geheim'
    for (const name of ['good', 'gone']) {
      await run(
        `req -new -newkey rsa:2048 -nodes -subj /CN=${name}.corp.internal -config ca.cnf`,
        `-keyout ${name}.key -out ${name}.csr`,
      )
      await run(sign, `-in ${name}.csr -out ${name}.crt -notext`)
    }
    await run(sign, '-revoke gone.crt -crl_reason keyCompromise')
    put(folder, 'words', 'geheim\n')
    const words = ['--root-key-passphrase-file', path.join(folder, 'words')]
    const done = await runProgram(['import', folder, '--data', own, ...words, '--json'])
    assert.equal(done.code, 0, done.stdout)
    assert.partialDeepStrictEqual(JSON.parse(done.stdout), {
      from: 'openssl ca',
      imported: 2,
      revoked: 1,
    })
    await agrees(t, openssl, own, folder, 0x2b)
  })

  it('takes over easy-rsa, and says what strict clients make of its root', async (t) => {
    const [openssl, easyrsa] = [
      requireTool(t, 'openssl'),
      outsideTool('easyrsa') ?? debianEasyRsa(),
    ]
    if (openssl === undefined) return
    if (easyrsa === undefined) return t.skip('needs easyrsa')
    const { folder, own } = places(t)
    const env = {
      EASYRSA_PKI: path.join(folder, 'pki'),
      EASYRSA_BATCH: '1',
    }
    const run = async (...args: string[]): Promise<void> => {
      const { code, stderr, stdout } = await runCommand(easyrsa, args, { cwd: folder, env })
      assert.equal(code, 0, `easyrsa ${args.join(' ')}\n${stdout}${stderr}`)
    }
    await run('init-pki')
    await run('build-ca', 'nopass')
    for (const name of ['good', 'gone']) await run('build-server-full', name, 'nopass')
    await run('revoke', 'gone')
    await run('gen-crl')
    for (const name of ['good', 'gone']) {
      const { stdout } = await runCommand(
        'sh',
        [
          '-c',
          `grep -l "CN *= *${name}$" pki/certs_by_serial/*.pem pki/revoked/certs_by_serial/*.crt | head -1`,
        ],
        { cwd: folder },
      )
      put(folder, `${name}.crt`, readFileSync(path.join(folder, stdout.trim()), 'utf8'))
    }
    const done = await runProgram(['import', folder, '--data', own])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stdout, /ledger +2 certificates, 1 of them revoked/)
    assert.match(done.stderr, /authority-key-id-by-serial/)
    await agrees(t, openssl, own, folder, 1)
  })

  it('takes over mkcert as the former root of a new one', async (t) => {
    const mkcert = requireTool(t, 'mkcert')
    if (mkcert === undefined) return
    const { folder, own } = places(t)
    const env = { CAROOT: folder, TRUST_STORES: 'none' }
    const files = ['-cert-file', 'dev.crt', '-key-file', 'dev.key']
    const made = await runCommand(mkcert, [...files, 'dev.corp.internal'], { cwd: folder, env })
    assert.equal(made.code, 0, made.stderr)
    const issued = ['--new-root', '--certificates', folder]
    const done = await runProgram(['import', folder, '--data', own, ...issued])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stdout, /an authority of mkcert/)
    assert.match(done.stdout, /ledger +1 certificate, 0 of them revoked/)
    assert.match(done.stderr, /clients need both roots/)
    assert.equal(Certificate.parseAll(readFileSync(path.join(own, 'roots.pem'))).length, 2)
  })
})

/** openssl takes the good one and refuses the one that is gone, with our lists; and the other way round once we revoke. */
async function agrees(
  scope: Scope,
  openssl: string,
  own: string,
  folder: string,
  number: number,
): Promise<void> {
  await using store = await openStore(`sqlite:${path.join(own, 'countersign.db')}`)
  const authority = await openAuthority({ store, folder: own })
  const crlFile = path.join(temporaryFolder(scope), 'crls.pem')
  const verify = async (name: string): Promise<number | null> => {
    const lists = (await authority.crl()).map(({ der }) => CertificateRevocationList.parse(der))
    writeFileSync(crlFile, lists.map(({ pem }) => pem).join(''))
    const trust = ['-CAfile', path.join(own, 'roots.pem'), '-CRLfile', crlFile]
    const file = path.join(folder, `${name}.crt`)
    return (await runCommand(openssl, ['verify', '-crl_check', ...trust, file])).code
  }
  assert.equal(await verify('good'), 0)
  assert.equal(await verify('gone'), 2)
  assert.equal((await authority.crl()).at(-1)?.number, number)
  const [good] = Certificate.parseAll(readFileSync(path.join(folder, 'good.crt')))
  await authority.revoke(good?.serialNumber ?? '')
  assert.equal(await verify('good'), 2)
  assert.equal((await authority.crl()).at(-1)?.number, number + 1)
}

type Scope = Parameters<typeof temporaryFolder>[0]

function places(scope: Scope): { folder: string; own: string; outside: string } {
  const base = temporaryFolder(scope)
  const outside = path.join(base, 'outside')
  mkdirSync(outside)
  const folder = path.join(base, 'old')
  mkdirSync(folder)
  return { folder, own: path.join(base, 'data'), outside }
}

function put(folder: string, name: string, text: string): void {
  const file = path.join(folder, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Debian keeps it outside of every PATH. */
function debianEasyRsa(): string | undefined {
  const file = '/usr/share/easy-rsa/easyrsa'
  return existsSync(file) ? file : undefined
}

const NO_WORDS = { rootFile: undefined, issuerFile: undefined }
const OPENSSL_CA = `
[ca]
default_ca = old
[old]
dir = .
database = $dir/index.txt
new_certs_dir = $dir/newcerts
serial = $dir/serial
crlnumber = $dir/crlnumber
certificate = $dir/cacert.pem
private_key = $dir/private/cakey.pem
default_md = sha256
default_days = 30
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[v3_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`
