/**
 * Several processes on one port: a first one that accepts and serves nobody, and workers that serve.
 *
 * The first process keeps its own end of a connection until a worker says that it has taken it, so that a worker that dies takes along
 * only what it was answering: what it was given and had not taken goes to another. What nobody may read on the way (the secret of
 * session tickets) goes by the channel between the two.
 *
 * Why so: `docs/design/workers.md`.
 *
 * @module
 */
import type { Cluster } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkOptions, errorMessage } from '@countersign/core'
import { bind, type BoundAddress, checkAddress, type ListeningSocket } from './bind.ts'
import { ServerError } from './errors.ts'
import type { FromWorker, WorkerOutcome } from './processes/messages.ts'
import { WorkerProcess } from './processes/worker-process.ts'

/** How {@link startWorkers} starts them. */
export interface WorkersOptions {
  /** How many: 1 to 128. */
  count: number
  /** As that of `serve`. @defaultValue '127.0.0.1' */
  host?: string | undefined
  /** @defaultValue 0, any free port */
  port?: number | undefined
  /** A socket that listens already, instead of host and port. */
  socket?: ListeningSocket | undefined
  /**
   * Called once the port is open and before any worker is started: the moment to give up rights. Who connects meanwhile waits. What it
   * returns or resolves with, anything that can be cloned, every worker finds in `data` of its side. @defaultValue nothing
   */
  onBound?: ((address: BoundAddress) => unknown) | undefined
  /** Answers what a worker asks (`WorkerSide.ask`), with anything that can be cloned. @defaultValue nobody answers */
  onQuestion?: ((question: unknown, pid: number) => unknown) | undefined
  /** Told of each worker that died and is replaced, after `waitMs` where those before it died young. @defaultValue nothing */
  onReplaced?: ((worker: { pid: number; reason: string; waitMs: number }) => void) | undefined
  /** How long `close` waits for workers before it kills them. @defaultValue 30000 */
  stopMs?: number | undefined
}

/** What a reload came to in one worker. */
export type WorkerReload = WorkerOutcome & { readonly pid: number }

/** Runs this program once more for each worker, and replaces those that die. */
export class Workers {
  readonly host: string
  readonly port: number
  readonly #cluster: Cluster
  readonly #front: NetServer
  readonly #options: WorkersOptions
  readonly #secret = randomBytes(32)
  /** For every worker, those that come later too. */
  readonly #data: unknown
  readonly #live = new Set<WorkerProcess>()
  /** Connections that no worker can take yet. */
  readonly #waiting: Socket[]
  readonly #first = Promise.withResolvers<unknown>()
  readonly #ended = Promise.withResolvers<void>()
  #wereReady = 0
  #turn = 0
  #youngDeaths = 0
  #reloading: Promise<unknown> = Promise.resolve()
  #isClosing = false

  private constructor(
    cluster: Cluster,
    front: NetServer,
    { address, data, waiting }: { address: BoundAddress; data: unknown; waiting: Socket[] },
    options: WorkersOptions,
  ) {
    this.#cluster = cluster
    this.#front = front
    this.host = address.host
    this.port = address.port
    this.#data = data
    this.#waiting = waiting
    this.#options = options
    front.removeAllListeners('connection')
    front.on('connection', (socket) => this.#accept(socket))
    // Accepting failed, for want of file descriptors for instance; the next one may succeed.
    front.on('error', () => {})
    for (let made = 0; made < options.count; made++) this.#start()
  }

  /** Opens the port and starts the workers; {@link startWorkers} has checked the options. */
  static async open(options: WorkersOptions): Promise<Workers> {
    const { host = '127.0.0.1', port = 0, socket, onBound } = options
    const front = createServer({ pauseOnConnect: true, noDelay: true })
    const waiting: Socket[] = []
    front.on('connection', (early) => {
      early.on('error', () => {})
      if (waiting.length < MOST_WAITING) waiting.push(early)
      else early.destroy()
    })
    const address = await bind(front, { host, port, socket })
    let data: unknown
    try {
      data = await onBound?.(address)
    } catch (error) {
      front.close()
      for (const early of waiting) early.destroy()
      throw error
    }
    const { default: cluster } = await import('node:cluster')
    // Bytes pass as such.
    cluster.setupPrimary({ serialization: 'advanced' })
    return new Workers(cluster, front, { address, data, waiting }, options)
  }

  /** What a worker said of itself (`WorkerSide.ready`), once all of them serve. @throws {@link ServerError} `worker-failed` */
  get ready(): Promise<unknown> {
    return this.#first.promise
  }

  /** The process ids of those that live. */
  get pids(): number[] {
    return [...this.#live].map(({ pid }) => pid)
  }

  /**
   * Lets every worker reload, one first: where that one cannot use what it finds, nobody else is asked and all go on as before.
   *
   * @returns what it came to in each that was asked, once all of them have answered
   */
  async reload(): Promise<WorkerReload[]> {
    const turn = this.#reloading.then(() => this.#reload())
    this.#reloading = turn
    return await turn
  }

  /**
   * Tells every worker that has begun to serve: those that listen get it (`WorkerSide.onNews`).
   *
   * @param news - anything that can be cloned
   * @param except - the process id of the worker that knows already
   */
  tell(news: unknown, except?: number): void {
    for (const worker of this.#live) {
      if (worker.isReady && worker.pid !== except) worker.send({ type: 'news', news })
    }
  }

  /** Stops accepting, lets every worker finish what it is answering and end. */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#front.close()
      // What was accepted is served as well; a worker gets its messages in this order.
      for (const socket of this.#waiting.splice(0)) this.#give(socket, Number.POSITIVE_INFINITY)
      for (const worker of this.#live) worker.send({ type: 'stop' })
      if (this.#live.size === 0) this.#ended.resolve()
    }
    const late = setTimeout(() => {
      for (const worker of this.#live) worker.kill('SIGKILL')
    }, this.#options.stopMs ?? STOP_MS)
    await this.#ended.promise
    clearTimeout(late)
  }

  async #reload(): Promise<WorkerReload[]> {
    const [first, ...others] = [...this.#live].filter(({ isReady }) => isReady)
    if (first === undefined) return []
    const outcome = { pid: first.pid, ...(await first.reload()) }
    if (!outcome.ok) return [outcome]
    const rest = others.map(async (worker) => ({ pid: worker.pid, ...(await worker.reload()) }))
    return [outcome, ...(await Promise.all(rest))]
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {})
    this.#give(socket, MOST_UNTAKEN)
  }

  /** To the worker with the fewest connections that it has not taken yet, in turn where that says nothing. */
  #give(socket: Socket, most: number): void {
    const ready = [...this.#live].filter(({ isReady }) => isReady)
    const start = this.#turn++ % Math.max(ready.length, 1)
    let best: WorkerProcess | undefined
    for (const worker of [...ready.slice(start), ...ready.slice(0, start)]) {
      if (worker.load < Math.min(most, best?.load ?? most)) best = worker
    }
    if (best !== undefined) best.give(socket)
    else if (this.#waiting.length < MOST_WAITING && !this.#isClosing) this.#waiting.push(socket)
    else socket.destroy()
  }

  #giveWaiting(): void {
    const waiting = this.#waiting.splice(0, MOST_UNTAKEN)
    for (const socket of waiting) this.#give(socket, MOST_UNTAKEN)
  }

  #start(): void {
    const worker = new WorkerProcess(this.#cluster, {
      onMessage: (from, message) => this.#onMessage(from, message),
      onTaken: () => this.#giveWaiting(),
      onExit: (from, reason, orphans) => {
        this.#live.delete(from)
        for (const socket of orphans) this.#give(socket, MOST_UNTAKEN)
        void this.#onExit(from, reason)
      },
    })
    this.#live.add(worker)
  }

  #onMessage(worker: WorkerProcess, message: FromWorker): void {
    if (message.type === 'hello') {
      const { host, port } = this
      // What it was told before it said so, it has not heard.
      if (this.#isClosing) worker.kill('SIGTERM')
      else worker.send({ type: 'start', secret: this.#secret, host, port, data: this.#data })
    }
    if (message.type === 'question') void this.#answer(worker, message.id, message.question)
    if (message.type === 'ready') {
      worker.isReady = true
      this.#giveWaiting()
      this.#wereReady++
      if (this.#wereReady === this.#options.count) this.#first.resolve(message.facts)
    }
  }

  async #answer(worker: WorkerProcess, id: number, question: unknown): Promise<void> {
    let outcome: WorkerOutcome
    try {
      outcome = { ok: true, facts: await this.#options.onQuestion?.(question, worker.pid) }
    } catch (error) {
      outcome = { ok: false, message: errorMessage(error) }
    }
    worker.send({ type: 'answer', id, outcome })
  }

  async #onExit({ pid, since }: WorkerProcess, reason: string): Promise<void> {
    if (!this.#isClosing && this.#wereReady < this.#options.count) {
      this.#fail(reason)
    }
    if (this.#isClosing) {
      if (this.#live.size === 0) this.#ended.resolve()
      return
    }
    const lived = performance.now() - since
    // Workers that die as soon as they live must not keep the machine busy with their births.
    this.#youngDeaths = lived < YOUNG_MS ? this.#youngDeaths + 1 : 0
    const waitMs =
      this.#youngDeaths <= this.#options.count
        ? lived < SHORTEST_LIFE_MS
          ? SHORTEST_LIFE_MS
          : 0
        : Math.min(
            LONGEST_WAIT_MS,
            SHORTEST_LIFE_MS * 2 ** (this.#youngDeaths - this.#options.count),
          )
    this.#options.onReplaced?.({ pid, reason, waitMs })
    if (waitMs > 0) await sleep(waitMs, undefined, { ref: false })
    if (!this.#isClosing) this.#start()
  }

  /** One that ends before all serve ends the start: the fault is the same for all. */
  #fail(reason: string): void {
    this.#isClosing = true
    this.#front.close()
    for (const socket of this.#waiting.splice(0)) socket.destroy()
    this.#first.reject(
      new ServerError('worker-failed', `a worker ended before it served: ${reason}`, {
        hint: 'read what it wrote: it says why',
      }),
    )
    for (const worker of this.#live) worker.kill('SIGTERM')
  }
}

/**
 * Opens the port and starts workers: each runs this program from its beginning, finds itself one by `workerSide`, and serves with
 * `serve(handler, { tickets, connections })` of it.
 *
 * @throws {@link ServerError} `option-invalid`, `port-in-use` and the others of the address; CoreError `option-unknown`
 */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  checkOptions(
    options,
    ['count', 'host', 'port', 'socket', 'onBound', 'onQuestion', 'onReplaced', 'stopMs'],
    'startWorkers',
  )
  const { count, host = '127.0.0.1', port = 0 } = options
  if (!Number.isInteger(count) || count < 1 || count > MOST_WORKERS) {
    throw new ServerError('option-invalid', `count must be 1 to ${MOST_WORKERS}`, {
      option: 'count',
      hint: 'one for each core, as os.availableParallelism() has it',
    })
  }
  checkAddress(host, port)
  return await Workers.open(options)
}

const MOST_WORKERS = 128
const SHORTEST_LIFE_MS = 1000
const YOUNG_MS = 10_000
const LONGEST_WAIT_MS = 30_000
const STOP_MS = 30_000
/** Given to one worker and not taken yet: what a blocked one holds up. */
const MOST_UNTAKEN = 16
/** Accepted while no worker can take them. */
const MOST_WAITING = 4096
