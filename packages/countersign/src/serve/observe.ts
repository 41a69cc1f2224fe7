/**
 * What `serve` and `up` let be seen: the access log, and numbers for monitoring.
 *
 * @module
 */
import type { FolderHandler, Handler, Server, ServeOptions, Workers } from '@countersign/server'
import { problemResponse } from '@countersign/core'
import type { Command } from 'commander'
import { ProgramError } from '../errors.ts'
import { type ListenAddress, parseListenAddress } from '../service/listen-address.ts'

/** The options of {@link addLogOption} and {@link addMetricsOption}. */
export interface ObserveFlags {
  accessLog?: string | true
  metrics?: string | true
}

/** What a server is observed with. */
export interface Observation {
  /** For `serve` of the server room. */
  readonly options: Pick<ServeOptions, 'accessLog' | 'metrics'>
  readonly isLogged: boolean
  /** The handler, with the numbers at their path where they have one. */
  handler(handler: Handler): Handler
  /** Once it serves: the numbers get their port, and SIGHUP opens the log again. */
  watch(server: Server): Promise<Watched>
}

/** What watches a running server. */
export interface Watched extends AsyncDisposable {
  /** Where the numbers are. */
  readonly url: string | undefined
}

/** Adds `--access-log`. */
export function addLogOption(command: Command): Command {
  return command.option(
    '--access-log [file]',
    'log every answer and every refusal, to a file or standard output (-)',
  )
}

/** Adds `--metrics`. */
function addMetricsOption(command: Command): Command {
  return command.option(
    '--metrics [where]',
    'numbers for Prometheus at host:port or a path (default: 127.0.0.1:9464)',
  )
}

/** Adds both. */
export function addObserveOptions(command: Command): void {
  addMetricsOption(addLogOption(command))
}

/** Opens the access log again at SIGHUP, where there is one. */
function followHangUp(
  { accessLog }: Pick<ObserveFlags, 'accessLog'>,
  reopen: () => Promise<void>,
): Disposable {
  return accessLog === undefined ? { [Symbol.dispose]() {} } : onHangUp(() => void reopen())
}

/** What the option says to `serve` of the server room. */
export function accessLogOf({ accessLog }: Pick<ObserveFlags, 'accessLog'>): string | boolean {
  return accessLog === '-' ? true : (accessLog ?? false)
}

/**
 * Reads the options.
 *
 * @param isWorker - its numbers are asked for by the first process
 * @param note - told where the numbers are
 * @throws ProgramError `usage`
 */
export async function observe(
  flags: ObserveFlags,
  isWorker: boolean,
  note: (text: string) => void,
): Promise<Observation> {
  const { Metrics, nodeListener, tellMetrics } = await import('@countersign/server')
  const accessLog = accessLogOf(flags)
  const where = flags.metrics === true ? DEFAULT_ADDRESS : flags.metrics
  const metrics = where === undefined ? undefined : new Metrics()
  if (metrics !== undefined && isWorker) tellMetrics(metrics)
  const path = where?.startsWith('/') === true ? where : undefined
  return {
    options: { accessLog, metrics },
    isLogged: accessLog !== false,
    handler: (handler) => {
      if (metrics === undefined || path === undefined) return handler
      if (!isFolder(handler)) {
        throw new ProgramError('usage', '--metrics with a path is for folders', {
          hint: 'give the numbers an address of their own: --metrics 127.0.0.1:9464',
        })
      }
      const { listener } = handler.nodeListener
      return nodeListener(async (incoming, outgoing) => {
        if (incoming.url?.split('?', 1)[0] !== path) {
          await listener(incoming, outgoing)
          return
        }
        const accept = incoming.headers.accept ?? ''
        const answer = metrics.response(new Request('http://numbers', { headers: { accept } }))
        outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
        outgoing.end(await answer.text())
      })
    },
    watch: async (server) => {
      await using undo = new AsyncDisposableStack()
      undo.use(followHangUp(flags, async () => server.reopenAccessLog()))
      let url: string | undefined
      if (metrics !== undefined && path === undefined && !isWorker) {
        const own = undo.use(
          await serveNumbers(where, async (request) => metrics.response(request)),
        )
        url = `${own.url}/metrics`
      } else if (path !== undefined) url = `${server.url}${path}`
      if (url !== undefined) note(`numbers at ${url}`)
      const owned = undo.move()
      return { url, [Symbol.asyncDispose]: async () => owned.disposeAsync() }
    },
  }
}

/**
 * The same for the first process of several, which serves nobody itself.
 *
 * @throws ProgramError `usage`
 */
export async function observeWorkers(
  flags: ObserveFlags,
  workers: Workers,
  note: (text: string) => void,
): Promise<Watched> {
  await using undo = new AsyncDisposableStack()
  if (flags.accessLog !== undefined) {
    undo.use(
      onHangUp(() => {
        for (const pid of workers.pids) process.kill(pid, 'SIGHUP')
      }),
    )
  }
  let url: string | undefined
  if (flags.metrics !== undefined) {
    const { WorkerMetrics } = await import('@countersign/server')
    const numbers = await WorkerMetrics.open()
    const where = flags.metrics === true ? DEFAULT_ADDRESS : flags.metrics
    const own = undo.use(await serveNumbers(where, async (request) => numbers.response(request)))
    url = `${own.url}/metrics`
    note(`numbers at ${url}`)
  }
  const owned = undo.move()
  return { url, [Symbol.asyncDispose]: async () => owned.disposeAsync() }
}

/** @throws ProgramError `usage` for a path where several processes serve */
export function refusePathForWorkers({ metrics }: ObserveFlags): void {
  if (typeof metrics !== 'string' || !metrics.startsWith('/')) return
  throw new ProgramError('usage', '--metrics with a path is for one process', {
    hint: 'give the numbers an address of their own: --metrics 127.0.0.1:9464',
  })
}

function addressOf(where: string): ListenAddress {
  try {
    return parseListenAddress(where)
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error
    throw new ProgramError('usage', `--metrics: ${error.message}`, {
      hint: 'write 127.0.0.1:9464, or a path of the folder that is served: /metrics',
      cause: error,
    })
  }
}

async function serveNumbers(
  where: string | undefined,
  answer: (request: Request) => Promise<Response>,
): Promise<Server> {
  const { serve } = await import('@countersign/server')
  const address = addressOf(where ?? DEFAULT_ADDRESS)
  return await serve(async (request) => {
    const { pathname } = new URL(request.url)
    const isAsked = request.method === 'GET' || request.method === 'HEAD'
    if (isAsked && pathname === '/metrics') return answer(request)
    return problemResponse({
      status: 404,
      code: 'not-found',
      detail: 'the numbers are at /metrics',
    })
  }, address)
}

function isFolder(handler: Handler): handler is FolderHandler {
  return typeof handler === 'function' && 'nodeListener' in handler
}

function onHangUp(work: () => void): Disposable {
  process.on('SIGHUP', work)
  return { [Symbol.dispose]: () => process.off('SIGHUP', work) }
}

/** The port that exporters of OpenTelemetry use for Prometheus. */
const DEFAULT_ADDRESS = '127.0.0.1:9464'
