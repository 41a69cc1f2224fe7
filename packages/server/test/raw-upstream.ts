/** An upstream that records every byte, and reads requests by their framing alone: what a proxy lets through cannot hide from it. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** A request as it arrived. */
export interface RecordedRequest {
  target: string
  /** The head as it was sent, with its first line and without the empty one. */
  head: string
  body: string
  /** Whether its end arrived. */
  complete: boolean
}

/** Reads the requests of one connection. */
function parse(bytes: string): RecordedRequest[] {
  const requests: RecordedRequest[] = []
  let rest = bytes
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) {
      requests.push({ target: targetOf(rest), head: rest, body: '', complete: false })
      break
    }
    const head = rest.slice(0, end)
    rest = rest.slice(end + 4)
    const { body, taken, complete } = readBody(head, rest)
    requests.push({ target: targetOf(head), head, body, complete })
    rest = rest.slice(taken)
    if (!complete) break
  }
  return requests
}

function targetOf(head: string): string {
  return head.split(' ', 2)[1] ?? ''
}

function readBody(head: string, rest: string): { body: string; taken: number; complete: boolean } {
  const lengths = [...head.matchAll(/^content-length: *(.*)$/gim)].map(([, value]) => value?.trim())
  const codings = [...head.matchAll(/^transfer-encoding: *(.*)$/gim)].map(([, value]) =>
    value?.trim(),
  )
  if (lengths.length + codings.length > 1) throw new Error(`framed twice: ${head}`)
  if (codings[0] === 'chunked') return readChunks(rest)
  if (codings.length > 0) throw new Error(`framed as ${codings[0]}`)
  const length = Number(lengths[0] ?? 0)
  const body = rest.slice(0, length)
  return { body, taken: body.length, complete: body.length === length }
}

function readChunks(rest: string): { body: string; taken: number; complete: boolean } {
  let at = 0
  let body = ''
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(rest.slice(at))
    if (line === null) return { body, taken: rest.length, complete: false }
    const size = Number.parseInt(line[1] ?? '', 16)
    at += line[0].length
    if (size === 0) {
      const end = /^(?:[^\r\n]+\r\n)*\r\n/.exec(rest.slice(at))
      if (end === null) return { body, taken: rest.length, complete: false }
      return { body, taken: at + end[0].length, complete: true }
    }
    body += rest.slice(at, at + size)
    at += size + 2
  }
}

/** See the top of this file; answers `ok` to every request. */
export class RawUpstream implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #received: string[] = []

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => this.#take(socket))
  }

  static async start(): Promise<RawUpstream> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new RawUpstream(server)
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return `http://127.0.0.1:${address.port}`
  }

  /** Everything since the last call, in the order of the connections. */
  get requests(): RecordedRequest[] {
    return this.#received.flatMap((bytes) => parse(bytes))
  }

  /** Closes what is open, and forgets. */
  forget(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
    this.#received.length = 0
  }

  #take(socket: Socket): void {
    const index = this.#received.push('') - 1
    let answered = 0
    let current = ''
    this.#sockets.add(socket)
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      current += text
      this.#received[index] = current
      const complete = parse(current).filter((request) => request.complete).length
      for (; answered < complete; answered++) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.forget()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
