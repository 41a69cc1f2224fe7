/**
 * The service's numbers in Prometheus' text format (version 0.0.4).
 *
 * @module
 */
import type { Authority } from '@countersign/authority'
import type { Clock } from '@countersign/core'
import type { ServerIdentity } from './server-certificate.ts'

/** Counts requests and knows how long the certificates still last. */
export class Metrics {
  readonly #authority: Authority
  readonly #identity: () => ServerIdentity
  readonly #clock: Clock
  readonly #requests = new Map<number, number>()
  #seconds = 0
  #handshakeFailures = 0

  constructor(authority: Authority, identity: () => ServerIdentity, clock: Clock) {
    this.#authority = authority
    this.#identity = identity
    this.#clock = clock
  }

  /** Counts one answered request. */
  request(status: number, milliseconds: number): void {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1)
    this.#seconds += milliseconds / 1000
  }

  /** Counts one handshake that failed. */
  handshakeFailure(): void {
    this.#handshakeFailures++
  }

  /** The numbers as they are now. */
  response(): Response {
    const now = this.#clock().getTime()
    const days = (date: Date): string => ((date.getTime() - now) / 86_400_000).toFixed(3)
    const requests = [...this.#requests].map(
      ([status, count]) => [`{status="${status}"}`, String(count)] as const,
    )
    const total = requests.reduce((sum, [, count]) => sum + Number(count), 0)
    const text = [
      metric('countersign_requests_total', 'counter', 'Requests answered', requests),
      metric('countersign_request_seconds_sum', 'counter', 'Time spent on requests', [
        ['', this.#seconds.toFixed(6)],
      ]),
      metric('countersign_request_seconds_count', 'counter', 'Requests timed', [
        ['', String(total)],
      ]),
      metric('countersign_handshake_failures_total', 'counter', 'TLS handshakes that failed', [
        ['', String(this.#handshakeFailures)],
      ]),
      metric('countersign_certificate_days_left', 'gauge', 'Days until a certificate ends', [
        ...this.#authority.roots.map(
          (root, index) =>
            [`{certificate="root",generation="${index}"}`, days(root.notAfter)] as const,
        ),
        ['{certificate="issuer"}', days(this.#authority.issuer.notAfter)],
        ['{certificate="server"}', days(this.#identity().certificate.notAfter)],
      ]),
      metric('process_resident_memory_bytes', 'gauge', 'Resident memory', [
        ['', String(process.memoryUsage.rss())],
      ]),
      metric('process_uptime_seconds', 'gauge', 'Time since the start', [
        ['', process.uptime().toFixed(3)],
      ]),
    ]
    return new Response(text.join(''), {
      headers: { 'content-type': 'text/plain; version=0.0.4', 'cache-control': 'no-store' },
    })
  }
}

function metric(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  values: readonly (readonly [labels: string, value: string])[],
): string {
  const lines = values.map(([labels, value]) => `${name}${labels} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}
