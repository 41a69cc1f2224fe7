/**
 * A server that shows a chain, and what Node's own TLS says of it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { isIP } from 'node:net'
import tls from 'node:tls'
import type { Certificate, PrivateKey } from '../src/index.ts'
import { HOST } from './verify-world.ts'

/** What the server sends and what the client trusts. */
export interface HandshakeParts {
  /** Leaf first. */
  sent: readonly Certificate[]
  /** The leaf's. */
  key: PrivateKey
  roots: readonly Certificate[]
  crls?: readonly string[] | undefined
  /** A host or address. @defaultValue {@link HOST} */
  name?: string
}

/** Connects to a server with the chain; the answer is why the client refused, `undefined` where it did not. */
export async function handshake({
  sent,
  key,
  roots,
  crls,
  name = HOST,
}: HandshakeParts): Promise<string | undefined> {
  await using server = await serveChain(sent, key)
  const client = tls.connect({
    host: '127.0.0.1',
    port: server.port,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
    ca: roots.map(({ pem }) => pem),
    ...(crls === undefined ? {} : { crl: [...crls] }),
  })
  try {
    await once(client, 'secureConnect')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    client.destroy()
  }
}

/** A server that shows a chain and answers every request with nothing, until it is disposed of. */
export async function serveChain(
  sent: readonly Certificate[],
  key: PrivateKey,
): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<tls.TLSSocket>()
  const server = tls.createServer(
    // What the server shows may be as weak as it likes: the client judges.
    { key: key.toPem(), cert: pemOf(sent), ciphers: 'DEFAULT@SECLEVEL=0' },
    (socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(ANSWER))
      socket.once('close', () => sockets.delete(socket))
    },
  )
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Certificates one after the other. */
export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ pem }) => pem).join('')
}

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'
