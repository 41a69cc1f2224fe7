/**
 * The side of a worker: it gets its connections from the first process, which holds the port.
 *
 * @module
 */
import { Socket } from 'node:net'
import type { Server as NetServer } from 'node:net'
import { errorMessage } from '@countersign/core'
import { ServerError } from '../errors.ts'
import type { TicketOptions } from '../ticket-keys.ts'
import { type FromWorker, readToWorker, type ToWorker, type WorkerOutcome } from './messages.ts'

/** Where the connections of a server come from that listens nowhere itself. */
export interface ConnectionFeed {
  /** Where somebody else listens. */
  readonly host: string
  readonly port: number
  /** Connections go there from now on. */
  start(server: NetServer): void
}

/** What a worker knows of itself. */
export interface WorkerSide {
  /** For `serve`: the workers resume each other's sessions. */
  readonly tickets: TicketOptions
  /** For `serve`: the connections that the first process accepts. */
  readonly connections: ConnectionFeed
  /** What `onBound` of `startWorkers` returned: secrets too, since nobody reads the channel between the two. */
  readonly data: unknown
  /** Resolves when the worker is to end. */
  readonly stopped: Promise<string>
  /**
   * Asks the first process, and resolves with what `onQuestion` there returned.
   *
   * @param question - anything that can be cloned
   * @throws {@link ServerError} `question-failed` with the message of what `onQuestion` threw
   */
  ask(question: unknown): Promise<unknown>
  /** Gets what `Workers.tell` tells, one after the other. */
  onNews(listener: (news: unknown) => void): void
  /**
   * Tells the first process that this one serves, and how.
   *
   * @param facts - anything that can be cloned
   * @param reload - what `Workers.reload` does here: `async () => (await server.reload()).changed`
   */
  ready(facts: unknown, reload?: () => Promise<unknown>): void
  /** Lets go of the first process, so that this one ends; after its server has closed. */
  end(): void
}

/** The side of a worker, or `undefined` in a process that is none. */
export async function workerSide(): Promise<WorkerSide | undefined> {
  // Without a channel to a parent nobody is a worker, and need not load node:cluster to know it.
  if (process.send === undefined) return undefined
  const {
    default: { worker },
  } = await import('node:cluster')
  if (worker === undefined) return undefined
  const started = Promise.withResolvers<Extract<ToWorker, { type: 'start' }>>()
  const stopped = Promise.withResolvers<string>()
  const questions = new Map<number, (outcome: WorkerOutcome) => void>()
  const listeners = new Set<(news: unknown) => void>()
  let asked = 0
  let server: NetServer | undefined
  let reload: (() => Promise<unknown>) | undefined
  process.on('message', (raw: unknown, handle: unknown) => {
    const message = readToWorker(raw)
    if (message === undefined) return
    if (message.type === 'start') started.resolve(message)
    if (message.type === 'stop') stopped.resolve('the first process')
    if (message.type === 'reload') void answerReload(message.id, reload)
    if (message.type === 'answer') questions.get(message.id)?.(message.outcome)
    if (message.type === 'news') for (const listener of listeners) listener(message.news)
    if (message.type === 'connection') {
      // Before anything is read of it: from here on nobody else can serve it.
      tell({ type: 'taken', id: message.id })
      if (!(handle instanceof Socket)) return
      if (server === undefined) handle.destroy()
      else server.emit('connection', handle)
    }
  })
  // `node:cluster` would exit now, and that waits for the threads: a name that no DNS server answers for takes minutes.
  worker.once('disconnect', () => {
    if (!worker.exitedAfterDisconnect) process.kill(process.pid, 'SIGKILL')
  })
  tell({ type: 'hello' })
  const { secret, host, port, data } = await started.promise
  return {
    data,
    ask: async (question) => {
      const id = asked++
      const { promise, resolve } = Promise.withResolvers<WorkerOutcome>()
      questions.set(id, resolve)
      tell({ type: 'question', id, question })
      const outcome = await promise
      questions.delete(id)
      if (outcome.ok) return outcome.facts
      throw new ServerError('question-failed', `the first process: ${outcome.message}`)
    },
    onNews: (listener) => {
      listeners.add(listener)
    },
    tickets: { secret },
    connections: {
      host,
      port,
      start: (target) => {
        server = target
      },
    },
    stopped: stopped.promise,
    ready: (facts, onReload) => {
      reload = onReload
      tell({ type: 'ready', facts })
    },
    end: () => {
      worker.disconnect()
    },
  }
}

async function answerReload(
  id: number,
  reload: (() => Promise<unknown>) | undefined,
): Promise<void> {
  let outcome: WorkerOutcome
  try {
    outcome = { ok: true, facts: await reload?.() }
  } catch (error) {
    outcome = { ok: false, message: errorMessage(error) }
  }
  tell({ type: 'reloaded', id, outcome })
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}
