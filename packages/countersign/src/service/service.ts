/**
 * The whole service in one process: store, authority, sign-in and console behind one port.
 *
 * Not here: several processes, which are `first-process.ts` and `worker.ts`.
 *
 * @module
 */
import type { Authority } from '@countersign/authority'
import { systemClock } from '@countersign/core'
import { openPort, serve } from '@countersign/server'
import { IDLE_GRACE_MS } from '../serve/processes.ts'
import { buildApp, buildPlainApp } from './app.ts'
import { openCaretaker } from './caretaker.ts'
import { serviceMetrics } from './metrics.ts'
import { readSettings, type ServiceOptions } from './settings.ts'
import { FolderClaim } from './take-folder.ts'

/** One route of the service. */
interface Route {
  method: string
  path: string
}

/** A service that answers. */
export interface Service extends AsyncDisposable {
  url: string
  authority: Authority
  /** One-time code that makes the first administrator; `undefined` where there is one already. */
  setupCode: string | undefined
  /** True where this start made the authority. */
  firstRun: boolean
  /** The process ids of the workers; `undefined` where this process serves itself. */
  workers?: readonly number[] | undefined
  /** The routes behind TLS. */
  routes: readonly Route[]
  /** Opens the file of the access log again, and takes over certificate, roots and lists as they are now. */
  reload(): Promise<void>
  /** Stops accepting, answers what is under way, closes. */
  close(): Promise<void>
}

/**
 * Starts the service on a data folder; the first start makes the folder, the authority and the certificate. Who connects before it is
 * there waits.
 *
 * @throws ProgramError `already-running`, `clock-wrong`, `name-not-permitted`, `folder-of-others`; ServerError `port-in-use` and the
 * others of the address; errors of the rooms
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { data, note, user, clock = systemClock } = options
  const settings = await readSettings(options, clock)
  await using undo = new AsyncDisposableStack()
  const claim = undo.use(new FolderClaim(data, user))
  const { host, port: asked } = settings
  const port = undo.use(await openPort({ host, port: asked, socket: options.socket }))
  const lock = claim.enter()
  const care = undo.use(await openCaretaker({ options, settings, lock, port: port.port }))
  const { auth, authority, acme, store, upkeep, url, firstRun } = care
  const numbers = serviceMetrics(authority, acme, clock)
  const app = buildApp({
    store,
    authority,
    auth,
    acme,
    numbers,
    behindProxies: settings.configuration.clientCertFrom !== undefined,
    note,
  })
  const { identity, trust } = upkeep.standing
  const server = await serve(app, {
    connections: port.connections,
    https: true,
    cert: identity.chainPem,
    key: identity.keyPem,
    plain: buildPlainApp(authority, note),
    metrics: numbers.metrics,
    accessLog: options.accessLog,
    ...(trust === undefined
      ? {}
      : { verifyUser: 'ask', ...trust.sources, renewTrust: upkeep.look }),
  })
  undo.defer(async () => server.close({ idleGraceMs: IDLE_GRACE_MS }))
  upkeep.start(async (sources) => {
    await server.reload(sources)
  })
  const { setupCode } = undo.use(await care.begin())

  const owned = undo.move()
  const close = once(async () => {
    port.close()
    await owned.disposeAsync()
  })
  return {
    url,
    authority,
    setupCode,
    firstRun,
    routes: app.routes,
    reload: async () => {
      await server.reopenAccessLog()
      await upkeep.look()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Work that is done once, however often it is asked for. */
export function once(work: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined
  return () => (result ??= work())
}
