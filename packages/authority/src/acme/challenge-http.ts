/**
 * http-01 (RFC 8555 §8.3): the host has to answer a fixed path with the key authorization.
 *
 * Whoever orders a name decides where this goes, so that it goes only to the two ports of validation and the networks on the list, at
 * every hop; it reads at most 64 KiB, within the time it is given, and never says what it read.
 *
 * @module
 */
import { type IncomingMessage, request as requestHttp, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { rootCertificates } from 'node:tls'
import { errorCode, errorMessage } from '@countersign/core'
import type { Networks } from './networks.ts'
import { AcmeProblem } from './problem.ts'

/** How http-01 asks. */
export interface HttpValidation {
  readonly networks: Networks
  /** The port of http, and the only one that a redirect to http may name. */
  readonly httpPort: number
  /** The only port that a redirect to https may name. */
  readonly tlsPort: number
  /** PEM: what is trusted beside Node's own roots, where a redirect leads to https. */
  readonly roots: readonly string[]
}

/**
 * Asks a host for the key authorization of a token.
 *
 * @param host - a host name or address
 * @throws AcmeProblem `connection`, `dns`, `tls`, `incorrectResponse`
 */
export async function validateHttp(
  how: HttpValidation,
  host: string,
  token: string,
  expected: string,
  signal: AbortSignal,
): Promise<void> {
  const port = how.httpPort === 80 ? '' : `:${how.httpPort}`
  let url = new URL(`http://${urlHost(host)}${port}/.well-known/acme-challenge/${token}`)
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const answer = await fetchOnce(how, url, signal)
    if (answer.location === undefined) {
      if (answer.status !== 200) throw wrong(`${url.href} answered ${answer.status}`)
      if (answer.text.trimEnd() === expected) return
      throw wrong(`${url.href} did not answer with the key authorization`)
    }
    url = redirected(how, url, answer.location)
  }
  throw new AcmeProblem('connection', `${host} redirects more than ${MOST_REDIRECTS} times`)
}

interface Answer {
  readonly status: number
  /** Of a redirect. */
  readonly location: string | undefined
  readonly text: string
}

/** Where a redirect leads, if it may. */
function redirected(how: HttpValidation, from: URL, location: string): URL {
  const url = URL.parse(location, from.href)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AcmeProblem('connection', `${from.href} redirects to what is no http or https URL`)
  }
  const allowed = url.protocol === 'http:' ? how.httpPort : how.tlsPort
  if (portOf(url) !== allowed || url.username !== '' || url.password !== '') {
    throw new AcmeProblem(
      'connection',
      `${from.href} redirects to another port than ${how.httpPort} for http and ${how.tlsPort} for https, or with a user`,
    )
  }
  url.hash = ''
  return url
}

/** One request to the first address that takes the connection. */
async function fetchOnce(how: HttpValidation, url: URL, signal: AbortSignal): Promise<Answer> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const addresses = await how.networks.addressesOf(host, signal)
  let fault: unknown
  for (const address of addresses) {
    try {
      return await fetchAt(how, url, host, address, signal)
    } catch (error) {
      if (error instanceof AcmeProblem) throw error
      fault = error
      if (signal.aborted) break
    }
  }
  throw connectionProblem(`${url.host} (${addresses.join(', ')})`, fault, signal)
}

async function fetchAt(
  how: HttpValidation,
  url: URL,
  host: string,
  address: string,
  signal: AbortSignal,
): Promise<Answer> {
  const options: RequestOptions = {
    host: address,
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    // A connection of its own, which nobody else gets.
    agent: false,
    signal,
    maxHeaderSize: 16_384,
    headers: {
      host: url.host,
      'user-agent': 'countersign-acme',
      accept: '*/*',
      connection: 'close',
    },
  }
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const outgoing =
    url.protocol === 'http:'
      ? requestHttp(options)
      : requestHttps({
          ...options,
          ca: [...rootCertificates, ...how.roots],
          ...(isIP(host) === 0 ? { servername: host } : {}),
        })
  outgoing.on('error', reject)
  outgoing.on('response', (incoming) => {
    readAnswer(incoming).then(resolve, reject)
  })
  outgoing.end()
  try {
    return await promise
  } finally {
    outgoing.destroy()
  }
}

async function readAnswer(incoming: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 0, headers } = incoming
  if (REDIRECTS.has(status)) {
    const { location } = headers
    if (location === undefined) throw wrong('a redirect leads nowhere')
    return { status, location, text: '' }
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    if (length > MOST_BYTES) throw wrong(`the answer has more than ${MOST_BYTES} bytes`)
    chunks.push(bytes)
  }
  return { status, location: undefined, text: Buffer.concat(chunks).toString('latin1') }
}

/** What keeps a connection from being made, without what the other side said. */
export function connectionProblem(where: string, fault: unknown, signal: AbortSignal): AcmeProblem {
  if (signal.aborted) return new AcmeProblem('connection', `${where} did not answer in time`)
  const code = errorCode(fault) ?? errorMessage(fault)
  const isTls = /CERT|TLS|SSL|^UNABLE_|^UNSPECIFIED$/.test(code)
  return isTls
    ? new AcmeProblem('tls', `${where} could not be trusted: ${code}`)
    : new AcmeProblem('connection', `${where} could not be asked: ${code}`)
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'http:' ? 80 : 443
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function wrong(detail: string): AcmeProblem {
  return new AcmeProblem('incorrectResponse', detail)
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const MOST_REDIRECTS = 10
const MOST_BYTES = 64 * 1024
