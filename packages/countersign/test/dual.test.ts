/** Two chains for the same names: `init --dual`, `issue --dual`, and `serve` with both. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import tls from 'node:tls'
import {
  type RunningCommand,
  outsidePython,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  skipWithoutPython,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { Certificate, verifyChain } from '@countersign/x509'

scrubProcess()

const PAGE = 'Top-level content\n'
const folder = temporaryFolder(after)
const at = (...names: string[]): string => path.join(folder, ...names)
const data = at('data')
const second = at('data', 'ml-dsa')
const roots = at('out', 'roots.pem')

function shown(name: string): string[] {
  return ['--cert', at('out', `${name}.crt`), '--key', at('out', `${name}.key`)]
}

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(args)
  assert.equal(code, 0, stderr)
  return stdout
}

describe('a dual authority', () => {
  let issued: { serial: string; postQuantum: { serial: string; files: { certificate: string } } }
  before(async () => {
    await run('init', '--dual', '--data', data, '--constrain', 'localhost')
    const given = ['--dual', '--data', data, '--out', at('out'), '--json']
    issued = JSON.parse(await run('issue', 'localhost', ...given))
  })

  it('gives two certificates for one name, each under its own root', () => {
    const all = Certificate.parseAll(readFileSync(roots, 'utf8'))
    assert.deepEqual(
      all.map(({ publicKey }) => publicKey.type),
      ['p256', 'ml-dsa-65'],
    )
    for (const [name, type] of [
      ['localhost', 'p256'],
      ['localhost.ml-dsa', 'ml-dsa-65'],
    ] as const) {
      const chain = Certificate.parseAll(readFileSync(at('out', `${name}.crt`), 'utf8'))
      const [leaf, ...intermediates] = chain
      assert.ok(leaf)
      assert.deepEqual(
        chain.map(({ publicKey }) => publicKey.type),
        [type, type],
      )
      assert.equal(statSync(at('out', `${name}.key`)).mode & 0o777, 0o600)
      for (const root of all) {
        const { ok } = verifyChain({
          leaf,
          intermediates,
          roots: [root],
          name: { dns: 'localhost' },
        })
        assert.equal(ok, root.publicKey.type === type)
      }
    }
  })

  it('is one of two folders to renew and revoke in', async () => {
    const file = issued.postQuantum.files.certificate
    const held = ['--data', second, '--json']
    const renewed = JSON.parse(await run('renew', file, ...held))
    assert.notEqual(renewed.serial, issued.postQuantum.serial)
    assert.equal(readFileSync(roots, 'utf8').match(/BEGIN CERTIFICATE/g)?.length, 2)
    await run('revoke', issued.postQuantum.serial, ...held)
    const revoked = JSON.parse(await run('certs', '--revoked', ...held))
    assert.equal(revoked.length, 1)
    assert.deepEqual(JSON.parse(await run('certs', '--revoked', '--data', data, '--json')), [])
  })

  it('refuses what makes no sense, and says how a second one is made', async () => {
    const cases: [string[], RegExp][] = [
      [['issue', 'localhost', '--dual', '--p12', '--data', data], /--dual and --p12/],
      [['issue', '--batch', '-', '--dual', '--data', data], /--batch and --dual/],
      [['init', '--dual', '--database', 'sqlite:x', '--data', at('x')], /--dual and --database/],
      [['issue', 'localhost', '--dual', '--data', second], /--key-type ml-dsa-65 --data /],
      [['issue', 'localhost', '--dual', '--data', data, '--out', at('out')], /--force/],
    ]
    for (const [args, words] of cases) {
      const { code, stderr } = await runProgram(args)
      assert.notEqual(code, 0)
      assert.match(stderr, words)
    }
  })
})

describe('serve with two certificates', () => {
  let running: RunningCommand
  let url = ''
  before(async () => {
    mkdirSync(at('site'))
    writeFileSync(at('site', 'index.html'), PAGE)
    const both = [...shown('localhost'), ...shown('localhost.ml-dsa')]
    running = startProgram(['serve', at('site'), '--https', ...both], { env: { API_PORT: '0' } })
    url = (await running.waitForOutput(/listening on (\S+)/))[1] ?? ''
  })
  after(async () => running[Symbol.asyncDispose]())

  it('shows ML-DSA to Node, and P-256 to who knows no more', async () => {
    const ca = readFileSync(roots)
    for (const [options, type] of [
      [{}, 'ml-dsa-65'],
      [{ sigalgs: 'ecdsa_secp256r1_sha256' }, 'ec'],
    ] as const) {
      const to = { host: '127.0.0.1', servername: 'localhost', port: Number(new URL(url).port) }
      const socket = tls.connect({ ...to, ca, ...options })
      await once(socket, 'secureConnect')
      assert.equal(socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType, type)
      socket.destroy()
    }
  })

  it('is read by curl', { skip: skipWithout('curl') }, async () => {
    const { stdout, stderr } = await runCommand('curl', ['-sS', '--cacert', roots, url])
    assert.equal(stdout, PAGE, stderr)
  })

  it('is read by Python', { skip: skipWithoutPython() }, async () => {
    const program = `import sys, ssl, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
print(urllib.request.urlopen(sys.argv[2], context=context).read().decode(), end='')`
    const python = outsidePython({ strict: true }) ?? outsidePython() ?? ''
    const { stdout, stderr } = await runCommand(python, ['-c', program, roots, url])
    assert.equal(stdout, PAGE, stderr)
  })

  it('is read by our own client', async () => {
    assert.equal(await run('get', url, '--ca', roots), PAGE)
  })

  it('does not start with two of one kind, or a certificate without its key', async () => {
    const site = ['serve', at('site'), '--https', ...shown('localhost')]
    const twice = await runProgram([...site, ...shown('localhost')], { env: { API_PORT: '0' } })
    assert.equal(twice.code, 1)
    assert.match(twice.stderr, /second certificate of the kind ec/)
    const keyless = await runProgram([...site, '--cert', at('out', 'localhost.ml-dsa.crt')])
    assert.equal(keyless.code, 2)
    assert.match(keyless.stderr, /2 of --cert and 1 of --key/)
  })
})
