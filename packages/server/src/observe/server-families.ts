/**
 * What a server knows about itself at the moment somebody looks: its connections, its certificates, its lists.
 *
 * @module
 */
import type { CertificateRevocationList } from '@countersign/x509'
import type { Sites } from '../sites.ts'
import { labelValue, type MetricFamily, type MetricSample } from './families.ts'

/** What a server lets be looked at. */
export interface ServerView {
  readonly sites: Sites | undefined
  /** Milliseconds. */
  readonly now: () => number
  readonly connections: () => number
  readonly droppedLines: () => number
}

/** Its families. */
export function serverFamilies(view: ServerView): MetricFamily[] {
  const now = view.now()
  const certificates: MetricSample[] = []
  const ages: MetricSample[] = []
  const due: MetricSample[] = []
  for (const { pattern, terms } of view.sites ?? []) {
    const site = pattern === undefined ? {} : { site: pattern }
    for (const [index, { notAfter }] of terms.context.chain.entries()) {
      certificates.push({
        labels: { certificate: index === 0 ? 'server' : `issuer ${index}`, ...site },
        value: (notAfter.getTime() - now) / DAY_MS,
      })
    }
    // One of each issuer, the newest: two numbers of one name would spoil the whole page for monitoring.
    const newest = new Map<string, CertificateRevocationList>()
    for (const { list } of terms.lists.slice(0, MOST_LISTS)) {
      const issuer = labelValue(list.issuer.toString())
      const before = newest.get(issuer)
      if (before === undefined || before.thisUpdate < list.thisUpdate) newest.set(issuer, list)
    }
    for (const [issuer, list] of newest) {
      const labels = { issuer, ...site }
      ages.push({ labels, value: (now - list.thisUpdate.getTime()) / 1000 })
      if (list.nextUpdate === undefined) continue
      due.push({ labels, value: (list.nextUpdate.getTime() - now) / 1000 })
    }
  }
  return [
    gauge('countersign_connections', 'Connections that are open', [{ value: view.connections() }]),
    {
      name: 'countersign_access_log_dropped_lines',
      type: 'counter',
      help: 'Lines of the access log that were lost',
      samples: [{ value: view.droppedLines() }],
    },
    known(
      'countersign_certificate_days_left',
      'Days until a certificate ends; issuers are counted from the server up',
      certificates,
    ),
    known('countersign_crl_age_seconds', 'Since a revocation list was signed', ages),
    known(
      'countersign_crl_next_update_seconds',
      'Until the next list is due; less than 0: late',
      due,
    ),
  ]
}

function gauge(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, type: 'gauge', help, samples }
}

/** What every worker of a server knows alike. */
function known(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { ...gauge(name, help, samples), across: 'same' }
}

const DAY_MS = 86_400_000
const MOST_LISTS = 100
