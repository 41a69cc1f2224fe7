/**
 * One look at a server: how far a handshake gets, what it presents, and what it says afterwards.
 *
 * The connection is not verified, so that what is wrong can be seen whole; see docs/design/explain-probe.md.
 *
 * @module
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { errorCode } from '@countersign/core'
import { Bridge } from '../bridge.ts'
import type { TlsContext } from '../context.ts'
import { PresentedChain } from '../presented.ts'
import type { ExplainedConnection } from './explanation.ts'
import type { ServerFlight } from './handshake-messages.ts'
import { handshakeSecret, LONGEST_FLIGHT, readServerFlight } from './server-flight.ts'

/** Where to, and as whom. */
export interface ProbeTarget {
  context: TlsContext
  host: string
  port: number
  /** The name to ask for. */
  name: string
  alpn: readonly string[]
  /** Whether to ask for the server's date. */
  askTime: boolean
  /** Whether the handshake ends where the server is not believed: the server was believed once, and is to see who we are. */
  verify: boolean
}

/** What was seen. */
export interface ProbeResult {
  /** How far it came: nobody there, connected, handshake done. */
  stage: 'nowhere' | 'connected' | 'secured'
  /** What ended it. */
  end: 'error' | 'closed' | 'answered' | 'silent'
  /** The error, where one ended it. */
  error: unknown
  /** Node's code for what OpenSSL thinks of the chain; `undefined` where it believes it or saw none. */
  refusal: string | undefined
  /** DER, in the order they were sent; as Node completed them where the flight could not be read. */
  chain: readonly Uint8Array[]
  flight: ServerFlight
  connection: ExplainedConnection
  /** The server's clock minus ours, by the Date of its answer. */
  skewMs: number | undefined
  /** The head of its answer to `HEAD /`; `undefined` where there was none of HTTP. */
  answer: AnswerHead | undefined
  /** What came over the connection below, from its start. */
  firstBytes: Uint8Array
}

/** What an answer says of whom it is for. */
interface AnswerHead {
  status: number
  /** Whether it is a problem document (RFC 9457). */
  isProblem: boolean
}

/** Connects, looks and closes; ends when the signal aborts, with what was seen until then. */
export function probe(target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
  return new Probe(target).run(signal)
}

class Probe {
  readonly #target: ProbeTarget
  readonly #tcp: Socket
  readonly #socket: TLSSocket
  readonly #bridge: Bridge
  readonly #presented: PresentedChain
  readonly #chunks: Uint8Array[] = []
  #received = 0
  #secret: Uint8Array | undefined
  #connected = false
  #secured = false
  #answer = ''
  #refusal: string | undefined
  #connection: ExplainedConnection = {}

  constructor(target: ProbeTarget) {
    const { context, host, port, name, alpn, verify } = target
    this.#target = target
    this.#tcp = connectTcp({
      host,
      port,
      autoSelectFamily: true,
      allowHalfOpen: true,
      noDelay: true,
    })
    this.#tcp.on('data', (chunk: Uint8Array) => this.#record(chunk))
    this.#bridge = new Bridge(this.#tcp)
    this.#socket = connectTls({
      ...context.nodeClientOptions(host, name),
      socket: this.#bridge,
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      // Not believed: verifyChain of @countersign/x509 judges the chain in explain-chain.ts, and nothing secret is sent here.
      ...(verify ? {} : { rejectUnauthorized: false, checkServerIdentity: () => undefined }),
    })
    this.#presented = new PresentedChain(this.#socket)
    this.#socket.on('keylog', (line) => {
      this.#secret ??= handshakeSecret(line.toString('latin1'))
    })
  }

  run(signal: AbortSignal): Promise<ProbeResult> {
    const { promise, resolve } = Promise.withResolvers<ProbeResult>()
    const socket = this.#socket
    let grace: NodeJS.Timeout | undefined
    const finish = (end: ProbeResult['end'], error?: unknown): void => {
      clearTimeout(grace)
      signal.removeEventListener('abort', onAbort)
      resolve(this.#result(end, error))
      socket.destroy()
      this.#bridge.cut()
    }
    const onError = (error: unknown): void => finish('error', error)
    const onClose = (): void => finish('closed')
    const onAbort = (): void => finish('silent', signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#tcp.once('connect', () => {
      this.#connected = true
      const { remoteAddress: address, remotePort: port } = this.#tcp
      this.#connection = { address, port }
    })
    // These stay: what comes late must find a listener.
    socket.on('error', onError)
    this.#bridge.on('error', onError)
    socket.once('close', onClose)
    socket.once('end', onClose)
    socket.on('data', (chunk: Uint8Array) => {
      this.#answer += Buffer.from(chunk).toString('latin1')
      if (isAnswered(this.#answer)) finish('answered')
    })
    socket.once('secureConnect', () => {
      this.#noteSecured()
      // Where nothing was asked, only a refusal of TLS 1.3 comes late.
      if (this.#ask() || this.#flight().certificateRequest !== undefined) {
        grace = setTimeout(() => finish('silent'), GRACE_MS)
      } else finish('silent')
    })
    return promise
  }

  #record(chunk: Uint8Array): void {
    if (this.#received >= LONGEST_FLIGHT) return
    this.#received += chunk.length
    this.#chunks.push(chunk)
  }

  #noteSecured(): void {
    const socket = this.#socket
    this.#secured = true
    if (!socket.authorized)
      this.#refusal = errorCode({ code: socket.authorizationError }) ?? 'UNSPECIFIED'
    this.#presented.keep(socket.getPeerCertificate(true))
    const key = socket.getEphemeralKeyInfo()
    this.#connection = {
      ...this.#connection,
      protocol: socket.getProtocol() ?? undefined,
      cipher: socket.getCipher().name,
      group: key !== null && 'name' in key && typeof key.name === 'string' ? key.name : undefined,
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    }
  }

  /** The one thing that is ever sent: a request without credentials, cookies or a body, for the date of its answer. */
  #ask(): boolean {
    const { askTime, name } = this.#target
    const { alpn } = this.#connection
    if (!askTime || (alpn !== undefined && alpn !== 'http/1.1')) return false
    const host = name.includes(':') ? `[${name}]` : name
    this.#socket.write(
      `HEAD / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: countersign-explain\r\nConnection: close\r\n\r\n`,
    )
    return true
  }

  #flight(): ServerFlight {
    return readServerFlight(Buffer.concat(this.#chunks), this.#secret)
  }

  #result(end: ProbeResult['end'], error: unknown): ProbeResult {
    const flight = this.#flight()
    return {
      stage: this.#secured ? 'secured' : this.#connected ? 'connected' : 'nowhere',
      end,
      error,
      refusal: this.#refusal,
      chain: flight.chain ?? this.#presented.der,
      flight,
      connection: { ...this.#connection, protocol: this.#connection.protocol ?? flight.version },
      skewMs: skewOf(this.#answer),
      answer: headOf(this.#answer),
      firstBytes: Buffer.concat(this.#chunks),
    }
  }
}

/** Whether the head of an answer is whole, or it is none of HTTP. */
function isAnswered(answer: string): boolean {
  if (answer.length >= LONGEST_ANSWER) return true
  return answer.startsWith('HTTP/') ? answer.includes('\r\n\r\n') : answer.length >= 'HTTP/'.length
}

function headOf(answer: string): AnswerHead | undefined {
  const [, status] = /^HTTP\/1\.\d (\d{3})\b/.exec(answer) ?? []
  if (status === undefined) return undefined
  const isProblem = /\r\ncontent-type: ?application\/problem\+json/i.test(answer)
  return { status: Number(status), isProblem }
}

/** The Date of an answer has whole seconds: up to one of them is no difference. */
function skewOf(answer: string): number | undefined {
  const [, text] = /^HTTP\/1[^]*?\r\ndate: ([^\r\n]{1,64})\r\n/i.exec(answer) ?? []
  const there = text === undefined ? Number.NaN : Date.parse(text)
  if (Number.isNaN(there)) return undefined
  const least = there - Date.now()
  return least > 0 ? least : Math.min(0, least + 1000)
}

/** How long a server has to answer, or to say late that it wants a client certificate (TLS 1.3). */
const GRACE_MS = 2000
const LONGEST_ANSWER = 16_384
