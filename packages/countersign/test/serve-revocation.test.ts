import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { get } from '@countersign/client'
import {
  requireTool,
  runCommand,
  runProgram,
  type RunningCommand,
  scrubProcess,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { Certificate } from '@countersign/x509'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

/** `countersign serve`, until it is disposed of. */
interface Serving extends AsyncDisposable {
  readonly command: RunningCommand
  readonly url: string
}

describe('countersign serve, beside countersign up', () => {
  const folder = temporaryFolder(after)
  const at = (name: string): string => path.join(folder, name)
  const data = at('data')
  const lists = at('lists')
  let authority: RunningService
  let crl: string

  before(async () => {
    authority = await startUp(data)
    mkdirSync(at('site'))
    writeFileSync(at('site/index.html'), 'hello')
    await program('issue', 'localhost', '--data', data, '--out', folder)
    await program('issue', 'alice', '--client', '--data', data, '--out', folder)
    await program('issue', 'bob', '--client', '--data', data, '--out', folder)
    const { crlDistributionPoints = [] } = Certificate.parse(
      readFileSync(at('localhost.crt'), 'utf8').split(/(?<=END CERTIFICATE-----\n)/)[0] ?? '',
    ).toPythonDict()
    crl = crlDistributionPoints[0] ?? ''
  })
  after(async () => {
    await authority[Symbol.asyncDispose]()
  })

  async function serving(...args: string[]): Promise<Serving> {
    const command = startProgram([
      'serve',
      at('site'),
      '--https',
      '--verify-user',
      '--listen',
      '127.0.0.1:0',
      '--cert',
      at('localhost.crt'),
      '--key',
      at('localhost.key'),
      '--ca',
      authority.roots,
      '--crl-leaf-only',
      ...args,
    ])
    const [, url = ''] = await command.waitForOutput(/listening on (https:\/\/\S+)/, 30_000)
    return { command, url, [Symbol.asyncDispose]: () => command[Symbol.asyncDispose]() }
  }

  async function statusFor(url: string, client: string): Promise<number> {
    const response = await get(url, {
      ca: authority.roots,
      cert: at(`${client}.crt`),
      key: at(`${client}.key`),
    })
    await response.bytes()
    return response.status
  }

  it('refuses who was revoked there, by the list of its URL', async () => {
    await using server = await serving('--crl', crl, '--crl-every', '1s', '--crl-folder', lists)
    const { url } = server
    assert.equal(await statusFor(url, 'alice'), 200)
    await program('revoke', at('alice.crt'), '--data', data)
    await server.command.waitForOutput(/reloaded trust/)
    assert.equal(await statusFor(url, 'alice'), 403)
    assert.equal(await statusFor(url, 'bob'), 200)
    assert.equal(readdirSync(lists).length, 1)
  })

  it('finds the list by the certificates, where their host is allowed', async () => {
    await using server = await serving('--crl-from', new URL(crl).host)
    const { url } = server
    assert.equal(await statusFor(url, 'bob'), 200)
    await using closed = await serving('--crl-from', 'ca.corp.internal')
    assert.equal(await statusFor(closed.url, 'bob'), 403)
  })

  it('staples what the responder says', async (t) => {
    const openssl = requireTool(t, 'openssl')
    if (openssl === undefined) return
    await using server = await serving('--staple')
    const { url } = server
    const { stdout } = await runCommand(
      openssl,
      [
        's_client',
        '-connect',
        `127.0.0.1:${new URL(url).port}`,
        '-status',
        '-servername',
        'localhost',
        '-CAfile',
        authority.roots,
        '-cert',
        at('bob.crt'),
        '-key',
        at('bob.key'),
      ],
      { input: '' },
    )
    assert.match(stdout, /Cert Status: good/)
    assert.match(stdout, /Verify return code: 0 \(ok\)/)
  })

  it('does not start without the list, unless told to', async () => {
    const gone = crl.replace(/[^/]*$/, 'nobody.crl')
    const args = ['serve', at('site'), '--https', '--verify-user', '--listen', '127.0.0.1:0']
    const files = ['--cert', at('localhost.crt'), '--key', at('localhost.key')]
    const { code, stderr } = await runProgram([
      ...args,
      ...files,
      '--ca',
      authority.roots,
      '--crl',
      gone,
    ])
    assert.equal(code, 1)
    assert.match(stderr, /cannot fetch http:.*nobody\.crl: answered 404/)
    await using server = await serving('--crl', gone, '--crl-later')
    const { url } = server
    assert.equal(await statusFor(url, 'bob'), 403)
    for (const [flags, words] of [
      [['--crl-from', 'ca.corp'], /--crl-from is for servers that ask for client certificates/],
      [['--staple'], /--staple needs HTTPS/],
    ] as const) {
      const refused = await runProgram(['serve', at('site'), ...flags])
      assert.equal(refused.code, 2)
      assert.match(refused.stderr, words)
    }
  })
})

/** Runs the program, which must succeed. */
async function program(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(args)
  assert.equal(code, 0, stderr)
  return stdout
}
