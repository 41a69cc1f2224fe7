import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { get } from '@countersign/client'
import {
  outsideTool,
  type RunningCommand,
  runCommand,
  scrubEnvironment,
  scrubProcess,
  startCommand,
  temporaryFolder,
} from '@countersign/testkit'
import { startActivated } from './activated.ts'

scrubProcess()

const folder = temporaryFolder(after)
writeFileSync(path.join(folder, 'index.html'), 'a page\n')
const bin = fileURLToPath(new URL('../bin/countersign.js', import.meta.url))
const old = ['/usr/local/bin/node', '/usr/bin/node', outsideTool('node')].find((file) => {
  const major = file === undefined ? undefined : majorOf(file)
  return major !== undefined && major >= 18 && major < 24
})
const needed = old === undefined && 'needs a Node older than 24'
const SERVE = [bin, 'serve', folder, '--listen', '127.0.0.1:0']
const LISTENING = /listening on (http:\S+)/
const STOPPING = /^SIGTERM: answering what is under way, then stopping$/gm

/** Holds up the newer Node for good. */
const BUSY = `
if (Number.parseInt(process.versions.node, 10) >= 24) {
  require('node:fs').writeSync(1, 'busy\\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
`

/** `countersign serve` under the older Node, listening. */
async function startServe(): Promise<RunningCommand> {
  const command = startCommand(old ?? '', SERVE)
  await command.waitForOutput(LISTENING)
  return command
}

describe('an older Node that starts the shipped program', { skip: needed }, () => {
  it('finds the one that will do, and gives it the command line', async () => {
    const { code, stdout } = await runCommand(old ?? '', [bin, '--version'])
    assert.equal(code, 0)
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })

  it('ends with the exit code of the command', async () => {
    assert.equal((await runCommand(old ?? '', [bin, 'show', '/missing'])).code, 1)
    assert.equal((await runCommand(old ?? '', [bin, 'no-such-command'])).code, 2)
  })
})

describe('signals to an older Node', { skip: needed || process.platform === 'win32' }, () => {
  it('SIGTERM lets the service stop in its own time, and ends as it does', async () => {
    await using command = await startServe()
    const [, url = ''] = LISTENING.exec(command.stdout() + command.stderr()) ?? []
    assert.equal(await (await get(url)).text(), 'a page\n')
    // Resolves once nobody holds the output any more: not before the service has ended.
    assert.equal(await command.stop('SIGTERM'), 0)
    assert.equal([...(command.stdout() + command.stderr()).matchAll(STOPPING)].length, 1)
  })

  it('what both processes are told counts once, as Ctrl-C on a terminal', async () => {
    const child = spawn(old ?? '', SERVE, {
      detached: true,
      env: scrubEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = once(child, 'close')
    try {
      let said = ''
      const { promise: listening, resolve } = Promise.withResolvers<void>()
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (LISTENING.test(said)) resolve()
        })
      }
      await Promise.race([listening, ended])
      assert.match(said, LISTENING)
      // To every process of the group.
      process.kill(-(child.pid ?? Number.NaN), 'SIGTERM')
      assert.deepEqual(await ended, [0, null])
      assert.equal([...said.matchAll(STOPPING)].length, 1)
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('the service stops where the process above is killed', async () => {
    await using command = await startServe()
    assert.equal(await command.stop('SIGKILL'), null)
    assert.match(command.stdout() + command.stderr(), STOPPING)
  })

  it('a signal that nobody listens to ends both', async () => {
    await using command = await startServe()
    assert.equal(await command.stop('SIGUSR2'), null)
    assert.deepEqual(await command.ended, { code: null, signal: 'SIGUSR2' })
  })

  it('a command that is held up ends when it is told again', async () => {
    const busy = path.join(folder, 'busy.cjs')
    writeFileSync(busy, BUSY)
    await using command = startCommand(old ?? '', [bin, '--version'], {
      env: { NODE_OPTIONS: `--require ${busy}` },
    })
    await command.waitForOutput('busy')
    const again = setInterval(() => command.child.kill('SIGTERM'), 100)
    const { signal } = await command.ended.finally(() => clearInterval(again))
    assert.equal(signal, 'SIGTERM')
  })

  it('a socket that systemd opened is passed on, and one for another process is not', async () => {
    await using activated = await startActivated([old ?? '', bin, 'serve', folder], { cwd: folder })
    const response = await get(`http://127.0.0.1:${activated.port}/`, {
      connectTimeoutMs: 0,
      timeoutMs: 30_000,
    })
    assert.equal(await response.text(), 'a page\n')
    assert.equal(await activated.stop(), 0)

    await using other = await startActivated([old ?? '', ...SERVE], { cwd: folder, forPid: '1' })
    await once(other.child.stdout ?? other.child, 'data')
    const [, url = ''] = LISTENING.exec(other.stdout()) ?? []
    assert.notEqual(Number(new URL(url).port), other.port)
    assert.equal(await other.stop(), 0)
  })
})

/** The major version of a Node, or `undefined` where there is none. */
function majorOf(file: string): number | undefined {
  try {
    const version = execFileSync(file, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return Number(/^v(\d+)/.exec(version)?.[1])
  } catch {
    return undefined
  }
}
