/**
 * One request by Node's own client, with exactly the headers that a test gives.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'

/** What came back. */
export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

/** Asks a server on 127.0.0.1. */
export async function askTls(how: {
  port: number
  path: string
  headers: Record<string, string>
  method: string
  ca: string
  body?: string
}): Promise<Answer> {
  const { port, path, headers, method, ca, body } = how
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const options = { host: '127.0.0.1', servername: 'localhost', agent: false, ca }
  const sent = request({ ...options, port, path, headers, method }, (incoming) => {
    const chunks: Uint8Array[] = []
    incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    incoming.once('error', reject)
    incoming.once('end', () => {
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        text: Buffer.concat(chunks).toString(),
      })
    })
  })
  sent.once('error', reject)
  sent.end(body)
  return await promise
}
