import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  outsidePython,
  runCommand,
  runProgram,
  skipWithout,
  temporaryFolder,
} from '@countersign/testkit'
import {
  Certificate,
  createRequest,
  decodePkcs12,
  encodePem,
  KEY_TYPES,
  type KeyType,
  type Pkcs12,
  PrivateKey,
} from '@countersign/x509'
import { openAuthority } from '@countersign/authority'
import { dataFolder, requireAuthority } from '../src/data-folder.ts'
import { openDataStore } from '../src/open-data.ts'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

/** ML-DSA came with OpenSSL 3.5. */
const CLASSIC = KEY_TYPES.filter((type) => !type.startsWith('ml-dsa'))

/** A server's certificate for each authority and type, issued once: keys of RSA take their time. */
const HOSTS = new Map<string, Promise<IdentityFiles>>()

const folder = temporaryFolder(after)
let data = ''
before(async () => {
  data = await initAuthority(folder)
})

describe('countersign issue', () => {
  for (const type of CLASSIC) {
    it(`makes a ${type} chain that openssl verifies strictly`, {
      skip: skipWithout('openssl'),
    }, async () => {
      await verifyWithOpenssl(data, type)
    })
  }

  for (const type of ['p384', 'ed25519', 'rsa2048'] satisfies KeyType[]) {
    it(`makes a ${type} authority whose chain openssl verifies strictly`, {
      skip: skipWithout('openssl'),
    }, async () => {
      const own = await initAuthority(path.join(folder, `authority-${type}`), '--key-type', type)
      await verifyWithOpenssl(own, type)
    })
  }

  it('makes ML-DSA chains that Node verifies', async () => {
    for (const type of KEY_TYPES.filter((name) => name.startsWith('ml-dsa'))) {
      const files = await issue(data, folder, `${type}.corp.internal`, '--key-type', type)
      const [leaf, issuer] = Certificate.parseAll(
        readFileSync(files.certificate),
        files.certificate,
      )
      const roots = Certificate.parseAll(readFileSync(files.roots), files.roots)
      assert.equal(leaf?.publicKey.type, type)
      assert.ok(leaf !== undefined && issuer !== undefined && leaf.issuedBy(issuer))
      assert.ok(
        new X509Certificate(issuer.pem).verify(new X509Certificate(roots[0]?.pem ?? '').publicKey),
      )
    }
  })

  it('is done for a user without a name, as in a container', async () => {
    const nameless = `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module';
      os.userInfo = () => { throw new Error('ENOENT') }; syncBuiltinESMExports()`
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(nameless)}`
    const out = path.join(folder, 'nameless')
    const args = ['issue', 'nameless.corp.internal', '--data', data, '--out', out]
    const { code, stderr } = await runProgram(args, { env: { NODE_OPTIONS } })
    assert.equal(code, 0, stderr)
    const { stdout } = await runProgram(['certs', '--data', data, '--json'])
    const entries: { names: string[]; requester: string }[] = JSON.parse(stdout)
    const entry = entries.find(({ names }) => names.includes('nameless.corp.internal'))
    assert.match(entry?.requester ?? '', /^uid (?:\d+|unknown)$/)
  })

  it('toPythonDict() is what CPython reads, for every profile and key type that it can', async (t) => {
    const python = outsidePython()
    if (python === undefined) {
      t.skip('needs python3')
      return
    }
    const files: string[] = []
    for (const type of CLASSIC) {
      const person = await issue(data, folder, `person-${type}`, '--key-type', type, '--client')
      files.push((await hostOf(data, type)).certificate, person.certificate)
    }
    const script =
      'import json, ssl, sys; print(json.dumps([ssl._ssl._test_decode_cert(one) for one in sys.argv[1:]]))'
    const { code, stdout, stderr } = await runCommand(python, ['-c', script, ...files])
    assert.equal(code, 0, stderr)
    const read: unknown[] = JSON.parse(stdout)
    assert.equal(read.length, 2 * CLASSIC.length)
    for (const [index, file] of files.entries()) {
      const ours = JSON.stringify(leafOf(file).toPythonDict())
      assert.deepEqual(JSON.parse(ours), read[index], file)
      // Of each profile one is asked of the command.
      if (index > 1) continue
      const shown = await runProgram(['show', file, '--python'])
      assert.deepEqual(JSON.parse(shown.stdout), read[index], file)
    }
  })

  it('writes the key 0600, the certificate as leaf then issuer, and the roots', async () => {
    const files = await issue(data, folder, 'api.corp.internal')
    assert.equal(statSync(files.key).mode & 0o777, 0o600)
    const [leaf, issuer, ...rest] = Certificate.parseAll(readFileSync(files.certificate), '')
    assert.deepEqual(leaf?.dnsNames, ['api.corp.internal'])
    assert.ok(issuer?.isCa)
    assert.deepEqual(rest, [])
    const key = createPrivateKey(readFileSync(files.key))
    assert.ok(new X509Certificate(leaf?.pem ?? '').checkPrivateKey(key))
  })

  it('writes PKCS#12 for programs of now and of old, with a password that it makes', async () => {
    for (const legacy of [false, true]) {
      const name = `p12-${legacy}.corp.internal`
      const files = await issue(data, folder, name, '--p12', ...(legacy ? ['--legacy'] : []))
      const made = `${files.pkcs12}.password`
      for (const file of [files.pkcs12, made]) assert.equal(statSync(file).mode & 0o777, 0o600)
      const password = readFileSync(made, 'utf8').trim()
      assert.match(password, /^[\w-]{24}$/)
      const read = (): Pkcs12 => decodePkcs12(readFileSync(files.pkcs12), password)
      if (legacy) assert.throws(read, { code: 'pkcs12-legacy' })
      else assert.ok(read().key)
    }
  })

  it('does not write over a key unless told to', async () => {
    await issue(data, folder, 'twice.corp.internal')
    const key = path.join(folder, 'twice.corp.internal.key')
    const first = readFileSync(key, 'utf8')
    const again = await runProgram([
      'issue',
      'twice.corp.internal',
      '--data',
      data,
      '--out',
      folder,
    ])
    assert.equal(again.code, 1)
    assert.match(again.stderr, /--force/)
    assert.equal(readFileSync(key, 'utf8'), first)
    await issue(data, folder, 'twice.corp.internal', '--force')
    assert.notEqual(readFileSync(key, 'utf8'), first)
  })

  it('gives a plain client name a SPIFFE id, and leaves an e-mail address what it is', async () => {
    const bob = await issue(data, folder, 'bob', '--client')
    const leaf = leafOf(bob.certificate)
    assert.equal(leaf.subject.get('commonName'), 'bob')
    assert.match(
      leaf.subjectAltNames.map((name) => ('value' in name ? String(name.value) : '')).join(),
      /^spiffe:\/\/[a-z0-9.-]+\/bob$/,
    )
    const mail = await issue(data, folder, 'bob@corp.internal', '--client')
    assert.deepEqual(leafOf(mail.certificate).subjectAltNames, [
      { type: 'email', value: 'bob@corp.internal' },
    ])
  })

  it('signs the key of a request and none of its extensions', {
    skip: skipWithout('openssl'),
  }, async () => {
    const key = path.join(folder, 'request.key')
    const csr = path.join(folder, 'request.csr')
    const made = await runCommand('openssl', [
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      csr,
      '-subj',
      '/CN=x.corp.internal',
      '-addext',
      'subjectAltName=DNS:x.corp.internal',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-addext',
      'keyUsage=critical,keyCertSign',
    ])
    assert.equal(made.code, 0, made.stderr)
    const result = await runProgram([
      'issue',
      '--csr',
      csr,
      '--data',
      data,
      '--out',
      folder,
      '--json',
    ])
    assert.equal(result.code, 0, result.stderr)
    const leaf = leafOf(path.join(folder, 'x.corp.internal.crt'))
    assert.equal(leaf.isCa, false)
    assert.deepEqual(leaf.dnsNames, ['x.corp.internal'])
    assert.ok(!existsSync(path.join(folder, 'x.corp.internal.key')))
  })

  it('puts the certificate of a request beside its own key, and not beside another', async () => {
    const own = path.join(folder, 'beside')
    const first = await issue(data, own, 'y.corp.internal')
    const csr = path.join(own, 'y.csr')
    const key = PrivateKey.parse(readFileSync(first.key))
    const names = [{ type: 'dns', value: 'y.corp.internal' } as const]
    writeFileSync(csr, createRequest({ key, subjectAltNames: names }).pem)
    const args = ['issue', '--csr', csr, '--data', data, '--out', own]
    const beside = await runProgram(args)
    assert.equal(beside.code, 0, beside.stderr)
    writeFileSync(
      csr,
      createRequest({ key: PrivateKey.generateSync('p256'), subjectAltNames: names }).pem,
    )
    const other = await runProgram(args)
    assert.equal(other.code, 1)
    assert.match(other.stderr, /is for another key/)
  })

  it('says so where this user may not enter the data folder', {
    skip: process.platform === 'win32' || (process.getuid?.() === 0 && 'root may enter any'),
  }, () => {
    const closed = path.join(folder, 'closed')
    mkdirSync(closed, { mode: 0o600 })
    assert.throws(() => requireAuthority(dataFolder(closed)), {
      code: 'file-unreadable',
      message: `this user may not enter ${closed}`,
    })
  })

  it('says so where the folder is a file', async () => {
    const file = path.join(folder, 'file')
    writeFileSync(file, 'no folder')
    const args = ['issue', 'api.corp.internal', '--data', data, '--out', file]
    const { code, stderr } = await runProgram(args)
    assert.equal(code, 2)
    assert.match(stderr, /^error: --out: \S+file is no folder\n/)
  })

  it('says so where the folder cannot be made', async () => {
    if (process.platform !== 'linux') return
    const { code, stderr } = await runProgram([
      'issue',
      'z.corp.internal',
      '--data',
      data,
      '--out',
      '/proc/x',
    ])
    assert.equal(code, 1)
    assert.match(stderr, /cannot make \/proc\/x/)
  })

  it('honours the constraints of its authority, before anything is signed', async () => {
    const own = await initAuthority(
      path.join(folder, 'constrained'),
      '--constrain',
      '.corp.internal,10.0.0.0/8',
    )
    const out = path.join(folder, 'constrained')
    await issue(own, out, 'a.corp.internal')
    for (const name of ['a.example.com', '192.168.0.1', 'localhost']) {
      const refused = await runProgram(['issue', name, '--data', own, '--out', out])
      assert.equal(refused.code, 1, name)
      assert.match(refused.stderr, /constrain|permit/i)
      assert.ok(!existsSync(path.join(out, `${name}.crt`)))
    }
    const list = await runProgram(['certs', '--data', own, '--json'])
    assert.equal(JSON.parse(list.stdout).length, 1)
  })

  const refused: [string, string[], RegExp][] = [
    ['a name that is no host name', ['a_b..c'], /a_b\.\.c/],
    ['a wildcard over a whole top level', ['*.internal'], /top level/],
    ['a request that is garbage', ['--csr', 'GARBAGE'], /GARBAGE/],
    ['a request that is not there', ['--csr', 'nowhere.csr'], /nowhere\.csr/],
  ]
  for (const [name, args, words] of refused) {
    it(`refuses ${name} and writes nothing`, async () => {
      const garbage = path.join(folder, 'GARBAGE')
      writeFileSync(garbage, 'not a request')
      const out = path.join(folder, 'refused')
      const result = await runProgram([
        'issue',
        ...args.map((arg) => (arg === 'GARBAGE' ? garbage : arg)),
        '--data',
        data,
        '--out',
        out,
      ])
      assert.ok(result.code === 1 || result.code === 2, `${result.code}`)
      assert.match(result.stderr, words)
      assert.doesNotMatch(result.stderr, /\n\s+at /)
      assert.ok(!existsSync(out))
    })
  }
})

describe('countersign revoke', () => {
  it('takes a certificate back by its file, and the revocation list has it', {
    skip: skipWithout('openssl'),
  }, async () => {
    const files = await issue(data, folder, 'gone.corp.internal')
    const kept = await issue(data, folder, 'kept.corp.internal')
    const { code, stdout, stderr } = await runProgram([
      'revoke',
      files.certificate,
      '--reason',
      'keyCompromise',
      '--data',
      data,
    ])
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`revoked gone\\.corp\\.internal \\(serial ${files.serial}\\)`))
    const revoked = await runProgram(['certs', '--revoked', '--data', data, '--json'])
    assert.partialDeepStrictEqual(JSON.parse(revoked.stdout), [
      { serial: files.serial, revocationReason: 'keyCompromise' },
    ])
    const lists = await writeLists(data)
    for (const [file, answer] of [
      [files, 1],
      [kept, 0],
    ] as const) {
      const [leaf, issuer] = Certificate.parseAll(readFileSync(file.certificate), file.certificate)
      const leafFile = path.join(folder, 'checked.pem')
      const untrusted = path.join(folder, 'untrusted.pem')
      writeFileSync(leafFile, leaf?.pem ?? '')
      writeFileSync(untrusted, issuer?.pem ?? '')
      const verified = await runCommand('openssl', [
        'verify',
        '-crl_check_all',
        '-CRLfile',
        lists,
        '-CAfile',
        file.roots,
        '-untrusted',
        untrusted,
        leafFile,
      ])
      assert.equal(verified.code === 0 ? 0 : 1, answer, verified.stderr)
    }
  })

  it('refuses a certificate that it never issued, and a reason that there is not', async () => {
    const unknown = await runProgram(['revoke', 'ABCDEF', '--data', data])
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /ABCDEF/)
    const files = await issue(data, folder, 'stays.corp.internal')
    const reason = await runProgram(['revoke', files.serial, '--reason', 'boredom', '--data', data])
    assert.notEqual(reason.code, 0)
    assert.match(reason.stderr, /boredom/)
  })
})

/** The revocation lists of every level in one PEM file. */
async function writeLists(from: string): Promise<string> {
  const store = await openDataStore(dataFolder(from))
  await using _ = store
  const authority = await openAuthority({ store, folder: from })
  const lists = await authority.crl()
  const file = path.join(folder, 'lists.pem')
  writeFileSync(file, lists.map(({ der }) => encodePem('X509 CRL', der)).join(''))
  return file
}

/** The first certificate of a file. */
function leafOf(file: string): Certificate {
  const [leaf] = Certificate.parseAll(readFileSync(file), file)
  assert.ok(leaf !== undefined)
  return leaf
}

async function hostOf(from: string, type: KeyType): Promise<IdentityFiles> {
  const out = outOf(from, type)
  const known = HOSTS.get(out)
  if (known !== undefined) return known
  const made = issue(from, out, `${type}.corp.internal`, '--key-type', type)
  HOSTS.set(out, made)
  return made
}

function outOf(from: string, type: KeyType): string {
  return path.join(folder, `out-${path.basename(path.dirname(from))}-${type}`)
}

async function verifyWithOpenssl(from: string, type: KeyType): Promise<void> {
  const out = outOf(from, type)
  const files = await hostOf(from, type)
  const [leaf, issuer] = Certificate.parseAll(readFileSync(files.certificate), '')
  const leafFile = path.join(out, 'leaf.pem')
  const issuerFile = path.join(out, 'issuer.pem')
  writeFileSync(leafFile, leaf?.pem ?? '')
  writeFileSync(issuerFile, issuer?.pem ?? '')
  const { code, stdout, stderr } = await runCommand('openssl', [
    'verify',
    '-x509_strict',
    '-CAfile',
    files.roots,
    '-untrusted',
    issuerFile,
    leafFile,
  ])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /leaf\.pem: OK/)
}
