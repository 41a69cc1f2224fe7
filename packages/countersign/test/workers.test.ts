import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import path from 'node:path'
import { connect } from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { get } from '@countersign/client'
import {
  type RunningCommand,
  runProgram,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

const folder = temporaryFolder(after)
const site = path.join(folder, 'site')
let server: IdentityFiles
let ca: string

before(async () => {
  mkdirSync(site)
  writeFileSync(path.join(site, 'index.html'), 'a page\n')
  const data = await initAuthority(folder)
  server = await issue(data, folder, 'localhost')
  ca = readFileSync(server.roots, 'utf8')
})

async function start(): Promise<{ command: RunningCommand; url: string; pids: number[] }> {
  const command = startProgram(
    [
      'serve',
      site,
      '--listen',
      '127.0.0.1:0',
      '--https',
      '--workers',
      '2',
      '--json',
      '--cert',
      server.certificate,
      '--key',
      server.key,
    ],
    { cwd: folder },
  )
  const [, text = ''] = await command.waitForOutput(/^(\{.*\})$/ms)
  const said: { url: string; workers: number[] } = JSON.parse(text)
  return { command, url: said.url, pids: said.workers }
}

async function page(url: string): Promise<number> {
  const response = await get(url, { ca, connectTimeoutMs: 0, timeoutMs: 60_000 })
  return response.status
}

describe('serve --workers', () => {
  it('serves on when a worker is killed, puts another in its place, and ends with 0', async () => {
    const { command, url, pids } = await start()
    assert.equal(pids.length, 2)
    assert.equal(await page(url), 200)
    process.kill(pids[0] ?? 0, 'SIGKILL')
    await command.waitForOutput(/worker \d+ ended \(SIGKILL\): replaced/)
    for (let count = 0; count < 20; count++) assert.equal(await page(url), 200)
    assert.equal(await command.stop('SIGTERM'), 0)
  })

  it('ends with 0 while a worker is only starting', async () => {
    const { command, pids } = await start()
    process.kill(pids[0] ?? 0, 'SIGKILL')
    await command.waitForOutput(/worker \d+ ended \(SIGKILL\): replaced/)
    assert.equal(await command.stop('SIGTERM'), 0)
  })

  it('resumes the sessions of one worker at the other', async () => {
    const { command, url } = await start()
    const { port } = new URL(url)
    let session: Buffer | undefined
    let resumed = 0
    for (let count = 0; count < 11; count++) {
      const socket = connect({
        host: '127.0.0.1',
        servername: 'localhost',
        port: Number(port),
        ca,
        session,
      })
      socket.on('session', (fresh) => {
        session ??= fresh
      })
      await once(socket, 'secureConnect')
      if (socket.isSessionReused()) resumed++
      const closed = once(socket.resume(), 'close')
      socket.end('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
      await closed
    }
    assert.equal(resumed, 10)
    assert.equal(await command.stop('SIGTERM'), 0)
  })

  it('says why where no worker can serve', async () => {
    const { code, stderr } = await runProgram(
      [
        'serve',
        site,
        '--listen',
        '127.0.0.1:0',
        '--https',
        '--workers',
        '2',
        '--cert',
        'nope.crt',
        '--key',
        'nope.key',
      ],
      { cwd: folder },
    )
    assert.equal(code, 1)
    assert.match(stderr, /there is no file nope\.crt/)
  })

  it('does not make a certificate for each', async () => {
    const { code, stderr } = await runProgram(['serve', site, '--adhoc', '--workers', '2'])
    assert.equal(code, 2)
    assert.match(stderr, /--adhoc makes a certificate for one process/)
  })
})
