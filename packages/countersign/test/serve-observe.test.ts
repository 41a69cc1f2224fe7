import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { get } from '@countersign/client'
import {
  type RunningCommand,
  runProgram,
  scrubProcess,
  startProgram,
  temporaryFolder,
} from '@countersign/testkit'
import { type IdentityFiles, initAuthority, issue } from './identity-files.ts'

scrubProcess()
const folder = temporaryFolder(after)
const site = path.join(folder, 'site')
let server: IdentityFiles
let ca: string

before(async () => {
  mkdirSync(path.join(site, 'sub'), { recursive: true })
  writeFileSync(path.join(site, 'a.txt'), 'a page\n')
  const data = await initAuthority(folder)
  server = await issue(data, folder, 'localhost')
  ca = readFileSync(server.roots, 'utf8')
})

interface Said {
  url: string
  metrics?: string
  workers?: number[]
}

async function start(...args: string[]): Promise<{ command: RunningCommand; said: Said }> {
  const identity = ['--https', '--cert', server.certificate, '--key', server.key]
  const command = startProgram(
    ['serve', site, '--listen', '127.0.0.1:0', '--json', ...identity, ...args],
    { cwd: folder },
  )
  const [, text = ''] = await command.waitForOutput(/^(\{.*^\})$/ms)
  return { command, said: JSON.parse(text) }
}

async function page(url: string): Promise<number> {
  const response = await get(url, { ca, connectTimeoutMs: 0, timeoutMs: 60_000 })
  await response.bytes()
  return response.status
}

/** Looks again and again, for half a minute at most. */
async function waitUntil(isSo: () => boolean): Promise<void> {
  for (let each = 0; !isSo(); each++) {
    assert.ok(each < 600, 'it did not become so')
    await sleep(50)
  }
}

/** The requests that were answered with 200, as monitoring reads them. */
async function answered(url: string): Promise<number> {
  const text = await (await get(url, { connectTimeoutMs: 0, timeoutMs: 60_000 })).text()
  return Number(/^countersign_requests_total\{method="GET",status="200"\} (\d+)$/m.exec(text)?.[1])
}

/** So many were answered with 200, and no more: an answer is counted once it has been written, which its reader need not wait for. */
async function assertAnswered(url: string, count: number): Promise<void> {
  let seen = await answered(url)
  for (let each = 0; seen < count && each < 600; each++) {
    await sleep(50)
    seen = await answered(url)
  }
  assert.equal(seen, count)
}

/** The paths in a log, once there are so many. */
async function pathsIn(file: string, count: number): Promise<string[]> {
  let lines: string[] = []
  await waitUntil(() => {
    lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.length >= count
  })
  return lines.map((line) => JSON.parse(line).path)
}

describe('serve --access-log and --metrics', () => {
  it('log to a file that is opened again at SIGHUP, and count at a port of their own', async () => {
    const log = path.join(folder, 'access.log')
    const { command, said } = await start('--access-log', log, '--metrics', '127.0.0.1:0')
    await using _ = command
    assert.equal(await page(`${said.url}/a.txt?token=s3cret`), 200)
    assert.deepEqual(await pathsIn(log, 1), ['/a.txt?token=*'])
    await assertAnswered(said.metrics ?? '', 1)
    const lost = await get((said.metrics ?? '').replace('/metrics', '/'), {
      connectTimeoutMs: 0,
      timeoutMs: 60_000,
    })
    assert.equal(lost.status, 404)
    renameSync(log, `${log}.1`)
    command.child.kill('SIGHUP')
    // The file appears once it has been opened again.
    await waitUntil(() => existsSync(log))
    assert.equal(await page(`${said.url}/a.txt`), 200)
    assert.deepEqual(await pathsIn(log, 1), ['/a.txt'])
  })

  it('count at a path, and list a folder, where they are told to', async () => {
    const { command, said } = await start('--metrics', '/numbers', '--listing')
    await using _ = command
    const listing = await get(`${said.url}/`, { ca, connectTimeoutMs: 0, timeoutMs: 60_000 })
    assert.match(await listing.text(), /<a href="\.\/a\.txt">/)
    const numbers = await get(`${said.url}/numbers`, { ca, connectTimeoutMs: 0, timeoutMs: 60_000 })
    assert.match(
      await numbers.text(),
      /^countersign_requests_total\{method="GET",status="200"\} 1$/m,
    )
  })

  it('log to standard output', async () => {
    const { command, said } = await start('--access-log')
    await using _ = command
    assert.equal(await page(`${said.url}/a.txt`), 200)
    await command.waitForOutput(/"path":"\/a\.txt"/)
  })

  it('of several workers are one sum, which never falls', async () => {
    const { command, said } = await start('--workers', '2', '--metrics', '127.0.0.1:0')
    await using _ = command
    for (let each = 0; each < 8; each++) assert.equal(await page(`${said.url}/a.txt`), 200)
    await assertAnswered(said.metrics ?? '', 8)
    const [victim = 0] = said.workers ?? []
    process.kill(victim, 'SIGKILL')
    await command.waitForOutput(/replaced/)
    await assertAnswered(said.metrics ?? '', 8)
    assert.equal(await page(`${said.url}/a.txt`), 200)
    await assertAnswered(said.metrics ?? '', 9)
  })

  it('stop the start where they cannot be', async () => {
    const nowhere = path.join(folder, 'no', 'such', 'file')
    const logless = await runProgram(['serve', site, '--access-log', nowhere])
    assert.equal(logless.code, 1, logless.stderr)
    assert.match(logless.stderr, /error: the access log .*ENOENT/)
    const unclear = await runProgram(['serve', site, '--metrics', 'numbers'])
    assert.match(unclear.stderr, /--metrics: "numbers" is not an address/)
    const workers = ['--workers', '2', '--metrics', '/numbers']
    const pathless = await runProgram(['serve', site, ...workers])
    assert.equal(pathless.code, 2)
    assert.match(pathless.stderr, /hint: {2}.*--metrics 127\.0\.0\.1:9464/)
  })
})
