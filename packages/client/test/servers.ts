/**
 * Servers for the tests of this package: real ones, on loopback, that remember what they were asked.
 *
 * @module
 */
import * as http from 'node:http'
import * as https from 'node:https'
import * as net from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Peer, Session } from '@countersign/client'

/** A running server; closing it cuts its connections. */
export interface TestServer extends AsyncDisposable {
  readonly port: number
  /** `https://localhost:PORT` or `http://127.0.0.1:PORT` */
  readonly url: string
  /** Every request that came in. */
  readonly seen: Seen[]
  /** How many connections were opened. */
  connections: number
  /** How many of them are open. */
  readonly open: Set<net.Socket>
}

/** One request as the server saw it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
  /** Common name of the client certificate, where one was shown. */
  readonly client: string | undefined
}

/** Answers a request once its body is in. */
export type Answer = (request: Seen, response: http.ServerResponse) => void

/** Serves over HTTP on 127.0.0.1, or over HTTPS with these options. */
export async function startServer(
  answer: Answer,
  secure?: https.ServerOptions,
): Promise<TestServer> {
  const seen: Seen[] = []
  const listener: http.RequestListener = (incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', () => {})
    incoming.on('end', () => {
      const request = {
        method: incoming.method ?? '',
        url: incoming.url ?? '',
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString(),
        client: clientOf(incoming.socket),
      }
      seen.push(request)
      answer(request, response)
    })
  }
  const server =
    secure === undefined ? http.createServer(listener) : https.createServer(secure, listener)
  const started = await listening(
    server,
    secure === undefined ? 'http://127.0.0.1' : 'https://localhost',
  )
  return Object.assign(started, { seen })
}

/**
 * A second connection of a session, beside one that is busy: it resumes the TLS session of the first.
 *
 * @param secure - of the server that is made for it
 */
export async function resumedConnection(
  session: Session,
  secure: https.ServerOptions,
): Promise<{ first: Peer; second: Peer }> {
  let busy: (() => void) | undefined
  const isBusy = new Promise<void>((resolve) => {
    busy = resolve
  })
  let held: http.ServerResponse | undefined
  await using server = await startServer((request, response) => {
    if (request.url === '/hold') {
      held = response
      busy?.()
    } else sendJson(response, 1)
  }, secure)
  const first = await session.get(server.url)
  // The tickets come before the answer, so they are here once it is read.
  await first.text()
  const holding = session.get(`${server.url}/hold`)
  await isBusy
  const second = await session.get(server.url)
  await second.text()
  if (held !== undefined) sendJson(held, 1)
  await (await holding).text()
  return { first: first.peer, second: second.peer }
}

/** A bare TCP server that does whatever `accept` does. */
export async function startTcp(accept: (socket: net.Socket) => void): Promise<TestServer> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    accept(socket)
    // Read, or the end of the connection would never be seen.
    socket.resume()
  })
  return Object.assign(await listening(server, 'http://127.0.0.1'), { seen: [] })
}

async function listening(server: net.Server, base: string): Promise<Omit<TestServer, 'seen'>> {
  const open = new Set<net.Socket>()
  const state = { connections: 0 }
  server.on('connection', (socket) => {
    state.connections++
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    url: `${base}:${port}`,
    open,
    get connections() {
      return state.connections
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  }
}

/** Answers with JSON. */
export function sendJson(response: http.ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

/** Everything a process warns about while `work` runs, of one type. */
export async function warningsOf(type: string, work: () => Promise<unknown>): Promise<string[]> {
  const warnings: string[] = []
  const listener = (warning: Error): void => {
    if (warning.name === type) warnings.push(warning.message)
  }
  process.on('warning', listener)
  try {
    await work()
    // Warnings are emitted on the next tick.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  } finally {
    process.off('warning', listener)
  }
  return warnings
}

function clientOf(socket: net.Socket): string | undefined {
  if (!isTls(socket)) return undefined
  const { subject } = socket.getPeerCertificate()
  const name = subject?.CN
  return typeof name === 'string' ? name : undefined
}

function isTls(socket: net.Socket): socket is TLSSocket {
  return 'getPeerCertificate' in socket
}
