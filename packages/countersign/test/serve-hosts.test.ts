import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import path from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { after, describe, it } from 'node:test'
import {
  type RunningCommand,
  scrubProcess,
  startProgram,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'

scrubProcess()

const folder = temporaryFolder(after)
const at = (name: string): string => path.join(folder, name)
const authority = testAuthority()
const ca = authority.rootPem
const { certificate: cert, key } = authority
  .issue({ names: ['localhost', 'ops.corp'] })
  .write(folder, 'server')
const ada = authority.issue({ names: ['ada'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })

mkdirSync(at('site'))
writeFileSync(at('site/index.html'), 'hello')
writeFileSync(at('ca.pem'), ca)
writeFileSync(at('secret'), new Uint8Array(32).fill(9), { mode: 0o600 })
const OPS = '["ops.corp"]\nca = "ca.pem"\nverifyUser = true\n'

async function start(...args: string[]): Promise<{ command: RunningCommand; port: number }> {
  const files = ['--cert', cert, '--key', key, '--ticket-secret', at('secret')]
  const where = ['serve', at('site'), '--https', '--listen', '127.0.0.1:0']
  const command = startProgram([...where, ...files, ...args])
  const [, port = ''] = await command.waitForOutput(/listening on https:\S+:(\d+)/)
  return { command, port: Number(port) }
}

async function statusOf(
  port: number,
  servername: string,
  client?: { chainPem: string; keyPem: string },
  method = 'GET',
): Promise<number | undefined> {
  const own = client === undefined ? {} : { cert: client.chainPem, key: client.keyPem }
  const headers = { host: servername, ...(method === 'POST' ? { 'content-length': 2000 } : {}) }
  const to = { host: '127.0.0.1', port, servername, ca, agent: false, method, headers, ...own }
  const outgoing = request(to)
  outgoing.on('error', () => {})
  if (method === 'POST') outgoing.flushHeaders()
  else outgoing.end()
  const [incoming]: import('node:http').IncomingMessage[] = await once(outgoing, 'response')
  outgoing.destroy()
  return incoming?.statusCode
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ...options })
  await once(socket, 'secureConnect')
  return socket
}

describe('countersign serve --hosts', () => {
  it('has rules for each host, follows its file, and keeps limits and tickets for all', async () => {
    writeFileSync(at('hosts.toml'), OPS)
    const one = await start('--hosts', at('hosts.toml'), '--limit', 'bodyBytes=1K')
    await using _ = one.command
    assert.equal(await statusOf(one.port, 'localhost'), 200)
    assert.equal(await statusOf(one.port, 'ops.corp'), 403)
    assert.equal(await statusOf(one.port, 'ops.corp', bob), 200)
    assert.equal(await statusOf(one.port, 'localhost', undefined, 'POST'), 413)

    writeFileSync(at('next.toml'), `${OPS}permit = { spiffe = "spiffe://testing/ada" }\n`)
    renameSync(at('next.toml'), at('hosts.toml'))
    await one.command.waitForOutput(/reloaded settings/)
    assert.equal(await statusOf(one.port, 'ops.corp', bob), 403)
    assert.equal(await statusOf(one.port, 'ops.corp', ada), 200)

    writeFileSync(at('next.toml'), '["ops.corp"]\nverify = true\n')
    renameSync(at('next.toml'), at('hosts.toml'))
    await one.command.waitForOutput(/not reloaded, going on as before: .*"verify"/)
    assert.equal(await statusOf(one.port, 'ops.corp', bob), 403)

    const two = await start('--permit', 'dns=nobody.corp')
    await using other = two.command
    await other.waitForOutput(/--permit is about client certificates/)
    const first = await handshake(one.port)
    const [session]: Buffer[] = await once(first, 'session')
    first.destroy()
    assert.ok(session)
    const second = await handshake(two.port, { session })
    assert.equal(second.isSessionReused(), true)
    second.destroy()
  })
})
