/**
 * The numbers of a server: handshakes, failures, requests, bytes, reloads, and how long certificates and lists still last.
 *
 * Labels are of closed sets, or set by the configuration: no client can make more of them.
 *
 * @module
 */
import { STATUS_CODES } from '../node-http.ts'
import { familiesText, type MetricFamily, type MetricSample } from './families.ts'
import type { TlsFacts } from './tls-facts.ts'
import { METHODS } from './tracing.ts'

/** What adds families of its own at every look. */
export type MetricCollector = () => Iterable<MetricFamily>

/** An answer, as it is counted. */
export interface CountedAnswer {
  readonly method: string
  /** `undefined` where the client left before there was one. */
  readonly status: number | undefined
  readonly durationMs: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/**
 * Counts what one server does: `serve(handler, { metrics })`, and `metrics.response(request)` where they are asked for.
 */
export class Metrics {
  readonly #collectors = new Set<MetricCollector>()
  readonly #handshakes = new Counter()
  readonly #failures = new Counter()
  readonly #requests = new Counter()
  readonly #reloads = new Counter()
  readonly #buckets = Array.from<number>({ length: BUCKETS.length }).fill(0)
  #seconds = 0
  #timed = 0
  #bytesIn = 0
  #bytesOut = 0

  constructor() {
    // An alert on a rise needs a number to rise from.
    for (const result of ['ok', 'failed']) this.#reloads.add({ result }, 0)
  }

  /**
   * Adds families: they are asked for at every look, and one whose name is known already adds its samples to it.
   *
   * @returns what takes them away again
   */
  add(collector: MetricCollector): () => void {
    this.#collectors.add(collector)
    return () => {
      this.#collectors.delete(collector)
    }
  }

  /** Counts a handshake that was done. */
  handshake({ version, group, cipher, resumed }: TlsFacts): void {
    // A group that has no name here is one that the server cannot have agreed to.
    this.#handshakes.add({ version, group: group ?? 'none', cipher, resumed: String(resumed) })
  }

  /** Counts a client that was not let in. */
  refused(reason: string): void {
    this.#failures.add({ reason })
  }

  /** Counts a reload. */
  reloaded(ok: boolean): void {
    this.#reloads.add({ result: ok ? 'ok' : 'failed' })
  }

  /** Counts an answer. */
  answered({ method, status, durationMs, bytesIn, bytesOut }: CountedAnswer): void {
    this.#requests.count(METHODS.has(method) ? method : 'other', statusLabel(status))
    const seconds = durationMs / 1000
    const bucket = BUCKETS.findIndex((most) => seconds <= most)
    if (bucket >= 0) this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#seconds += seconds
    this.#timed++
    this.#bytesIn += bytesIn
    this.#bytesOut += bytesOut
  }

  /** The numbers as they are now. */
  families(): MetricFamily[] {
    return [
      counter('countersign_handshakes', 'TLS handshakes that were done', this.#handshakes),
      counter('countersign_handshake_failures', 'Clients that were not let in', this.#failures),
      counter('countersign_requests', 'Requests answered', this.#requests),
      {
        name: 'countersign_request_duration_seconds',
        type: 'histogram',
        help: 'From the head of a request to the end of its answer',
        samples: this.#durations(),
      },
      one('countersign_received_bytes', 'Bytes of requests', this.#bytesIn),
      one('countersign_sent_bytes', 'Bytes of answers', this.#bytesOut),
      counter('countersign_reloads', 'Reloads of certificates, keys and lists', this.#reloads),
      ...processFamilies(),
      ...[...this.#collectors].flatMap((collector) => [...collector()]),
    ]
  }

  /** The same as text. @param openMetrics - in the format of OpenMetrics 1.0 instead of Prometheus' 0.0.4 */
  text(openMetrics = false): string {
    return familiesText(this.families(), openMetrics)
  }

  /** The same as the answer to a request; its `Accept` chooses the format. */
  response(request?: Request): Response {
    return metricsResponse(this.families(), request)
  }

  #durations(): MetricSample[] {
    let below = 0
    const buckets = BUCKETS.map((most, index) => {
      below += this.#buckets[index] ?? 0
      return { suffix: '_bucket', labels: { le: String(most) }, value: below }
    })
    return [
      ...buckets,
      { suffix: '_bucket', labels: { le: '+Inf' }, value: this.#timed },
      { suffix: '_sum', value: this.#seconds },
      { suffix: '_count', value: this.#timed },
    ]
  }
}

/** Families as the answer to a request. */
export function metricsResponse(families: Iterable<MetricFamily>, request?: Request): Response {
  const accept = request?.headers.get('accept') ?? ''
  const openMetrics = accept.includes('application/openmetrics-text')
  return new Response(familiesText(families, openMetrics), {
    headers: {
      'content-type': openMetrics
        ? 'application/openmetrics-text; version=1.0.0; charset=utf-8'
        : 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
      vary: 'accept',
    },
  })
}

/** Counts by labels. */
class Counter {
  readonly #byLabels = new Map<string, { labels: Record<string, string>; value: number }>()
  readonly #byPair = new Map<string, Map<string, number>>()

  add(labels: Record<string, string>, by = 1): void {
    const key = Object.values(labels).join(' ')
    const known = this.#byLabels.get(key)
    if (known === undefined) this.#byLabels.set(key, { labels, value: by })
    else known.value += by
  }

  /** The same for `method` and `status`, without an object for each request. */
  count(method: string, status: string): void {
    let byStatus = this.#byPair.get(method)
    if (byStatus === undefined) this.#byPair.set(method, (byStatus = new Map()))
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
  }

  get samples(): MetricSample[] {
    const pairs = [...this.#byPair].flatMap(([method, byStatus]) =>
      [...byStatus].map(([status, value]) => ({ labels: { method, status }, value })),
    )
    return [...pairs, ...this.#byLabels.values()]
  }
}

function counter(name: string, help: string, { samples }: Counter): MetricFamily {
  return { name, type: 'counter', help, samples: structuredClone(samples) }
}

function one(name: string, help: string, value: number): MetricFamily {
  return { name, type: 'counter', help, samples: [{ value }] }
}

function processFamilies(): MetricFamily[] {
  const { user, system } = process.cpuUsage()
  return [
    one('process_cpu_seconds', 'CPU time used', (user + system) / 1e6),
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory',
      samples: [{ value: process.memoryUsage.rss() }],
    },
    {
      name: 'process_start_time_seconds',
      type: 'gauge',
      help: 'Start of the process, since 1970',
      across: 'same',
      samples: [{ value: Math.round(Date.now() / 1000 - process.uptime()) }],
    },
  ]
}

function statusLabel(status: number | undefined): string {
  if (status === undefined) return 'aborted'
  return STATUS_CODES[status] === undefined ? 'other' : String(status)
}

/** Seconds. */
const BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
