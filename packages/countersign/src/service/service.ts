/**
 * The whole service in one process: store, authority, sign-in and console behind one port.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { createAuth } from '@countersign/auth'
import { type Authority, createAcme, createAuthority } from '@countersign/authority'
import { type Clock, ensurePrivateFolder, systemClock } from '@countersign/core'
import { type ListeningSocket, type Server, serve } from '@countersign/server'
import { openStore, type Store, StoreError } from '@countersign/store'
import { parseGeneralName } from '@countersign/x509'
import { certifying, renewalsWatchedBy } from '../certificate-owners.ts'
import { refuseWrongClock } from '../clock.ts'
import { readConfiguration, updateConfiguration } from '../configuration.ts'
import { type DataFolder, refuseSharedFolder } from '../data-folder.ts'
import { givenPassphrase, openDataStore, openExistingStore } from '../open-data.ts'
import { type AcmeSettings, acmeOptions } from './acme-settings.ts'
import { buildApp, buildPlainApp } from './app.ts'
import { clientTrust } from './client-trust.ts'
import { authorizeWith } from './authorize.ts'
import { reportAcmeFaults, reportAuthorityFaults, reportFaults } from './faults.ts'
import { issuerUpkeep } from './issuer-upkeep.ts'
import { issuerAddress } from './issuer-address.ts'
import { parseListenAddress } from './listen-address.ts'
import { ServiceLock } from './lock.ts'
import { serviceMetrics } from './metrics.ts'
import { publicAddress } from './public-address.ts'
import {
  ensureServerIdentity,
  permittedNames,
  type ServerIdentity,
  stillServes,
} from './server-certificate.ts'
import { every } from './timer.ts'

/** What `countersign up` can be told. */
export interface ServiceOptions {
  data: DataFolder
  /** `HOST:PORT`. @defaultValue the folder's setting, else `127.0.0.1:8443` */
  listen?: string | undefined
  /** A socket that listens already, instead of that. */
  socket?: ListeningSocket | undefined
  /** Further host names of the service's own certificate. */
  names?: readonly string[] | undefined
  /** Database URL. @defaultValue the folder's setting, else its own SQLite file */
  database?: string | undefined
  /** How ACME validates, and whom it serves. */
  acme?: AcmeSettings | undefined
  /** Whether callers are asked for a certificate of the authority. @defaultValue true */
  userCertificates?: boolean | undefined
  /** As `serve` of the server room has it. @defaultValue none */
  accessLog?: string | boolean | undefined
  /** A remark for the operator. */
  note: (text: string) => void
  clock?: Clock | undefined
  /** How often the service looks whether its own certificate is due or was revoked, in milliseconds. @defaultValue 1000 */
  renewalCheckMs?: number | undefined
}

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
  /** The routes behind TLS. */
  routes: readonly Route[]
  /** Opens the file of the access log again, after it was moved away. */
  reopenAccessLog(): Promise<void>
  /** Stops accepting, answers what is under way, closes. */
  close(): Promise<void>
}

/**
 * Starts the service on a data folder; the first start makes the folder, the authority and the certificate.
 *
 * @throws ProgramError `already-running`, `clock-wrong`, `name-not-permitted`; errors of the rooms
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { data, note, clock = systemClock } = options
  refuseWrongClock(clock)
  refuseSharedFolder(data)
  ensurePrivateFolder(data.path)
  await using undo = new AsyncDisposableStack()
  const lock = undo.use(ServiceLock.take(data))
  const firstRun = !existsSync(data.roots)
  const configuration = await readConfiguration(data)
  const { host, port } = parseListenAddress(
    options.listen ?? configuration.listen ?? '127.0.0.1:8443',
  )
  const asked = [...(configuration.names ?? []), ...(options.names ?? [])]
  // Before anything is made: what is no name at all.
  for (const name of asked) parseGeneralName(name)

  const store = undo.use(await openServiceStore(data, options.database, firstRun))
  const faults = reportFaults(note)
  const keys = { path: data.authKeys }
  const addressed = {
    configured: configuration.publicUrl,
    names: [...(options.names ?? []), ...(configuration.names ?? [])],
    host,
    localNames: localNames(),
  }
  // Known once the service listens, like its address where the port is whatever the system gives.
  let issuer: string | undefined
  const auth = undo.use(
    await createAuth({
      store,
      clock,
      host,
      keys,
      issuer: () => issuer,
      certificateAuthority: certifying(() => authority),
      onEvent: faults,
    }),
  )
  const reachedAt = (boundPort: number): string => publicAddress({ ...addressed, port: boundPort })
  const isPortKnown =
    (port !== 0 && options.socket === undefined) || configuration.publicUrl !== undefined
  const authority = await createAuthority({
    store,
    folder: data.path,
    passphrase: givenPassphrase(),
    policy: { rules: configuration.rules },
    publicUrl: isPortKnown ? reachedAt(port) : undefined,
    authorize: authorizeWith(auth),
    renewals: renewalsWatchedBy(auth),
    onFault: reportAuthorityFaults(note),
    clock,
  })
  const names = permittedNames(authority, asked, [
    'localhost',
    '127.0.0.1',
    '::1',
    ...(isWildcardAddress(host) ? [] : [host]),
    ...localNames(),
  ])
  const keepIssuer = issuerUpkeep({ authority, data, note, clock })
  await keepIssuer()
  let identity = await ensureServerIdentity(authority, data, names, clock)
  const asksUsers = options.userCertificates ?? true
  let trust = asksUsers ? await clientTrust(authority, undefined) : undefined
  const numbers = serviceMetrics(authority, clock)
  const acme = undo.use(
    await createAcme({
      ...acmeOptions(options.acme ?? {}, host),
      store,
      authority,
      folder: data.path,
      onFault: reportAcmeFaults(note),
      clock,
    }),
  )
  const app = buildApp({ store, authority, auth, acme, numbers, note })
  const server = await listen()
  undo.use(server)
  issuer = issuerAddress({ ...addressed, port: server.port })
  if (!isPortKnown) {
    await authority.setPublicUrl(reachedAt(server.port))
    await keepIssuer()
    if (!(await stillServes(identity, authority, names, clock()))) await renew()
  }
  const renewal = async (): Promise<void> => {
    try {
      await keepIssuer()
      await keepTrust()
      if (await stillServes(identity, authority, names, clock())) return
      await renew()
      const { notAfter } = identity.certificate
      note(`renewed the service's certificate, valid until ${notAfter.toISOString()}`)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      // Told as a request would tell it: once a minute, not at every look.
      faults({ type: 'sys_store_unavailable', time: clock(), reason: 'its certificate', error })
    }
  }
  undo.use(every(options.renewalCheckMs ?? 1000, renewal, note))
  undo.use(every(600_000, async () => auth.sweep(), note))
  undo.use(every(60_000, async () => acme.sweep(), note))
  const url = `https://${urlHost(host, names)}:${server.port}`
  await lock.announce(url)
  const setupCode = (await auth.needsSetup()) ? await auth.createSetupCode() : undefined

  const owned = undo.move()
  const close = once(async () => owned.disposeAsync())
  const { routes } = app
  return {
    url,
    authority,
    setupCode,
    firstRun,
    routes,
    reopenAccessLog: async () => server.reopenAccessLog(),
    close,
    [Symbol.asyncDispose]: close,
  }

  async function listen(): Promise<Server> {
    return await serve(app, {
      host,
      port,
      socket: options.socket,
      https: true,
      cert: identity.chainPem,
      key: identity.keyPem,
      plain: buildPlainApp(authority, note),
      metrics: numbers.metrics,
      accessLog: options.accessLog,
      ...(trust === undefined ? {} : { verifyUser: 'ask', ...trust.sources }),
    })
  }

  /** A revoked certificate is refused from here on: by new connections, by those that resume a session, by those that are open. */
  async function keepTrust(): Promise<void> {
    if (trust === undefined) return
    const next = await clientTrust(authority, trust)
    if (next === trust) return
    await server.reload(next.sources)
    trust = next
  }

  async function renew(): Promise<void> {
    const next: ServerIdentity = await ensureServerIdentity(authority, data, names, clock)
    await server.reload({ cert: next.chainPem, key: next.keyPem })
    identity = next
  }
}

/** Opens the database; a new address is kept for later starts once it has answered. */
async function openServiceStore(
  data: DataFolder,
  database: string | undefined,
  firstRun: boolean,
): Promise<Store> {
  if (database === undefined) {
    return firstRun ? await openDataStore(data) : await openExistingStore(data)
  }
  const store = await openStore(database)
  try {
    await store.ping()
    await updateConfiguration(data, { database })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** This machine's own name, where it is a host name at all. */
function localNames(): string[] {
  const name = hostname().toLowerCase()
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name)
    ? [name]
    : []
}

/** How the address is written in a URL: a name that the certificate covers. */
function urlHost(host: string, names: readonly string[]): string {
  const local = isWildcardAddress(host) || ['127.0.0.1', '::1', 'localhost'].includes(host)
  const name = local ? (names[0] ?? 'localhost') : host
  return name.includes(':') ? `[${name}]` : name
}

/** Every address of the machine, which is none that a certificate could name. */
function isWildcardAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function once(work: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined
  return () => (result ??= work())
}
