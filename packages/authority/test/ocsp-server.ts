/** The authority's routes on a port, for programs of others. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Authority } from '@countersign/authority'

/** Serves until it is disposed of. */
export async function serveRoutes(
  authority: Authority,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((incoming, outgoing) => {
    void (async () => {
      const chunks: Uint8Array[] = []
      for await (const chunk of incoming) chunks.push(chunk)
      const { method = 'GET', url = '/' } = incoming
      const body = method === 'POST' ? { body: Buffer.concat(chunks) } : {}
      const response = await authority.routes.request(url, { method, ...body })
      outgoing.writeHead(response.status, Object.fromEntries(response.headers))
      outgoing.end(await response.bytes())
    })()
  })
  const { promise: listening, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await listening
  const address = server.address()
  return {
    url: `http://127.0.0.1:${portOf(address)}`,
    async [Symbol.asyncDispose]() {
      const { promise: closed, resolve: done } = Promise.withResolvers<void>()
      server.close(() => {
        done()
      })
      server.closeAllConnections()
      await closed
    },
  }
}

/** The port that a server listens on. */
export function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not on a port')
  return address.port
}
