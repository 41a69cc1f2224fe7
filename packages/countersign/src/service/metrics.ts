/**
 * The service's numbers: those of its server, and how long the certificates of the authority still last.
 *
 * @module
 */
import type { Authority } from '@countersign/authority'
import type { Clock } from '@countersign/core'
import { Metrics } from '@countersign/server'

/** Counts what the server of a service does, once `serve` has been given it. */
export function serviceMetrics(authority: Authority, clock: Clock): Metrics {
  const metrics = new Metrics()
  metrics.add(() => {
    const now = clock().getTime()
    const days = (date: Date): number => (date.getTime() - now) / 86_400_000
    return [
      {
        name: 'countersign_certificate_days_left',
        type: 'gauge',
        help: 'Days until a certificate ends; issuers are counted from the server up',
        samples: [
          ...authority.roots.map((root, index) => ({
            labels: { certificate: 'root', generation: String(index) },
            value: days(root.notAfter),
          })),
          { labels: { certificate: 'issuer' }, value: days(authority.issuer.notAfter) },
        ],
      },
    ]
  })
  return metrics
}
