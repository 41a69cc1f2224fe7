/**
 * The numbers of several processes as one: the first process asks each worker, and adds up.
 *
 * What a worker had counted when it was last asked stays in the sum after it has died, so that no counter ever falls; what it counted
 * since then is lost with it.
 *
 * @module
 */
import type { Cluster, Worker } from 'node:cluster'
import { type MetricFamily, sumFamilies } from './families.ts'
import { type Metrics, metricsResponse } from './metrics.ts'

/** In a worker: tells the first process its numbers whenever it asks. Elsewhere it does nothing. */
export function tellMetrics(metrics: Metrics): void {
  if (process.send === undefined) return
  process.on('message', (message: unknown) => {
    if (!isMessage(message, 'numbers?')) return
    process.send?.({ type: 'numbers', turn: message.turn, families: metrics.families() }, onSent)
  })
}

/** In the first process: the numbers of all workers. */
export class WorkerMetrics {
  readonly #cluster: Cluster
  readonly #last = new Map<Worker, MetricFamily[]>()
  readonly #waiting = new Map<number, (worker: Worker) => void>()
  readonly #own: Metrics | undefined
  /** What those that have died had counted. */
  #past: MetricFamily[] = []
  #turn = 0

  private constructor(cluster: Cluster, own: Metrics | undefined) {
    this.#cluster = cluster
    this.#own = own
    cluster.on('message', (worker, message: unknown) => {
      if (!isMessage(message, 'numbers') || !isFamilies(message)) return
      this.#last.set(worker, message.families)
      this.#waiting.get(message.turn)?.(worker)
    })
    cluster.on('exit', (worker) => {
      const last = this.#last.get(worker) ?? []
      this.#last.delete(worker)
      const counted = last.filter(({ type }) => type !== 'gauge')
      this.#past = sumFamilies([this.#past, counted])
    })
  }

  /** Begins to listen to the workers of this process. @param own - what this one knows itself, and is added */
  static async open(own?: Metrics): Promise<WorkerMetrics> {
    const { default: cluster } = await import('node:cluster')
    return new WorkerMetrics(cluster, own)
  }

  /** The sum; of a worker that does not answer within a second, what it said before. */
  async families(): Promise<MetricFamily[]> {
    await this.#ask()
    return sumFamilies([this.#past, ...this.#last.values(), this.#own?.families() ?? []])
  }

  /** The same as the answer to a request. */
  async response(request?: Request): Promise<Response> {
    return metricsResponse(await this.families(), request)
  }

  async #ask(): Promise<void> {
    const turn = ++this.#turn
    const asked = new Set<Worker>()
    for (const worker of Object.values(this.#cluster.workers ?? {})) {
      if (worker?.isConnected() === true) asked.add(worker)
    }
    if (asked.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const leave = (worker: Worker): void => {
      asked.delete(worker)
      if (asked.size === 0) resolve()
    }
    this.#waiting.set(turn, leave)
    this.#cluster.on('exit', leave)
    const deadline = setTimeout(resolve, PATIENCE_MS)
    for (const worker of asked) worker.send({ type: 'numbers?', turn }, onSent)
    await promise
    clearTimeout(deadline)
    this.#cluster.off('exit', leave)
    this.#waiting.delete(turn)
  }
}

/** The other process is ending: there is nobody to tell. */
function onSent(): void {}

function isMessage<Type extends string>(
  message: unknown,
  type: Type,
): message is { type: Type; turn: number } {
  return (
    typeof message === 'object' &&
    message !== null &&
    'type' in message &&
    message.type === type &&
    'turn' in message &&
    typeof message.turn === 'number'
  )
}

/** Our own program sent it: only whether it is there is looked at. */
function isFamilies(message: object): message is { families: MetricFamily[] } {
  return 'families' in message && Array.isArray(message.families)
}

const PATIENCE_MS = 1000
