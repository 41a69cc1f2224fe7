/**
 * One worker as the first process knows it: what it was given and has not acknowledged is still ours to give to another.
 *
 * @module
 */
import type { Cluster, Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import { type FromWorker, readFromWorker, type ToWorker, type WorkerOutcome } from './messages.ts'

/** Who is told about a worker. */
export interface WorkerEvents {
  onMessage(worker: WorkerProcess, message: FromWorker): void
  /** It took a connection: it may be given another. */
  onTaken(): void
  /** @param orphans - connections that nobody has read from */
  onExit(worker: WorkerProcess, reason: string, orphans: Socket[]): void
}

/** A worker. */
export class WorkerProcess {
  /** When it was started, as `performance.now()` has it. */
  readonly since: number = performance.now()
  /** Whether it serves. */
  isReady = false
  readonly #child: Worker
  readonly #handed = new Map<number, Socket>()
  readonly #reloads = new Map<number, (outcome: WorkerOutcome) => void>()
  #next = 0

  constructor(cluster: Cluster, events: WorkerEvents) {
    this.#child = cluster.fork()
    // A message to one that has just died; its `exit` follows.
    this.#child.on('error', () => {})
    this.#child.on('message', (raw: unknown) => {
      const message = readFromWorker(raw)
      if (message === undefined) return
      if (message.type === 'taken') {
        this.#handed.get(message.id)?.destroy()
        this.#handed.delete(message.id)
        events.onTaken()
      } else if (message.type === 'reloaded') {
        this.#reloads.get(message.id)?.(message.outcome)
      } else {
        events.onMessage(this, message)
      }
    })
    this.#child.once('exit', (code: number | null, signal: string | null) => {
      this.isReady = false
      const orphans = [...this.#handed.values()]
      this.#handed.clear()
      const reason = signal ?? `exit code ${code}`
      for (const settle of this.#reloads.values()) {
        settle({ ok: false, message: `the worker ended (${reason})` })
      }
      events.onExit(this, reason, orphans)
    })
  }

  /** 0 where it could not even be started. */
  get pid(): number {
    return this.#child.process.pid ?? 0
  }

  /** How many connections it was given and has not taken yet. */
  get load(): number {
    return this.#handed.size
  }

  /** Gives it a connection; this process keeps its own end until the worker says that it has it. */
  give(socket: Socket): void {
    const id = this.#next++
    this.#handed.set(id, socket)
    const message: ToWorker = { type: 'connection', id }
    // A channel that is broken belongs to a worker that has died: by its exit it gives back what it had.
    this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  /** Lets it reload, and resolves with what came of it; a worker that ends meanwhile has failed. */
  async reload(): Promise<WorkerOutcome> {
    const id = this.#next++
    const { promise, resolve } = Promise.withResolvers<WorkerOutcome>()
    this.#reloads.set(id, resolve)
    this.send({ type: 'reload', id })
    try {
      return await promise
    } finally {
      this.#reloads.delete(id)
    }
  }

  send(message: ToWorker): void {
    if (this.#child.isConnected()) this.#child.send(message)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.process.kill(signal)
  }
}
