/**
 * A running server.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Certificate } from '@countersign/x509'
import type { TlsContext } from '@countersign/tls'
import { type Address, bind, urlHost } from './bind.ts'
import { buildContext, type ContextSource, mergeSources } from './context-source.ts'
import { ServerError } from './errors.ts'
import { type Answerers, Lanes } from './lanes.ts'
import { SOURCE_OPTIONS, type TlsSources } from './options.ts'
import type { ServerState } from './state.ts'

/** What a reload changed. */
export interface Reloaded {
  /** What is another now; empty where the files said what they had said before. */
  readonly changed: readonly ('certificate' | 'trust' | 'settings')[]
  /** The certificate served from now on. */
  readonly certificate: Certificate | undefined
}

/** How {@link Server.close} closes. */
export interface CloseOptions {
  /** How long answers that are under way may take; 0 cuts them at once. @defaultValue `drainMs` of serve: 10000 */
  timeoutMs?: number | undefined
  /** Cuts what is still open when it aborts. */
  signal?: AbortSignal | undefined
}

/** What a server is made of; `serve` makes it. */
export interface ServerParts {
  readonly state: ServerState
  readonly answerers: Answerers
  readonly source: ContextSource | undefined
  readonly address: Address
  readonly drainMs: number
}

/**
 * Opens the port.
 *
 * @throws {@link ServerError} `port-in-use` and the others of the address
 */
export async function openServer(parts: ServerParts): Promise<Server> {
  const lanes = new Lanes(parts.state, parts.answerers)
  try {
    const port = await bind(lanes.front, parts.address)
    return new Server(parts, lanes, port)
  } catch (error) {
    await lanes.drain(0, undefined)
    throw error
  }
}

/** A running server; `await using server = await serve(…)` closes it at the end of the block. */
export class Server implements AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Without a slash at its end: `https://127.0.0.1:8443`. */
  readonly url: string
  readonly #state: ServerState
  readonly #lanes: Lanes
  readonly #drainMs: number
  #source: ContextSource | undefined
  #closing: Promise<void> | undefined

  /** Made by `serve`. */
  constructor(parts: ServerParts, lanes: Lanes, port: number) {
    this.host = parts.address.host
    this.port = port
    const scheme = parts.source === undefined ? 'http' : 'https'
    this.url = `${scheme}://${urlHost(this.host)}:${port}`
    this.#state = parts.state
    this.#lanes = lanes
    this.#drainMs = parts.drainMs
    this.#source = parts.source
  }

  /** The certificate of the server; `undefined` on plain HTTP. */
  get certificate(): Certificate | undefined {
    return this.#state.context?.certificate
  }

  /** PEM of the authority that `adhoc` made: what clients must trust. */
  get adhocRoots(): string | undefined {
    return this.#source?.adhoc?.root.pem
  }

  /**
   * Serves with another certificate, other authorities or revocation lists from now on. What is left out stays; paths
   * are read again, so that `reload()` takes up files that were replaced.
   *
   * Everything is checked first and swapped as one: after an error the server goes on as before. Open connections stay
   * open; where the trust changed, sessions are not resumed, and each client certificate is judged anew at its next request.
   *
   * @throws TlsError or X509Error naming the file and the fault; {@link ServerError} `not-https`, `server-closed`,
   * `option-conflict`; CoreError `option-unknown`
   */
  async reload(given: TlsSources = {}): Promise<Reloaded> {
    checkOptions(given, SOURCE_OPTIONS, 'reload')
    if (this.#closing !== undefined) {
      throw new ServerError('server-closed', 'the server is closed')
    }
    const before = this.#state.context
    if (this.#source === undefined || before === undefined) {
      throw new ServerError('not-https', 'a server of plain HTTP has nothing to reload', {
        hint: 'serve with https: true',
      })
    }
    const source = mergeSources(this.#source, given)
    const context = buildContext(source)
    const changed = changes(before, context, given)
    if (changed.length > 0) this.#lanes.swap(context)
    this.#source = source
    return { changed, certificate: context.certificate }
  }

  /**
   * Stops accepting, ends every answer with `Connection: close`, closes idle connections at once and waits for the rest.
   * A second call waits for the first.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, ['timeoutMs', 'signal'], 'close')
    const timeoutMs = options.timeoutMs ?? this.#drainMs
    checkDuration(timeoutMs, 'timeoutMs')
    this.#closing ??= this.#lanes.drain(timeoutMs, options.signal)
    await this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Refuses what `setTimeout` would turn into something else.
 *
 * @throws {@link ServerError} `option-invalid`
 */
export function checkDuration(milliseconds: number, option: string): void {
  if (Number.isInteger(milliseconds) && milliseconds >= 0 && milliseconds <= 0x7fff_ffff) return
  throw new ServerError('option-invalid', `${option} must be a whole number of milliseconds`, {
    option,
  })
}

function changes(
  before: TlsContext,
  context: TlsContext,
  given: TlsSources,
): ('certificate' | 'trust' | 'settings')[] {
  const changed: ('certificate' | 'trust' | 'settings')[] = []
  if (chainOf(before) !== chainOf(context)) changed.push('certificate')
  if (before.epoch !== context.epoch) changed.push('trust')
  if (changed.length === 0 && given.context !== undefined && given.context !== before) {
    changed.push('settings')
  }
  return changed
}

function chainOf({ chain }: TlsContext): string {
  return chain.map(({ fingerprint }) => fingerprint).join(' ')
}
