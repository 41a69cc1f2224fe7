/**
 * Little proxies for the tests of this package: real ones, on loopback, that lead every host name to one port.
 *
 * @module
 */
import * as http from 'node:http'
import * as https from 'node:https'
import * as net from 'node:net'

/** A running proxy. */
export interface TestProxy extends AsyncDisposable {
  readonly port: number
  /** What it was asked for: `CONNECT host:port`, `GET http://host/`, or `SOCKS host:port`. */
  readonly asked: string[]
  /** The `Proxy-Authorization` of each, or `user:password` over SOCKS. */
  readonly credentials: (string | undefined)[]
  /** The headers of the last request. */
  headers: http.IncomingHttpHeaders
  /** Connections that are open, of clients and to servers. */
  readonly open: Set<net.Socket>
}

/** How a test proxy behaves. */
export interface ProxyBehaviour {
  /** Where everything leads. */
  target?: number
  /** The credentials it wants. */
  wants?: { username: string; password: string }
  /** Serves TLS with these. */
  secure?: https.ServerOptions
  /** Answers CONNECT with this instead of a tunnel. */
  answer?: string
}

/** An HTTP or HTTPS proxy. */
export async function startProxy(behaviour: ProxyBehaviour): Promise<TestProxy> {
  const { secure, target = 0, wants, answer } = behaviour
  const server = secure === undefined ? http.createServer() : https.createServer(secure)
  const state = started(server)
  const isWelcome = (headers: http.IncomingHttpHeaders): boolean => {
    const given = headers['proxy-authorization']
    state.credentials.push(given)
    state.headers = headers
    return (
      wants === undefined ||
      given === `Basic ${Buffer.from(`${wants.username}:${wants.password}`).toString('base64')}`
    )
  }
  server.on('connect', (request: http.IncomingMessage, socket: net.Socket) => {
    state.asked.push(`CONNECT ${request.url}`)
    socket.on('error', () => {})
    const welcome = isWelcome(request.headers)
    if (answer !== undefined) {
      // An HTTP server leaves half of a connection open.
      socket.resume().on('end', () => socket.destroy())
      socket.write(answer)
      if (answer.endsWith('\r\n\r\n') && !answer.startsWith('HTTP/1.1 2')) socket.end()
      return
    }
    if (!welcome) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n')
      return
    }
    join(socket, target, state.open, () => socket.write('HTTP/1.1 200 Connected\r\n\r\n'))
  })
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    state.asked.push(`${request.method} ${request.url}`)
    if (!isWelcome(request.headers)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic' }).end('credentials, please')
      return
    }
    const { 'proxy-authorization': _mine, ...headers } = request.headers
    const { pathname, search } = new URL(request.url ?? '')
    const onward = http.request(
      { port: target, host: '127.0.0.1', method: request.method, path: pathname + search, headers },
      (answered) => {
        response.writeHead(answered.statusCode ?? 500, answered.headers)
        answered.pipe(response)
      },
    )
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  return await listening(server, state)
}

/** A SOCKS5 proxy; `reply` is the code of RFC 1928 §6 it answers with. */
export async function startSocks(
  behaviour: { target?: number; wants?: ProxyBehaviour['wants']; reply?: number } = {},
): Promise<TestProxy> {
  const { target = 0, wants, reply = 0 } = behaviour
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    void talk(socket).catch(() => socket.destroy())
  })
  const state = started(server)
  const talk = async (socket: net.Socket): Promise<void> => {
    const read = reader(socket)
    const [, count = 0] = await read(2)
    const methods = [...(await read(count))]
    const method = wants === undefined ? 0 : 2
    if (!methods.includes(method)) {
      socket.end(Uint8Array.of(5, 0xff))
      return
    }
    socket.write(Uint8Array.of(5, method))
    if (method === 2) {
      const [, nameLength = 0] = await read(2)
      const name = String(await read(nameLength))
      const [wordLength = 0] = await read(1)
      const given = `${name}:${String(await read(wordLength))}`
      state.credentials.push(given)
      const right = given === `${wants?.username}:${wants?.password}`
      socket.write(Uint8Array.of(1, right ? 0 : 1))
      if (!right) {
        socket.end()
        return
      }
    }
    const [, , , kind] = await read(4)
    const host = await address(kind, read)
    const port = (await read(2)).readUInt16BE()
    state.asked.push(`SOCKS ${host}:${port}`)
    const answer = Uint8Array.of(5, reply, 0, 1, 127, 0, 0, 1, 0, 0)
    if (reply !== 0) {
      socket.end(answer)
      return
    }
    join(socket, target, state.open, () => socket.write(answer))
  }
  return await listening(server, state)
}

async function address(
  kind: number | undefined,
  read: (count: number) => Promise<Buffer>,
): Promise<string> {
  if (kind === 1) return [...(await read(4))].join('.')
  if (kind === 4) {
    const bytes = await read(16)
    return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(
      ':',
    )
  }
  const [length = 0] = await read(1)
  return String(await read(length))
}

/** Reads exactly as many bytes as asked for. */
function reader(socket: net.Socket): (count: number) => Promise<Buffer> {
  return async (count) => {
    if (count === 0) return Buffer.alloc(0)
    for (;;) {
      const chunk: unknown = socket.read(count)
      if (Buffer.isBuffer(chunk) && chunk.length === count) return chunk
      if (socket.destroyed || socket.readableEnded) throw new Error('closed')
      await new Promise((resolve) => {
        socket.once('readable', resolve)
        socket.once('close', resolve)
      })
    }
  }
}

function join(socket: net.Socket, port: number, open: Set<net.Socket>, ready: () => void): void {
  const onward = net.connect(port, '127.0.0.1', () => {
    ready()
    socket.pipe(onward)
    onward.pipe(socket)
  })
  open.add(onward)
  onward.on('close', () => {
    open.delete(onward)
    socket.destroy()
  })
  onward.on('error', () => socket.destroy())
  socket.on('close', () => onward.destroy())
}

type State = Omit<TestProxy, 'port' | keyof AsyncDisposable>

function started(server: net.Server): State {
  const open = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => {})
  return { asked: [], credentials: [], headers: {}, open }
}

async function listening(server: net.Server, state: State): Promise<TestProxy> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const place = server.address()
  return Object.assign(state, {
    port: typeof place === 'object' && place !== null ? place.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of state.open) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  })
}
