import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import {
  type RunningCommand,
  scrubProcess,
  startProgram,
  temporaryFolder,
  testAuthority,
  type TestIdentity,
} from '@countersign/testkit'

scrubProcess()

const folder = temporaryFolder(after)
const site = path.join(folder, 'site')
const authority = testAuthority()
const other = testAuthority()
const alice = authority.issue({ names: ['alice'], client: true })
const bob = authority.issue({ names: ['bob'], client: true })
const ca = authority.rootPem

mkdirSync(site)
writeFileSync(path.join(site, 'index.html'), 'a page\n')

interface Site {
  readonly command: RunningCommand
  readonly port: number
  readonly pids: number[]
}

async function start(...args: string[]): Promise<Site> {
  const command = startProgram(
    ['serve', site, '--listen', '127.0.0.1:0', '--https', '--workers', '2', '--json', ...args],
    { cwd: folder },
  )
  const [, text = ''] = await command.waitForOutput(/^(\{.*\})$/ms)
  const said: { url: string; workers: number[] } = JSON.parse(text)
  return { command, port: Number(new URL(said.url).port), pids: said.workers }
}

/** The files that a server reads, written anew. */
function write(swap: number, revoked: readonly TestIdentity[] = []): string[] {
  const identity = authority.issue({ names: ['localhost'] })
  const files = {
    'server.crt': identity.chainPem,
    'server.key': identity.keyPem,
    // With the issuer, so that a connection that is open can be judged again without its client's chain.
    'ca.crt': ca + authority.issuerPem + (swap % 2 === 0 ? '' : other.rootPem),
    'clients.crl': authority.crlPem({ revoked: revoked.map(({ certificate }) => certificate) }),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text)
  return ['--cert', 'server.crt', '--key', 'server.key', '--ca', 'ca.crt', '--crl', 'clients.crl']
}

/** What a request came to; a fault of the connection is a value as well, since each is counted. */
type Outcome = number | string

async function ask(port: number, agent: Agent | false, identity?: TestIdentity): Promise<Outcome> {
  const own = identity && { cert: identity.chainPem, key: identity.keyPem }
  const outgoing = request({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    headers: { host: 'localhost' },
    ca,
    agent,
    timeout: 30_000,
    ...own,
  })
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  outgoing.on('error', (error) => {
    resolve(`${outgoing.reusedSocket ? 'open' : 'new'} connection: ${error.message}`)
  })
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
  outgoing.on('response', (incoming) => {
    incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0))
  })
  outgoing.end()
  return await promise
}

/** Clients that ask again as soon as they were answered: half of them on a connection that they keep. */
class Load implements AsyncDisposable {
  readonly failed: Outcome[] = []
  answered = 0
  #stopped = false
  readonly #clients: Promise<void>[]

  constructor(port: number, clients: number, identity?: TestIdentity) {
    this.#clients = Array.from({ length: clients }, async (_, index) => {
      const agent = index % 2 === 0 ? new Agent({ keepAlive: true, maxSockets: 1 }) : false
      while (!this.#stopped) {
        const outcome = await ask(port, agent, identity)
        if (outcome === 200) this.answered++
        else this.failed.push(outcome)
        await turn()
      }
      if (agent !== false) agent.destroy()
    })
  }

  /** Waits until so many more requests have been answered. */
  async more(count: number): Promise<void> {
    const goal = this.answered + count
    while (this.answered < goal && this.failed.length < 1000) await turn()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#clients)
  }
}

/** A connection that stays open for one request after the other. */
async function open(port: number, identity: TestIdentity, session?: Buffer): Promise<TLSSocket> {
  const { chainPem: cert, keyPem: key } = identity
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    ca,
    cert,
    key,
    session,
  })
  await once(socket, 'secureConnect')
  return socket
}

async function statusOn(socket: TLSSocket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
    const [, status] = /^HTTP\/1\.1 (\d{3}) [\s\S]*\r\n\r\n/.exec(text) ?? []
    if (status !== undefined) resolve(status)
  }
  socket.on('data', onData)
  socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)))
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  try {
    return await promise
  } finally {
    socket.off('data', onData)
  }
}

/** What the SIGHUP of this number came to, as the program says it. */
async function reloaded(command: RunningCommand, count: number): Promise<string> {
  const [text] = await command.waitForOutput(
    new RegExp(`(?:SIGHUP: [^\\n]*\\n[\\s\\S]*?){${count}}`),
  )
  return text.trim().split('\n').at(-1) ?? ''
}

const CLIENTS = 6

describe('serve --workers under load', () => {
  it('loses no more than a killed worker was answering', async () => {
    const { command, port, pids } = await start(...write(0).slice(0, 4))
    await using _ = command
    await using load = new Load(port, CLIENTS)
    for (const [killed, pid] of pids.entries()) {
      await load.more(50)
      process.kill(pid, 'SIGKILL')
      await command.waitForOutput(
        new RegExp(`(?:worker \\d+ ended \\(SIGKILL\\): replaced[\\s\\S]*){${killed + 1}}`),
      )
      await load.more(50)
    }
    const { failed } = load
    assert.ok(failed.length <= CLIENTS * pids.length, String(failed))
    // Reset when its worker died; nobody waits for an answer that will not come.
    for (const fault of failed)
      assert.match(String(fault), /ECONNRESET|socket hang up|EPIPE|disconnected before/)
    await load[Symbol.asyncDispose]()
    assert.equal(await command.stop(), 0)
  })

  it('reloads key, authorities and lists in all workers without a failed request', async () => {
    const { command, port } = await start('--verify-user', '--no-watch', ...write(0))
    await using _ = command
    await using load = new Load(port, CLIENTS, alice)
    for (let swap = 1; swap <= 20; swap++) {
      await load.more(10)
      write(swap)
      command.child.kill('SIGHUP')
      assert.match(await reloaded(command, swap), /reloaded certificate and trust, in 2 workers/)
    }
    assert.deepEqual(load.failed, [])
    await load[Symbol.asyncDispose]()
    assert.equal(await command.stop(), 0)
  })

  it('refuses a revoked client on its open, resumed and new connections once all have reloaded', async () => {
    const { command, port } = await start('--verify-user', '--no-watch', ...write(0))
    await using _ = command
    // In turn: two at each worker.
    const kept = []
    for (let count = 0; count < 4; count++) kept.push(await open(port, bob))
    for (const socket of kept) assert.equal(await statusOn(socket), '200')
    const first = await open(port, bob)
    const arrived = once(first, 'session')
    assert.equal(await statusOn(first), '200')
    const [session]: Buffer[] = await arrived
    first.destroy()
    const friend = await open(port, alice)
    assert.equal(await statusOn(friend), '200')
    write(0, [bob])
    command.child.kill('SIGHUP')
    assert.match(await reloaded(command, 1), /, in 2 workers/)
    for (const socket of kept) assert.equal(await statusOn(socket), '403')
    for (let count = 0; count < 4; count++) {
      const resumed = await open(port, bob, session)
      assert.equal(await statusOn(resumed), '403')
      resumed.destroy()
      assert.equal(await ask(port, false, bob), 403)
    }
    assert.equal(await statusOn(friend), '200')
    friend.destroy()
    assert.equal(await command.stop(), 0)
  })

  it('goes on as before, in all workers, where one cannot use what it finds', async () => {
    const { command, port } = await start('--no-watch', ...write(0).slice(0, 4))
    await using _ = command
    writeFileSync(path.join(folder, 'server.key'), 'no key\n')
    command.child.kill('SIGHUP')
    assert.match(
      await reloaded(command, 1),
      /not reloaded, all workers go on as before: .*server\.key/,
    )
    for (let count = 0; count < 4; count++) assert.equal(await ask(port, false), 200)
    assert.equal(await command.stop(), 0)
  })

  it('ends without an unanswered request, within its deadline, with 0', async () => {
    const { command, port } = await start(...write(0).slice(0, 4))
    await using _ = command
    const load = new Load(port, CLIENTS)
    await load.more(100)
    const before = load.failed.length
    assert.equal(await command.stop(), 0)
    await load[Symbol.asyncDispose]()
    assert.equal(before, 0)
    // Nobody listens any more. A client that was asleep for longer than its connection was kept asks again, as every client does.
    const refused = /ECONNREFUSED|ECONNRESET|socket hang up|disconnected before/
    for (const fault of load.failed) assert.match(String(fault), refused)
  })
})
