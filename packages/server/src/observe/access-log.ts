/**
 * The access log: a line for every answer and for every client that was not let in.
 *
 * Never in it: cookies, `Authorization`, other headers, bodies, the values of a query.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import { type Logger, pino, symbols } from 'pino'
import { ServerError } from '../errors.ts'
import type { Peer } from '../peer.ts'
import type { HandshakeFailure } from '../refusal.ts'
import { LogFile } from './log-file.ts'
import { readableLine } from './readable-line.ts'
import { METHODS } from './tracing.ts'
import { safeText } from './safe-text.ts'
import type { TlsFacts } from './tls-facts.ts'

/** How accesses are logged. */
export interface AccessLogOptions {
  /** A path, appended to; `'-'` for standard output; or anything that takes text. @defaultValue '-' */
  to?: string | LineWriter | undefined
  /** @defaultValue `'readable'` on a terminal, else `'json'` */
  format?: 'json' | 'readable' | undefined
  /** What is shown of a query: its names, its values too, nothing. @defaultValue 'names' */
  query?: 'names' | 'all' | 'none' | undefined
}

/** What takes lines: a stream of Node's, or any object with `write`. */
export interface LineWriter {
  write(line: string): unknown
}

/** One answer. */
export interface AccessFacts {
  /** When, by the clock of `performance`. */
  readonly ended: number
  /** As the client wrote it. */
  readonly method: string
  /** Without what no log may hold. */
  readonly path: string
  readonly http: string
  /** `undefined` where the client left before there was one. */
  readonly status: number | undefined
  /** The client left before the answer was whole. */
  readonly aborted: true | undefined
  /** As they crossed the connection, without TLS; of HTTP/2 the bodies alone. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly durationMs: number
  readonly requestId: string
  /** As the client wrote it. */
  readonly host: string | undefined
  /** Whom a proxy spoke for, where the handler believed it. */
  readonly forwardedFor: string | undefined
  /** As the client wrote it. */
  readonly userAgent: string | undefined
  /** Why it was refused, where the server itself did. */
  readonly code: string | undefined
}

/** Logs. */
export class AccessLog {
  /** What is shown of a query. */
  readonly query: 'names' | 'all' | 'none'
  readonly #file: LogFile | undefined
  readonly #logger: Logger
  readonly #writer: LineWriter

  /**
   * @param onFault - told that lines are lost
   * @throws {@link ServerError} `log-unwritable`, `option-invalid`; CoreError `option-unknown`
   */
  constructor(options: AccessLogOptions, onFault: (error: unknown) => void) {
    checkOptions(options, ['to', 'format', 'query'], 'serve: accessLog')
    const { to = '-', format, query = 'names' } = options
    oneOf('accessLog.query', query, ['names', 'all', 'none'])
    oneOf('accessLog.format', format, [undefined, 'json', 'readable'])
    if (typeof to !== 'string' && typeof to?.write !== 'function') {
      throw new ServerError('option-invalid', 'accessLog.to must be a path, "-" or a stream', {
        option: 'accessLog',
        hint: "write accessLog: '/var/log/site.log'",
      })
    }
    this.query = query
    this.#file = typeof to === 'string' ? new LogFile(to === '-' ? 1 : to, onFault) : undefined
    const isTerminal = to === '-' && process.stdout.isTTY
    const readable = (format ?? (isTerminal ? 'readable' : 'json')) === 'readable'
    const writer = this.#file ?? guardedWriter(to, onFault)
    const colours = isTerminal && process.stdout.hasColors()
    this.#writer = readable
      ? { write: (line) => writer.write(readableLine(line, colours)) }
      : writer
    this.#logger = pino(
      {
        base: null,
        timestamp: () => isoTime(performance.now()),
        formatters: { level: (level) => ({ level }) },
      },
      this.#writer,
    )
  }

  /** Lines that were lost. */
  get dropped(): number {
    return this.#file?.dropped ?? 0
  }

  /** What writes the lines of one connection: who is at its other end is said once. */
  connection(peer: Peer, tls: TlsFacts | undefined): ConnectionLog {
    const child = this.#logger.child(connectionFacts(peer, tls))
    return new ConnectionLog(this.#writer, String(Reflect.get(child, symbols.chindingsSym)), tls)
  }

  /** A client that was not let in. */
  refused({ address, port, code, message, nodeCode, status }: RefusedFacts): void {
    this.#logger.warn({
      event: 'refused',
      address,
      port,
      code,
      reason: safeText(message, 1024),
      nodeCode,
      status,
    })
  }

  /** Opens the file again, after it was moved away. */
  async reopen(): Promise<void> {
    await this.#file?.reopen()
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.#file?.close()
  }
}

/** A client that was not let in; what it was answered, where it was. */
export interface RefusedFacts
  extends Pick<HandshakeFailure, 'address' | 'port' | 'message' | 'nodeCode'> {
  readonly code: string
  readonly status?: number | undefined
}

/** Writes the lines of one connection. */
export class ConnectionLog {
  readonly #writer: LineWriter
  readonly #level: string
  /** What is the same in every line, as pino wrote it: `,"event":"request","address":…`. */
  readonly #bindings: string
  /** What the client says of itself, and how that stands in a line: on one connection it hardly ever changes. */
  #host: string | undefined
  #userAgent: string | undefined
  #client = ''

  constructor(writer: LineWriter, bindings: string, tls: TlsFacts | undefined) {
    this.#writer = writer
    this.#bindings = bindings
    this.#level = isLegacy(tls) ? 'warn' : 'info'
  }

  /**
   * A request was answered. The line is put together here: asked member by member, pino takes as long for it as everything else
   * that is done for a line.
   */
  answered(facts: AccessFacts): void {
    const { ended, method, path, http, status, aborted, bytesIn, bytesOut } = facts
    const { durationMs, requestId, host, forwardedFor, userAgent, code } = facts
    const level = status !== undefined && status >= 500 ? 'error' : this.#level
    const answer = status === undefined ? '' : `,"status":${status}`
    const left = aborted === true ? ',"aborted":true' : ''
    let more = this.#clientPart(host, userAgent)
    if (forwardedFor !== undefined) more += `,"forwardedFor":${quoted(forwardedFor)}`
    if (code !== undefined) more += `,"code":"${code}"`
    this.#writer.write(
      `{"level":"${level}"${isoTime(ended)}${this.#bindings}${methodPart(method)}${quoted(path)},"http":"${http}"${answer}${left},"bytesIn":${bytesIn},"bytesOut":${bytesOut},"durationMs":${milliseconds(durationMs)},"requestId":"${requestId}"${more}}\n`,
    )
  }

  #clientPart(host: string | undefined, userAgent: string | undefined): string {
    if (host === this.#host && userAgent === this.#userAgent) return this.#client
    let part = ''
    if (host !== undefined) part += `,"host":${quoted(safeText(host))}`
    if (userAgent !== undefined) part += `,"userAgent":${quoted(safeText(userAgent))}`
    // Headers of many kilobytes are not kept for as long as a connection lasts.
    if ((host?.length ?? 0) + (userAgent?.length ?? 0) <= MOST_REMEMBERED) {
      this.#host = host
      this.#userAgent = userAgent
      this.#client = part
    }
    return part
  }
}

function connectionFacts(
  { address, port, certificate }: Peer,
  tls: TlsFacts | undefined,
): Record<string, unknown> {
  return {
    event: 'request',
    address: safeText(address),
    port,
    ...(tls === undefined ? {} : { tls: { ...tls, sni: tls.sni && safeText(tls.sni) } }),
    ...(isLegacy(tls)
      ? { warning: `${tls?.version} can be read and changed on the way (RFC 8996)` }
      : {}),
    ...(certificate === undefined ? {} : { client: clientFacts(certificate) }),
  }
}

function clientFacts(certificate: Certificate): Record<string, unknown> {
  const spiffe = certificate.subjectAltNames.find(
    (name) => name.type === 'uri' && name.value.startsWith('spiffe://'),
  )
  return {
    subject: safeText(certificate.subject.toString()),
    serial: certificate.serialNumber,
    sha256: certificate.fingerprint,
    spiffe: spiffe?.type === 'uri' ? safeText(spiffe.value) : undefined,
  }
}

/** RFC 8996. */
function isLegacy(tls: TlsFacts | undefined): boolean {
  return tls !== undefined && (tls.version === 'TLSv1' || tls.version === 'TLSv1.1')
}

/** A stream of the caller's must not take the server down. */
function guardedWriter(to: string | LineWriter, onFault: (error: unknown) => void): LineWriter {
  return {
    write: (line) => {
      try {
        if (typeof to !== 'string') to.write(line)
      } catch (error) {
        onFault(error)
      }
    },
  }
}

function oneOf<Value>(option: string, value: Value, known: readonly Value[]): void {
  if (known.includes(value)) return
  const names = known.filter((name) => name !== undefined).join(', ')
  throw new ServerError('option-invalid', `${option} must be one of ${names}`, { option })
}

/** The method as JSON, up to the value of the path. */
function methodPart(method: string): string {
  return METHOD_PARTS.get(method) ?? `,"method":${quoted(safeText(method, LONGEST_METHOD))},"path":`
}

/** Milliseconds with at most three decimals. From two small whole numbers: a fraction takes ten times as long to be written. */
function milliseconds(duration: number): string {
  const micros = Math.round(duration * 1000)
  const whole = Math.floor(micros / 1000)
  return `${whole}${THOUSANDTHS[micros - whole * 1000] ?? ''}`
}

/** A text as JSON. */
function quoted(text: string): string {
  return NEEDS_NO_ESCAPE.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** Printable ASCII without quote and backslash. */
const NEEDS_NO_ESCAPE = /^[ !#-[\]-~]*$/

/**
 * The time of a line, from the clock that its duration was measured by: to ask the machine for the time as well would take as long as
 * everything else that is written. The clock on the wall may be set meanwhile: ten times a second it is looked at again.
 */
function isoTime(at: number): string {
  if (at >= lookAgain) {
    offset = Date.now() - at
    lookAgain = at + LOOK_MS
  }
  const now = Math.floor(offset + at)
  if (now !== timeOf) {
    timeOf = now
    timeText = `,"time":"${new Date(now).toISOString()}"`
  }
  return timeText
}

const METHOD_PARTS: ReadonlyMap<string, string> = new Map(
  [...METHODS].map((method) => [method, `,"method":"${method}","path":`]),
)
/** Of a second's thousandth, as decimals: none, `.001` to `.999`, without zeros at the end. */
const THOUSANDTHS: readonly string[] = Array.from({ length: 1000 }, (_, micros) =>
  String(micros / 1000).slice(1),
)
const LONGEST_METHOD = 32
const MOST_REMEMBERED = 512

const LOOK_MS = 100
let lookAgain = 0
let offset = 0
let timeOf = 0
let timeText = ''
