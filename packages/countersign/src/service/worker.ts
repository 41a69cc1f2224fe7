/**
 * The service in several processes, as one that serves. What has to be done once the first process does; what changes it tells.
 *
 * @module
 */
import { openAuthority } from '@countersign/authority'
import { latest, systemClock } from '@countersign/core'
import { Metrics, metricsResponse, serve, tellMetrics, type WorkerSide } from '@countersign/server'
import { openStore } from '@countersign/store'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { IDLE_GRACE_MS } from '../serve/processes.ts'
import { buildApp, buildPlainApp } from './app.ts'
import { clientTrust } from './client-trust.ts'
import { reportFaults } from './faults.ts'
import { countAcme, countOverdue } from './metrics.ts'
import { openRooms } from './open-rooms.ts'
import { readIdentity, type ServerIdentity } from './server-certificate.ts'
import type { ServiceOptions } from './settings.ts'
import { isFamilies, type Question, readFacts, readNews } from './shared-facts.ts'
import { every } from './timer.ts'
import { changedSources, type Standing } from './upkeep.ts'

/** A worker that serves. */
export interface ServiceWorker extends AsyncDisposable {
  /** To be called once whoever stops it can: says to the first process that it serves. */
  begin(): void
}

/**
 * Opens the service of the first process, and serves it.
 *
 * @throws ProgramError `file-unreadable`; errors of the rooms
 */
export async function startServiceWorker(
  options: ServiceOptions,
  side: WorkerSide,
): Promise<ServiceWorker> {
  const { data, note, acme: settings = {}, clock = systemClock } = options
  const facts = readFacts(side.data)
  const ask = async (question: Question): Promise<unknown> => side.ask(question)
  await using undo = new AsyncDisposableStack()
  const store = undo.use(await openStore(facts.database))
  const { auth, authority, acme } = undo.use(
    await openRooms({
      store,
      data,
      facts,
      acme: settings,
      open: openAuthority,
      faults: reportFaults(note),
      note,
      clock,
    }),
  )
  const asksUsers = options.userCertificates ?? true
  let standing: Standing = {
    identity: requireIdentity(data),
    trust: asksUsers ? await clientTrust(authority, undefined) : undefined,
  }
  const metrics = new Metrics()
  tellMetrics(metrics)
  countAcme(metrics, acme)
  countOverdue(metrics, authority)
  const numbers = {
    metrics,
    response: async (request: Request): Promise<Response> => {
      const families = await ask({ type: 'numbers' })
      return metricsResponse(isFamilies(families) ? families : [], request)
    },
  }
  const app = buildApp({
    store,
    authority,
    auth,
    acme,
    numbers,
    behindProxies: facts.clientCertFrom !== undefined,
    note,
  })
  const server = await serve(app, {
    tickets: side.tickets,
    connections: side.connections,
    https: true,
    cert: standing.identity.chainPem,
    key: standing.identity.keyPem,
    plain: buildPlainApp(authority, note),
    metrics,
    accessLog: options.accessLog,
    ...(standing.trust === undefined
      ? {}
      : {
          verifyUser: 'ask',
          ...standing.trust.sources,
          renewTrust: async () => {
            await ask({ type: 'look' })
          },
        }),
  })
  undo.defer(async () => server.close({ idleGraceMs: IDLE_GRACE_MS }))
  const takeOver = latest(async () => {
    await authority.refresh()
    const next = {
      identity: sameOr(standing.identity, readIdentity(data)),
      trust: standing.trust && (await clientTrust(authority, standing.trust)),
    }
    const changed = changedSources(standing, next)
    if (Object.keys(changed).length > 0) await server.reload(changed)
    standing = next
  })
  let isHearing = false
  side.onNews((told) => {
    const news = readNews(told)
    if (news.type === 'reopen') {
      void server.reopenAccessLog()
      return
    }
    isHearing = true
    auth.hearRevoked(news.ended)
    isHearing = false
  })
  // PostgreSQL carries the message itself.
  if (store.dialect === 'sqlite') {
    auth.onRevoked(({ sid, credentialId, principalId }) => {
      if (isHearing) return
      ask({ type: 'ended', ended: { sid, credentialId, principalId } }).catch(() => {
        // The first process has ended, and this one does too; others hear it from the database.
      })
    })
  }
  // Should the first process be held up: what it tells, this one finds out by itself.
  undo.use(every(NET_MS, takeOver, note))
  const owned = undo.move()
  return {
    begin: () => {
      side.ready(undefined, takeOver)
      // What was told while it began, it has not heard.
      takeOver().catch(() => {
        // As every few seconds, where it is said.
      })
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}

function requireIdentity(data: DataFolder): ServerIdentity {
  const identity = readIdentity(data)
  if (identity !== undefined) return identity
  throw new ProgramError(
    'file-unreadable',
    `${data.serverCertificate} and its key cannot be used`,
    {
      hint: 'the first process makes them: stop it, and start it again',
    },
  )
}

/** The one that is served, unless the files hold another. */
function sameOr(served: ServerIdentity, found: ServerIdentity | undefined): ServerIdentity {
  return found === undefined || found.chainPem === served.chainPem ? served : found
}

const NET_MS = 5000
