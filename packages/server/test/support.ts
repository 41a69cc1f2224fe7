/** What the tests of this package share: requests by node:https, and by curl. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { HandshakeFailure } from '@countersign/server'
import { type CommandResult, runCommand } from '@countersign/testkit'

/** One answer, read to its end. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

export interface AskOptions {
  method?: string
  headers?: Record<string, string | number>
  body?: string
  tls?: ConnectionOptions
  agent?: import('node:https').Agent
}

/** Sends one request on a connection of its own, unless an agent is given. */
export async function ask(url: string, options: AskOptions = {}): Promise<Answer> {
  const { tls = {}, method = 'GET', headers = {}, body, agent } = options
  const send = url.startsWith('https:') ? httpsRequest : httpRequest
  const outgoing = send(url, { ...tls, method, headers, agent: agent ?? false })
  outgoing.end(body)
  const [incoming]: import('node:http').IncomingMessage[] = await once(outgoing, 'response')
  if (incoming === undefined) throw new Error('no response')
  incoming.setEncoding('utf8')
  let text = ''
  for await (const chunk of incoming) text += String(chunk)
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }
}

/** A TCP connection. */
export async function openTcp(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connectTcp({ port, host })
  await once(socket, 'connect')
  return socket
}

/** A TLS connection, its handshake done. */
export async function openTls(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ...options })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends text and reads until the other side closes, or the socket breaks. */
export async function talk(socket: Socket, text: string): Promise<string> {
  let answer = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    answer += chunk
  })
  // A reset is an end as well here: what came before it is what counts.
  socket.on('error', () => {})
  socket.write(text)
  if (!socket.closed) await once(socket, 'close')
  return answer
}

/** Runs curl: `-sS`, no configuration file, thirty seconds at most. */
export async function curl(file: string, args: readonly string[]): Promise<CommandResult> {
  return runCommand(file, ['-q', '-sS', '--max-time', '30', ...args])
}

/** Collects handshake failures, and waits for the next. */
export class Failures {
  readonly seen: HandshakeFailure[] = []
  #waiting: ((failure: HandshakeFailure) => void)[] = []

  readonly add = (failure: HandshakeFailure): void => {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.seen.push(failure)
    else waiting(failure)
  }

  async next(): Promise<HandshakeFailure> {
    const failure = this.seen.shift()
    if (failure !== undefined) return failure
    const { promise, resolve } = Promise.withResolvers<HandshakeFailure>()
    this.#waiting.push(resolve)
    return promise
  }
}
