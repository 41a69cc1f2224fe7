import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Handler, serve, type Server } from '@countersign/server'
import {
  type CommandResult,
  runProgram,
  scrubProcess,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
let service: RunningService
let fingerprint = ''
before(async () => {
  service = await startUp(path.join(folder, 'authority'))
  fingerprint = fingerprintOf(readFileSync(service.roots, 'utf8'))
})
after(async () => service[Symbol.asyncDispose]())

let machines = 0
/** A machine that knows nothing yet. */
function machine(): { config: string; run: (...args: string[]) => Promise<CommandResult> } {
  const config = path.join(folder, `machine-${++machines}`)
  const env = { COUNTERSIGN_CONFIG: config, COUNTERSIGN_DATA: path.join(config, 'data') }
  return { config, run: async (...args) => runProgram(args, { env }) }
}

function fingerprintOf(pem: string): string {
  const [root] = Certificate.parseAll(pem)
  assert.ok(root !== undefined)
  return root.fingerprint
}

/** A server under an authority of its own that gives out what it is told to, over HTTPS and without. */
async function impostor(handler: Handler): Promise<Server> {
  return await serve(handler, { adhoc: true, plain: handler })
}

function answer(body: string, status = 200): Handler {
  return () => new Response(body, { status })
}

describe('countersign bootstrap', () => {
  it('makes a machine trust an authority by the fingerprint of its root', async () => {
    const { config, run } = machine()
    assert.equal((await run('get', `${service.url}/healthz`)).code, 3)
    const out = path.join(folder, 'copy.pem')
    const { code, stdout, stderr } = await run(
      'bootstrap',
      service.url,
      '--fingerprint',
      `SHA256:${fingerprint.toUpperCase()}`,
      '--out',
      out,
      '--json',
    )
    assert.equal(code, 0, stderr)
    const { file, roots, url } = JSON.parse(stdout)
    assert.equal(url, service.url)
    assert.equal(roots[0].fingerprint, fingerprint)
    assert.equal(fingerprintOf(readFileSync(file, 'utf8')), fingerprint)
    assert.equal(readFileSync(out, 'utf8'), readFileSync(file, 'utf8'))
    if (process.platform !== 'win32') assert.equal(statSync(config).mode & 0o777, 0o700)
    for (const args of [
      ['get', `${service.url}/healthz`],
      ['explain', service.url],
      ['show', service.url],
    ]) {
      const result = await run(...args)
      assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`)
    }
    // Roots of --ca alone are still alone.
    assert.notEqual((await run('get', `${service.url}/healthz`, '--ca', '/nowhere.pem')).code, 0)
  })

  it('trusts nothing where the fingerprint differs', async () => {
    const { config, run } = machine()
    const other = fingerprint.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
    const { code, stderr } = await run('bootstrap', service.url, '--fingerprint', other)
    assert.equal(code, 3)
    assert.match(stderr, new RegExp(`SHA-256 ${fingerprint}, not ${other}`))
    assert.ok(!existsSync(config))
    assert.equal((await run('get', `${service.url}/healthz`)).code, 3)
  })

  it('refuses a fingerprint that is cut short, a path, and an address that is none', async () => {
    const { run } = machine()
    const wanted = [
      [service.url, fingerprint.slice(0, 32)],
      [`${service.url}/console/`, fingerprint],
      ['ftp://ca.corp.internal', fingerprint],
      ['https://ann:secret@ca.corp.internal', fingerprint],
    ] as const
    for (const [url, hex] of wanted) {
      const { code, stderr } = await run('bootstrap', url, '--fingerprint', hex)
      assert.equal(code, 2, stderr)
      assert.doesNotMatch(stderr, /secret/)
    }
  })

  it('says that nobody answers', async () => {
    const { run } = machine()
    const { code } = await run('bootstrap', 'https://127.0.0.1:1', '--fingerprint', fingerprint)
    assert.equal(code, 5)
  })
})

describe('countersign bootstrap, where somebody stands between', () => {
  it('does not take the right root from a server that the root does not vouch for', async () => {
    await using server = await impostor(answer(readFileSync(service.roots, 'utf8')))
    const { config, run } = machine()
    const { code, stderr } = await run('bootstrap', server.url, '--fingerprint', fingerprint)
    assert.equal(code, 3, stderr)
    assert.match(stderr, /not trusted/)
    assert.ok(!existsSync(config))
  })

  it('takes no certificate for a root that is none, and no page for certificates', async () => {
    const [leaf] = Certificate.parseAll(
      readFileSync(path.join(folder, 'authority', 'server.crt'), 'utf8'),
    )
    assert.ok(leaf !== undefined)
    const rows: [Handler, string, RegExp][] = [
      [answer(leaf.pem), leaf.fingerprint, /is no authority/],
      [answer('<html>welcome'), fingerprint, /holds no certificates/],
      [answer('gone', 404), fingerprint, /answers 404/],
      [answer('', 302), fingerprint, /answers 302/],
      [answer('x'.repeat(2 * 1024 * 1024)), fingerprint, /1048576|larger|too large|limit/],
    ]
    for (const [handler, hex, fault] of rows) {
      await using server = await impostor(handler)
      const { config, run } = machine()
      const { code, stderr } = await run('bootstrap', server.url, '--fingerprint', hex)
      assert.notEqual(code, 0)
      assert.match(stderr, fault)
      assert.ok(!existsSync(config))
    }
  })

  it('takes none of the further roots that only the plain answer has', async () => {
    const authority = testAuthority()
    const { chainPem, keyPem } = authority.issue({ names: ['127.0.0.1'] })
    await using server = await serve(answer(authority.rootPem), {
      cert: chainPem,
      key: keyPem,
      // Slipped in on the way, beside the one that is compared.
      plain: answer(readFileSync(service.roots, 'utf8') + authority.rootPem),
    })
    const { run } = machine()
    const args = ['--fingerprint', fingerprintOf(authority.rootPem), '--json']
    const { code, stdout, stderr } = await run('bootstrap', server.url, ...args)
    assert.equal(code, 0, stderr)
    assert.equal(readFileSync(JSON.parse(stdout).file, 'utf8'), authority.rootPem)
  })
})
