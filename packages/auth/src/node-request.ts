/**
 * A message of Node's own as a request of the web's.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'

/**
 * Makes the request.
 *
 * @param target - path and query
 * @param withBody - whether the body comes along; it is read as it is asked for
 * @returns `undefined` where the message has no such form: a host that is none, CONNECT, TRACE
 */
export function nodeRequest(
  incoming: IncomingMessage,
  target: string,
  withBody = false,
): Request | undefined {
  const scheme = 'encrypted' in incoming.socket ? 'https' : 'http'
  const { host = '' } = incoming.headers
  const url = URL.parse(`${scheme}://${host}${target}`)
  if (url === null || host === '') return undefined
  const headers = new Headers()
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    for (const value of values) headers.append(name, value)
  }
  const { method = 'GET' } = incoming
  try {
    if (!withBody) return new Request(url, { method, headers })
    const body = ReadableStream.from(incoming)
    return new Request(url, { method, headers, body, duplex: 'half' })
  } catch {
    // CONNECT and TRACE: no request of the web's.
    return undefined
  }
}
