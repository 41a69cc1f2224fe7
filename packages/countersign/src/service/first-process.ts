/**
 * The service in several processes, as the first of them: it holds the port and the data folder, looks after everything that is to be
 * done once, and serves nobody itself.
 *
 * Why so: `docs/design/workers.md`.
 *
 * @module
 */
import { availableParallelism } from 'node:os'
import { systemClock } from '@countersign/core'
import { startWorkers, WorkerMetrics } from '@countersign/server'
import { type Caretaker, openCaretaker } from './caretaker.ts'
import { serviceMetrics } from './metrics.ts'
import { once, type Service } from './service.ts'
import { readSettings, type ServiceOptions } from './settings.ts'
import { type News, readQuestion, type SharedFacts } from './shared-facts.ts'
import { FolderClaim } from './take-folder.ts'

/**
 * Starts the service with so many workers.
 *
 * @throws as `startService`; ServerError `worker-failed`
 */
export async function startFirstProcess(options: ServiceOptions, count: number): Promise<Service> {
  const { data, note, user, socket, clock = systemClock } = options
  const settings = await readSettings(options, clock)
  await using undo = new AsyncDisposableStack()
  const claim = undo.use(new FolderClaim(data, user))
  const { host, port } = settings
  const opened = Promise.withResolvers<Caretaker>()
  const workers = await startWorkers({
    count,
    host,
    port,
    socket,
    onBound: async (bound) => {
      const lock = claim.enter()
      const hashing = hashingShare(count)
      const caretaker = undo.use(
        await openCaretaker({ options, settings, lock, port: bound.port, hashing }),
      )
      opened.resolve(caretaker)
      return caretaker.facts
    },
    onQuestion: async (question, pid) => answer(question, pid),
    onReplaced: ({ pid, reason, waitMs }) => {
      const when = waitMs < 2000 ? '' : ` in ${Math.round(waitMs / 1000)} s`
      note(`worker ${pid} ended (${reason}): replaced${when}`)
    },
  })
  undo.defer(async () => workers.close())
  const care = await opened.promise
  const { auth, authority, upkeep, url, firstRun } = care
  const own = serviceMetrics(authority, care.acme, clock)
  const numbers = await WorkerMetrics.open(own.metrics)
  const tell = (news: News, except?: number): void => workers.tell(news, except)
  upkeep.start(async () => {
    const failed = (await workers.reload()).flatMap((one) =>
      one.ok ? [] : [`worker ${one.pid}: ${one.message}`],
    )
    if (failed.length > 0) throw new Error(`not taken over by ${failed.join('; ')}`)
  })
  await workers.ready
  const { setupCode } = undo.use(await care.begin())

  const owned = undo.move()
  const close = once(async () => {
    await workers.close()
    await owned.disposeAsync()
  })
  return {
    url,
    authority,
    setupCode,
    firstRun,
    get workers() {
      return workers.pids
    },
    routes: [],
    reload: async () => {
      tell({ type: 'reopen' })
      await upkeep.look()
    },
    close,
    [Symbol.asyncDispose]: close,
  }

  async function answer(asked: unknown, pid: number): Promise<unknown> {
    const question = readQuestion(asked)
    if (question.type === 'look') await upkeep.look()
    else if (question.type === 'ended') {
      auth.hearRevoked(question.ended)
      tell(question, pid)
    } else {
      await own.refresh()
      return await numbers.families()
    }
    return undefined
  }
}

/** A core stays free for requests, as it does for one process; the passwords that wait are shared out too. */
function hashingShare(count: number): SharedFacts['hashing'] {
  return {
    permits: Math.max(1, Math.floor((availableParallelism() - 1) / count)),
    queue: Math.ceil(QUEUE / count),
  }
}

const QUEUE = 32
