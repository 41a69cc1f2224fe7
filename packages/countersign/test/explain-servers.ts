/**
 * Servers for the grid of `explain`, each on a port of its own on loopback.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps, type ServerOptions } from 'node:https'
import { createServer as createTcp, type Server, type Socket } from 'node:net'
import { serve } from '@countersign/server'
import type { Holder } from './explain-certificates.ts'

/** A server that listens. */
export interface Running extends AsyncDisposable {
  readonly port: number
}

/** What makes one listen. */
export type Start = () => Promise<Running>

/** HTTPS with a chain, leaf first; answers every request with `trusted`. */
export function https(chain: readonly Holder[], options: ServerOptions = {}): Start {
  const [leaf] = chain
  assert.ok(leaf)
  return async () => {
    const server = createHttps(
      {
        cert: chain.map(({ certificate }) => certificate.pem).join(''),
        key: leaf.key.toPem(),
        ...options,
      },
      (_request, response) => response.end('trusted\n'),
    )
    server.on('tlsClientError', () => undefined)
    return listening(server)
  }
}

/** HTTPS whose clock says another time, as the Date of its answers shows. */
export function httpsAt(chain: readonly Holder[], clock: Date): Start {
  const [leaf] = chain
  assert.ok(leaf)
  return async () =>
    listening(
      createHttps(
        { cert: chain.map(({ certificate }) => certificate.pem).join(''), key: leaf.key.toPem() },
        (_request, response) => response.setHeader('date', clock.toUTCString()).end('trusted\n'),
      ),
    )
}

/** HTTPS of files that somebody has just issued. */
export function httpsOf(cert: string, key: string): Promise<Running> {
  return listening(createHttps({ cert, key }, (_request, response) => response.end('trusted\n')))
}

/** Our own server, which asks for a client certificate and goes on without one. */
export function asking(
  chain: readonly Holder[],
  clients: Holder,
  version: 'TLSv1.2' | 'TLSv1.3',
): Start {
  return async () =>
    serve(() => new Response('trusted\n'), {
      cert: chain.map(({ certificate }) => certificate.pem).join(''),
      key: chain[0]?.key.toPem(),
      ca: clients.certificate,
      verifyUser: 'ask',
      minVersion: version,
      maxVersion: version,
    })
}

/** Plain HTTP; answers every request with `plain`. */
export async function http(): Promise<Running> {
  return listening(createHttp((_request, response) => response.end('plain\n')))
}

/** Says something to whoever connects, and hears nothing. */
export function banner(text: string): Start {
  return async () =>
    listening(
      createTcp((socket) => {
        quiet(socket).write(text)
      }),
    )
}

/** Answers a ClientHello with a fatal alert, as RFC 8446 §6 has it. */
export function alert(number: number): Start {
  return onFirstBytes((socket) => socket.end(Uint8Array.of(21, 3, 3, 0, 2, 2, number)))
}

/** Cuts the connection with RST when the ClientHello is there. */
export const reset: Start = onFirstBytes((socket) => socket.resetAndDestroy())

/** Closes the connection in order when the ClientHello is there. */
export const hangUp: Start = onFirstBytes((socket) => socket.end())

/** Never says anything. */
export const silent: Start = onFirstBytes(() => undefined)

/** A port on which nobody listens any more. */
export async function nobody(): Promise<Running> {
  const server = await listening(createTcp())
  await server[Symbol.asyncDispose]()
  return { port: server.port, [Symbol.asyncDispose]: async () => undefined }
}

function onFirstBytes(answer: (socket: Socket) => unknown): Start {
  return async () =>
    listening(createTcp((socket) => void quiet(socket).once('data', () => answer(socket))))
}

async function listening(server: Server): Promise<Running> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(quiet(socket))
    socket.once('close', () => open.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

/** Clients that give up are what this is about. */
function quiet(socket: Socket): Socket {
  return socket.on('error', () => undefined)
}
