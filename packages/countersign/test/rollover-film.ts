/**
 * The rollover film: clients and servers under mutual TLS, and `countersign up` beside them, while the root is rolled over and
 * retired, the issuer is rolled over and retired, and the issuer renews itself; whoever does any of it is killed at every step.
 * Everybody renews at a time of their own. Every handshake counts, and every one that fails is kept with its reason.
 *
 * The suite shows it with a few; `bench/rollover-film.ts` with fifty.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Authority, openAuthority } from '@countersign/authority'
import { type Server, serve } from '@countersign/server'
import { type Store } from '@countersign/store'
import { startCommand } from '@countersign/testkit'
import { connect, createDefaultContext, type TlsContext } from '@countersign/tls'
import { type Certificate, PrivateKey } from '@countersign/x509'
import { dataFolder } from '../src/data-folder.ts'
import { openDataStore } from '../src/open-data.ts'
import { startUp } from './running-service.ts'

/** How big the film is. */
export interface FilmOptions {
  readonly data: string
  readonly clients: number
  readonly servers: number
  /** How many handshakes each client makes before the next thing happens. */
  readonly handshakes: number
  /** Where whoever changes something is killed: at every step, or only after its commit, before any file has followed. */
  readonly killed: 'everywhere' | 'after the commit'
  /** Told what happens. */
  readonly onScene?: (scene: string, figures: FilmFigures) => void
}

/** What came of it. */
export interface FilmFigures {
  readonly handshakes: number
  readonly failures: readonly string[]
  readonly kills: number
}

/** Shows the whole film. */
export async function showFilm(options: FilmOptions): Promise<FilmFigures> {
  await using up = await startUp(options.data)
  await using store: Store = await openDataStore(dataFolder(options.data))
  const authority = await openAuthority({ store, folder: options.data })
  await using film = await Film.prepare(options, authority, new URL(up.url))
  await film.scene('before')

  await film.change('the root is rolled over', 'roll', 'root', ['after-1', 'before-2', 'after-2'])
  // Whoever checks lists, as the service does, needs those of the new generation before certificates of it are shown to it.
  await film.serviceHasMoved()
  await film.everyoneMoves('both')
  // Servers send the cross-certificate by now: who comes new needs nothing but the new root.
  await film.newcomers()
  await film.change('the root is retired', 'retire', 'root', ['before-1', 'after-1'])
  await film.everyoneMoves('new')

  await film.change('the issuer is rolled over', 'roll', 'issuer', [
    'after-1',
    'before-2',
    'after-2',
  ])
  await film.serviceHasMoved()
  await film.everyoneMoves('new')
  await film.change('the issuer is retired', 'retire', 'issuer', ['before-1', 'after-1'])

  await film.change('the issuer is renewed', 'upkeep', 'issuer', ['before-1', 'after-1'])
  await film.serviceHasMoved()
  await film.everyoneMoves('new')
  return film.figures()
}

/** A client, with what it trusts and who it is. */
interface Client {
  readonly name: string
  readonly key: PrivateKey
  context: TlsContext
  done: number
}

/** A server, which asks every client for a certificate. */
interface Host {
  readonly name: string
  readonly key: PrivateKey
  readonly server: Server
}

class Film implements AsyncDisposable {
  readonly #options: FilmOptions
  readonly #authority: Authority
  readonly #service: URL
  readonly #clients: Client[] = []
  readonly #hosts: Host[] = []
  readonly #failures: string[] = []
  #running: Promise<unknown> = Promise.resolve()
  #isOver = false
  #handshakes = 0
  #kills = 0

  private constructor(options: FilmOptions, authority: Authority, service: URL) {
    this.#options = options
    this.#authority = authority
    this.#service = service
  }

  static async prepare(options: FilmOptions, authority: Authority, service: URL): Promise<Film> {
    const film = new Film(options, authority, service)
    for (let index = 0; index < options.servers; index++)
      await film.#addHost(`s${index}.film.internal`)
    for (let index = 0; index < options.clients; index++) {
      const key = await PrivateKey.generate('p256')
      const name = `client-${index}`
      const context = await film.#clientContext(name, key, authority.roots)
      film.#clients.push({ name, key, context, done: 0 })
    }
    film.#running = Promise.all(film.#clients.map(async (client) => film.#play(client)))
    return film
  }

  figures(): FilmFigures {
    return { handshakes: this.#handshakes, failures: this.#failures, kills: this.#kills }
  }

  /** Waits until every client has made so many more handshakes. */
  async scene(name: string): Promise<void> {
    const { handshakes, onScene } = this.#options
    const until = this.#clients.map(({ done }) => done + handshakes)
    while (this.#clients.some(({ done }, index) => done < (until[index] ?? 0))) await sleep(5)
    onScene?.(name, this.figures())
  }

  /** Somebody changes the authority and is killed at each of these points, the last of them after the commit. */
  async change(
    name: string,
    action: 'roll' | 'retire' | 'upkeep',
    kind: 'root' | 'issuer',
    stops: readonly string[],
  ): Promise<void> {
    const chosen = this.#options.killed === 'everywhere' ? stops : stops.slice(-1)
    for (const stop of chosen) {
      assert.equal((await this.#child(action, kind, stop)).signal, 'SIGKILL')
      this.#kills++
      await this.scene(`${name}, killed ${stop}`)
    }
    // The last one was killed after its commit: there is nothing left to do.
    if (action === 'upkeep') await this.#authority.refresh()
    else if (action === 'roll') await refused(this.#authority.roll(kind), 'rollover-underway')
    else await refused(this.#authority.retire(kind, { force: true }), 'rollover-missing')
    await this.scene(name)
  }

  /** Servers and clients get new certificates and roots, one after the other, in no order. */
  async everyoneMoves(trust: 'both' | 'new'): Promise<void> {
    const moves = [
      ...this.#hosts.map((host) => async () => this.#moveHost(host)),
      // Some clients keep what they have until everybody else has moved.
      ...this.#clients
        .filter((_, index) => trust === 'new' || index % 3 !== 0)
        .map((client) => async () => this.#moveClient(client)),
    ]
    const pause = Math.max(1, Math.floor(moves.length / 6))
    for (const [index, move] of shuffled(moves).entries()) {
      await move()
      if (index % pause === 0) await this.scene('some have moved')
    }
    await this.scene('everybody has moved')
  }

  /** One client in three has nothing but the newest root from now on, and all others have both. */
  async newcomers(): Promise<void> {
    const [newest] = this.#authority.roots
    assert.ok(newest !== undefined)
    for (const [index, client] of this.#clients.entries()) {
      if (index % 3 === 1)
        client.context = await this.#clientContext(client.name, client.key, [newest])
    }
    await this.scene('some clients have the new root alone')
    for (const [index, client] of this.#clients.entries()) {
      if (index % 3 !== 1) await this.#moveClient(client)
    }
    await this.scene('nobody has the old root alone')
  }

  /** Waits until `countersign up` sends the chain of now and takes certificates of now; these calls do not count. */
  async serviceHasMoved(): Promise<void> {
    const [client] = this.#clients
    assert.ok(client !== undefined)
    const issuer = this.#authority.issuer.fingerprint
    const context = await this.#clientContext('probe', client.key, this.#authority.roots)
    for (;;) {
      const seen = await this.#issuersOf(context)
      if (seen.has(issuer) && (await this.#isTaken(context))) return
      await sleep(50)
    }
  }

  async #issuersOf(context: TlsContext): Promise<Set<string>> {
    await using socket = await connect({ ...this.#serviceAddress(), context })
    return new Set(socket.peer.chain.map(({ fingerprint }) => fingerprint))
  }

  async #isTaken(context: TlsContext): Promise<boolean> {
    try {
      await ask({ ...this.#serviceAddress(), context }, '/healthz')
      return true
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('HTTP/1.1 403')) return false
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#running
    for (const { server } of this.#hosts) await server.close()
  }

  async #play(client: Client): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      const index = (turn + this.#clients.indexOf(client)) % (this.#hosts.length + 1)
      const host = this.#hosts[index]
      try {
        await (host === undefined ? this.#callService(client) : this.#call(client, host))
      } catch (error) {
        this.#failures.push(`${client.name} to ${host?.name ?? 'up'}: ${String(error)}`)
      }
      this.#handshakes++
      client.done++
      await sleep(10)
    }
  }

  async #call({ context }: Client, { name, server }: Host): Promise<void> {
    await ask({ host: '127.0.0.1', port: server.port, serverName: name, context }, '/')
  }

  async #callService({ context }: Client): Promise<void> {
    await ask({ ...this.#serviceAddress(), context }, '/healthz')
  }

  #serviceAddress(): { host: string; port: number; serverName: string } {
    return { host: '127.0.0.1', port: Number(this.#service.port), serverName: 'localhost' }
  }

  async #addHost(name: string): Promise<void> {
    const key = await PrivateKey.generate('p256')
    const sources = await this.#hostSources(name, key)
    const server = await serve(() => new Response('here'), {
      https: true,
      verifyUser: true,
      ...sources,
    })
    this.#hosts.push({ name, key, server })
  }

  async #moveHost({ name, key, server }: Host): Promise<void> {
    await server.reload(await this.#hostSources(name, key))
  }

  async #moveClient(client: Client): Promise<void> {
    client.context = await this.#clientContext(client.name, client.key, this.#authority.roots)
  }

  async #hostSources(
    name: string,
    key: PrivateKey,
  ): Promise<{ cert: string; key: string; ca: string }> {
    const { rootsPem } = this.#authority
    const cert = await this.#issue(name, key, 'server')
    return { cert: pemOf(cert), key: key.toPem(), ca: rootsPem }
  }

  async #clientContext(
    name: string,
    key: PrivateKey,
    roots: readonly Certificate[],
  ): Promise<TlsContext> {
    const cert = await this.#issue(name, key, 'client')
    return createDefaultContext({ ca: pemOf(roots), cert: pemOf(cert), key: key.toPem() })
  }

  async #issue(
    name: string,
    key: PrivateKey,
    profile: 'server' | 'client',
  ): Promise<readonly Certificate[]> {
    const issued = await this.#authority.issue({
      names: [name],
      publicKey: key.publicKey,
      profile,
      requester: 'film',
    })
    return issued.chain
  }

  async #child(...args: readonly string[]): Promise<{ signal: string | null }> {
    const { data } = this.#options
    const url = `sqlite:${dataFolder(data).database}`
    await using command = startCommand(process.execPath, [
      '--conditions=@countersign/source',
      fileURLToPath(new URL('../../authority/test/child/roll.ts', import.meta.url)),
      url,
      data,
      ...args,
    ])
    const { signal } = await command.ended
    return { signal }
  }
}

/** One connection with one request: under TLS 1.3 only the answer says that the server has accepted the client. */
async function ask(
  where: { host: string; port: number; serverName: string; context: TlsContext },
  path: string,
): Promise<void> {
  await using socket = await connect({ ...where, timeoutMs: 60_000 })
  await socket.write(
    `GET ${path} HTTP/1.1\r\nhost: ${where.serverName}\r\nconnection: close\r\n\r\n`,
  )
  const bytes = await socket.read(undefined, { timeoutMs: 60_000 })
  const [line = ''] = Buffer.from(bytes ?? new Uint8Array())
    .toString()
    .split('\r\n', 1)
  if (line !== 'HTTP/1.1 200 OK') throw new Error(line)
}

async function refused(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, { code })
}

function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ pem }) => pem).join('')
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
