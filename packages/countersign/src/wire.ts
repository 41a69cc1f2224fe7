/**
 * `--verbose`: the heads of requests and answers as they go over the wire, on stderr. What is secret in them is not shown.
 *
 * The transport publishes them on Node's diagnostics channels, so what is shown is what was sent, redirects, retries and
 * proxies included, and not what somebody meant to send.
 *
 * @module
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { printable } from './output.ts'

/** Shows heads until it is disposed. */
export function showWire(write: (text: string) => void): Disposable {
  const onRequest = (message: unknown): void => {
    const text = member(message, 'headers')
    if (typeof text === 'string') write(requestText(text, member(message, 'request')))
  }
  const onResponse = (message: unknown): void => {
    write(responseText(member(message, 'response')))
  }
  subscribe(REQUESTS, onRequest)
  subscribe(RESPONSES, onResponse)
  return {
    [Symbol.dispose]() {
      unsubscribe(REQUESTS, onRequest)
      unsubscribe(RESPONSES, onResponse)
    },
  }
}

/** HTTP/1.1 comes with its request line, HTTP/2 with pseudo-headers. */
function requestText(text: string, request: unknown): string {
  const lines = text.split('\r\n').filter((line) => line !== '')
  const isHttp2 = lines[0]?.startsWith(':') === true
  const body = member(request, 'body')
  // The transport adds its length after it has published the rest.
  if (body instanceof Uint8Array && !isHttp2) lines.push(`content-length: ${body.length}`)
  return block('>', lines)
}

function responseText(response: unknown): string {
  const status = String(member(response, 'statusCode'))
  const reason = member(response, 'statusText')
  const headers = member(response, 'headers')
  const first = `HTTP ${status}${typeof reason === 'string' && reason !== '' ? ` ${reason}` : ''}`
  return block('<', [first, ...fieldsOf(headers).map(([name, value]) => `${name}: ${value}`)])
}

/** A flat list of names and values from HTTP/1.1, an object from HTTP/2. */
function fieldsOf(headers: unknown): [string, string][] {
  if (Array.isArray(headers)) {
    const texts = headers.map((one: unknown) =>
      one instanceof Uint8Array ? Buffer.from(one).toString('latin1') : String(one),
    )
    return texts.flatMap((name, index): [string, string][] =>
      index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : [],
    )
  }
  if (typeof headers !== 'object' || headers === null) return []
  return Object.entries(headers).flatMap(([name, value]: [string, unknown]) =>
    (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name, String(one)]),
  )
}

function block(mark: string, lines: readonly string[]): string {
  return [...lines.map((line) => `${mark} ${printable(withoutSecrets(line))}`), mark, ''].join('\n')
}

/** A header line with its secrets left out; names and schemes stay, because they are what one looks for. */
function withoutSecrets(line: string): string {
  const [, name = '', value = ''] = /^(:?[^:]+):\s*(.*)$/s.exec(line) ?? []
  const lower = name.toLowerCase()
  if (lower === 'cookie') {
    const pairs = value.split('; ').map((pair) => pair.replace(/^([^=]*=)?.*$/s, `$1${HIDDEN}`))
    return `${name}: ${pairs.join('; ')}`
  }
  if (lower === 'set-cookie') return `${name}: ${value.replace(/^([^=;]*=)?[^;]*/, `$1${HIDDEN}`)}`
  if (lower === 'authorization' || lower === 'proxy-authorization') {
    const [scheme = ''] = /^[\w-]+(?=\s)/.exec(value) ?? []
    return `${name}: ${scheme === '' ? '' : `${scheme} `}${HIDDEN}`
  }
  return SECRET.test(name) ? `${name}: ${HIDDEN}` : line
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Reflect.get(value, name)
}

const HIDDEN = '[hidden]'
const SECRET = /(?:^|-)(?:api-?key|token|secret|password|signature|auth)(?:$|-)/i
const REQUESTS = 'undici:client:sendHeaders'
const RESPONSES = 'undici:request:headers'
