/** What the tests of the proxy share: upstreams of Node's own, and waiting for what must come. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTcp, type Socket } from 'node:net'
import type { ProxyEvent } from '@countersign/server'

/** An upstream of `node:http`. */
export interface NodeUpstream extends AsyncDisposable {
  readonly server: Server
  readonly url: string
}

/** Starts an upstream on a port, or on a socket. */
export async function startUpstream(
  listener: RequestListener,
  path?: string,
): Promise<NodeUpstream> {
  const server = createServer(listener)
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const address = server.address()
  const port = address === null || typeof address === 'string' ? 0 : address.port
  return {
    server,
    url: path === undefined ? `http://127.0.0.1:${port}` : `unix:${path}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** A TCP server that does with each connection what a test wants. */
export async function startRaw(
  take: (socket: Socket) => void,
): Promise<AsyncDisposable & { url: string }> {
  const sockets = new Set<Socket>()
  const server = createTcp((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    take(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An upstream that answers with what it got, as JSON. */
export async function startEcho(path?: string): Promise<NodeUpstream> {
  return startUpstream((incoming, outgoing) => {
    void readText(incoming).then((body) => {
      const { method, url, rawHeaders, rawTrailers } = incoming
      outgoing.setHeader('content-type', 'application/json')
      outgoing.end(JSON.stringify({ method, url, rawHeaders, rawTrailers, body }))
      return undefined
    })
  }, path)
}

/** What {@link startEcho} answers. */
export interface Echo {
  method: string
  url: string
  rawHeaders: string[]
  rawTrailers: string[]
  body: string
}

/** The values of a header in what the upstream got. */
export function valuesOf({ rawHeaders }: Echo, name: string): string[] {
  return rawHeaders.filter(
    (_value, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name,
  )
}

/** Reads a body to its end. */
export async function readText(incoming: IncomingMessage): Promise<string> {
  incoming.setEncoding('utf8')
  let text = ''
  for await (const chunk of incoming) text += String(chunk)
  return text
}

/** Collects events of a proxy, and waits for one by its code. */
export class Events {
  readonly seen: ProxyEvent[] = []
  #waiting: { code: string; resolve: (event: ProxyEvent) => void }[] = []

  readonly add = (event: ProxyEvent): void => {
    this.seen.push(event)
    const met = this.#waiting.filter(({ code }) => code === event.code)
    this.#waiting = this.#waiting.filter(({ code }) => code !== event.code)
    for (const { resolve } of met) resolve(event)
  }

  async next(code: ProxyEvent['code']): Promise<ProxyEvent> {
    const { promise, resolve } = Promise.withResolvers<ProxyEvent>()
    this.#waiting.push({ code, resolve })
    return promise
  }

  get codes(): string[] {
    return this.seen.map(({ code }) => code)
  }
}
