/**
 * Servers under load, each in a process of its own, measured by the CPU time that one request costs them: on a shared
 * machine that says more than requests per second, which also count the neighbours.
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'

/** What a subject's process sends once it listens. */
export interface Listening {
  port: number
  /** The PEM root that its certificate ends in. */
  ca: string
  /** Sent with every request. */
  cookie?: string | undefined
  /** What the client presents. */
  client?: { cert: string; key: string } | undefined
}

/** A server in its own process. */
export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #listening: Listening

  private constructor(child: ChildProcess, listening: Listening) {
    this.#child = child
    this.#listening = listening
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Where it listens, and what it wants to be sent. */
  get listening(): Listening {
    return this.#listening
  }

  /** Starts `bench/<file>` with one argument, the subject's name. */
  static async start(file: string, subject: string): Promise<ServerProcess> {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), [subject], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'json',
    })
    const { promise, resolve, reject } = Promise.withResolvers<Listening>()
    child.once('message', (message: Listening) => {
      resolve(message)
    })
    child.once('exit', (code) => {
      reject(new Error(`${file} ${subject} ended with ${code}`))
    })
    const server = new ServerProcess(child, await promise)
    // V8 compiles on the way: what is measured is a server that has been running for a while.
    await server.requestsPerCpuSecond(20_000)
    return server
  }

  /**
   * Requests per second of the server's CPU time, over `requests` keep-alive GETs on 32 connections. They are opened before
   * and closed afterwards: a handshake costs as much as fifteen requests, and would make every server look more alike.
   */
  async requestsPerCpuSecond(requests = 4000): Promise<number> {
    const sockets = await Promise.all(
      Array.from({ length: 32 }, async () => openConnection(this.#listening)),
    )
    const before = await this.#cpuSeconds()
    let left = requests
    const take = (): boolean => left-- > 0
    await Promise.all(
      sockets.map(async (socket) => runConnection(socket, this.#listening.cookie, take)),
    )
    const used = (await this.#cpuSeconds()) - before
    for (const socket of sockets) socket.end()
    return requests / used
  }

  /**
   * New connections per second of the server's CPU time, each with one GET, eight at once.
   *
   * @param resumed - whether each resumes the session of a connection before
   */
  async connectionsPerCpuSecond(connections = 300, resumed = false): Promise<number> {
    const session = resumed ? await this.#session() : undefined
    const before = await this.#cpuSeconds()
    let left = connections
    const client = async (): Promise<void> => {
      while (left-- > 0) {
        const socket = await openConnection(this.#listening, session)
        if (socket.isSessionReused() !== resumed) throw new Error(`resumed: ${!resumed}`)
        let asked = false
        await runConnection(socket, undefined, () => !asked && (asked = true))
        socket.destroy()
      }
    }
    await Promise.all(Array.from({ length: 8 }, client))
    return connections / ((await this.#cpuSeconds()) - before)
  }

  /** Has it accept some thousand connections first: V8 compiles that path only after as many. */
  async warmConnections(connections = 3000, resumed = false): Promise<this> {
    await this.connectionsPerCpuSecond(connections, resumed)
    return this
  }

  /** Asks the process for something else, and answers what it sent back. */
  async ask(question: string): Promise<number> {
    this.#child.send(question)
    const [answer]: number[] = await once(this.#child, 'message')
    return answer ?? Number.NaN
  }

  async #session(): Promise<Buffer | undefined> {
    const socket = await openConnection(this.#listening)
    const arrived = once(socket, 'session')
    socket.resume()
    const [session]: Buffer[] = await arrived
    socket.destroy()
    return session
  }

  async #cpuSeconds(): Promise<number> {
    this.#child.send('cpu')
    const [usage]: NodeJS.CpuUsage[] = await once(this.#child, 'message')
    return ((usage?.user ?? 0) + (usage?.system ?? 0)) / 1e6
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    await once(this.#child, 'exit')
  }
}

/** The other side of {@link ServerProcess}: tells where it listens and answers with the CPU time used so far. */
export function reportTo(
  parent: NodeJS.Process,
  listening: Listening,
  answer?: (question: string) => Promise<number>,
): void {
  parent.on('message', (question: string) => {
    if (question === 'cpu' || answer === undefined) parent.send?.(process.cpuUsage())
    else void answer(question).then((value) => parent.send?.(value))
  })
  parent.send?.(listening)
}

/** The port of a server that listens on TCP. */
export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

/** A connection of a client, its handshake done. */
export async function openConnection(
  { port, ca, client }: Listening,
  session?: Buffer,
): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca,
    servername: 'localhost',
    ...client,
    ...(session === undefined ? {} : { session }),
  })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends a GET as soon as the answer to the one before is whole, for as long as `take` says so. */
export async function runConnection(
  socket: TLSSocket,
  cookie: string | undefined,
  take: () => boolean,
): Promise<void> {
  const request = `GET / HTTP/1.1\r\nhost: localhost\r\n${cookie === undefined ? '' : `cookie: ${cookie}\r\n`}\r\n`
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let expected = -1
  let received = 0
  const next = (): void => {
    if (!take()) {
      resolve()
      return
    }
    expected = -1
    received = 0
    socket.write(request)
  }
  socket.on('data', (chunk: Buffer) => {
    if (expected < 0) {
      const text = chunk.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(text)?.[1]
      if (!text.startsWith('HTTP/1.1 200') || head < 0 || length === undefined) {
        reject(new Error(`unexpected answer: ${text.slice(0, 200)}`))
        return
      }
      expected = head + 4 + Number(length)
    }
    received += chunk.length
    if (received >= expected) next()
  })
  socket.on('error', reject)
  socket.on('close', () => {
    reject(new Error('the server closed a connection under load'))
  })
  next()
  await promise
}
