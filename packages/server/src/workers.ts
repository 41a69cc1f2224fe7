/**
 * Several processes on one port: a first one that holds the port and serves nobody, and workers that serve.
 *
 * It stands on `node:cluster`: the first process accepts and hands connections round, so that a worker that dies takes along only
 * what it was answering. What nobody may read on the way (the secret of session tickets) goes by the channel between the two.
 *
 * Why so: `docs/design/workers.md`.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Cluster, Worker } from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOptions } from '@countersign/core'
import { ServerError } from './errors.ts'
import type { TicketOptions } from './ticket-keys.ts'

/** How {@link startWorkers} starts them. */
export interface WorkersOptions {
  /** How many: 1 to 128. */
  count: number
  /** Told of each worker that died and is replaced. @defaultValue nothing */
  onReplaced?: ((worker: { pid: number; reason: string }) => void) | undefined
}

/** Runs this program once more for each worker, and replaces those that die. */
export class Workers {
  readonly #cluster: Cluster
  readonly #onReplaced: (worker: { pid: number; reason: string }) => void
  readonly #secret = randomBytes(32)
  readonly #live = new Set<Worker>()
  readonly #first = Promise.withResolvers<unknown>()
  readonly #ended = Promise.withResolvers<number>()
  readonly #count: number
  #wereReady = 0
  #isClosing = false

  /** Made by {@link startWorkers}. */
  constructor(cluster: Cluster, { count, onReplaced }: WorkersOptions) {
    this.#cluster = cluster
    this.#count = count
    this.#onReplaced = onReplaced ?? (() => {})
    // Bytes pass as such.
    cluster.setupPrimary({ serialization: 'advanced' })
    for (let made = 0; made < count; made++) this.#fork()
  }

  /** What a worker said of itself ({@link WorkerSide.ready}), once all of them serve. @throws {@link ServerError} `worker-failed` */
  get ready(): Promise<unknown> {
    return this.#first.promise
  }

  /** The process ids of those that live. */
  get pids(): number[] {
    return [...this.#live].flatMap(({ process: { pid } }) => (pid === undefined ? [] : [pid]))
  }

  /** Lets every worker finish what it is answering and end. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const worker of this.#live) if (worker.isConnected()) worker.send({ type: 'stop' })
    if (this.#live.size > 0) await this.#ended.promise
  }

  #fork(): void {
    const worker = this.#cluster.fork()
    const since = performance.now()
    this.#live.add(worker)
    worker.on('error', () => {})
    worker.on('message', (message: unknown) => {
      if (typeof message !== 'object' || message === null || !('type' in message)) return
      if (message.type === 'hello') {
        // What it was told before it said so, it has not heard.
        if (this.#isClosing) worker.process.kill()
        else worker.send({ type: 'start', secret: this.#secret })
      }
      if (message.type === 'ready' && 'facts' in message) {
        this.#wereReady++
        if (this.#wereReady === this.#count) this.#first.resolve(message.facts)
      }
    })
    worker.once('exit', (code: number | null, signal: string | null) => {
      this.#live.delete(worker)
      void this.#onExit(worker, since, signal ?? `exit code ${code}`)
    })
  }

  async #onExit({ process: { pid = 0 } }: Worker, since: number, reason: string): Promise<void> {
    if (this.#isClosing) {
      if (this.#live.size === 0) this.#ended.resolve(0)
      return
    }
    if (this.#wereReady < this.#count) {
      this.#isClosing = true
      this.#first.reject(
        new ServerError('worker-failed', `a worker ended before it served: ${reason}`, {
          hint: 'read what it wrote: it says why',
        }),
      )
      for (const worker of this.#live) worker.kill()
      if (this.#live.size === 0) this.#ended.resolve(0)
      return
    }
    this.#onReplaced({ pid, reason })
    // One that dies as soon as it lives must not keep the machine busy with its births.
    if (performance.now() - since < SHORTEST_LIFE_MS) await sleep(SHORTEST_LIFE_MS)
    if (!this.#isClosing) this.#fork()
  }
}

/** What a worker knows of itself. */
export interface WorkerSide {
  /** For `serve`: the workers resume each other's sessions. */
  readonly tickets: TicketOptions
  /** Resolves when the worker is to end. */
  readonly stopped: Promise<string>
  /** Tells the first process that this one serves, and how: anything that can be cloned. */
  ready(facts: unknown): void
  /** Lets go of the first process, so that this one ends; after its server has closed. */
  end(): void
}

/**
 * Starts workers: each runs this program from its beginning, and finds itself one by {@link workerSide}.
 *
 * @throws {@link ServerError} `option-invalid`; CoreError `option-unknown`
 */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  checkOptions(options, ['count', 'onReplaced'], 'startWorkers')
  const { count } = options
  if (!Number.isInteger(count) || count < 1 || count > MOST_WORKERS) {
    throw new ServerError('option-invalid', `count must be 1 to ${MOST_WORKERS}`, {
      option: 'count',
      hint: 'one for each core, as os.availableParallelism() has it',
    })
  }
  const { default: cluster } = await import('node:cluster')
  return new Workers(cluster, options)
}

/** The side of a worker, or `undefined` in a process that is none. */
export async function workerSide(): Promise<WorkerSide | undefined> {
  // Without a channel to a parent nobody is a worker, and need not load node:cluster to know it.
  if (process.send === undefined) return undefined
  const {
    default: { worker },
  } = await import('node:cluster')
  if (worker === undefined) return undefined
  const started = Promise.withResolvers<Uint8Array>()
  const stopped = Promise.withResolvers<string>()
  worker.on('message', (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('type' in message)) return
    if (message.type === 'stop') stopped.resolve('the first process')
    if (message.type === 'start' && 'secret' in message && message.secret instanceof Uint8Array) {
      started.resolve(message.secret)
    }
  })
  worker.send({ type: 'hello' })
  return {
    tickets: { secret: await started.promise },
    stopped: stopped.promise,
    ready: (facts) => {
      worker.send({ type: 'ready', facts })
    },
    end: () => {
      worker.disconnect()
    },
  }
}

const MOST_WORKERS = 128
const SHORTEST_LIFE_MS = 1000
