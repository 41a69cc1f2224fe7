/**
 * The service's numbers: those of its server, and how long the certificates of the authority still last.
 *
 * @module
 */
import type { Acme, Authority, InventoryEntry, Overdue } from '@countersign/authority'
import type { Clock } from '@countersign/core'
import { type MetricCollector, type MetricFamily, Metrics } from '@countersign/server'
import { StoreError } from '@countersign/store'

/** The numbers of a service. */
export interface ServiceMetrics {
  /** Counts what the server does, once `serve` has been given it. */
  readonly metrics: Metrics
  /** All numbers of the service, as the answer to a request. */
  response(request: Request): Promise<Response>
}

/** The same where the authority is looked after. */
export interface CountedMetrics extends ServiceMetrics {
  /** Counts the ledger, at most every five seconds; without its database those numbers are left out. */
  refresh(): Promise<void>
}

/** Makes the numbers of a service, with those of its authority. */
export function serviceMetrics(authority: Authority, acme: Acme, clock: Clock): CountedMetrics {
  const metrics = new Metrics()
  countAcme(metrics, acme)
  countOverdue(metrics, authority)
  let inventory: readonly InventoryEntry[] = []
  let countedAt = Number.NEGATIVE_INFINITY
  metrics.add(() => families(authority, inventory, clock().getTime()))
  const refresh = async (): Promise<void> => {
    if (performance.now() - countedAt < FRESH_MS) return
    countedAt = performance.now()
    try {
      inventory = await authority.inventory()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      inventory = []
    }
  }
  return {
    metrics,
    refresh,
    async response(request) {
      await refresh()
      return metrics.response(request)
    },
  }
}

/** Adds what an ACME server of this process counts. */
export function countAcme(metrics: Metrics, acme: Pick<Acme, 'counts'>): void {
  metrics.add(() => acmeFamilies(acme))
}

/** Adds what the authority of this process could not sign or store when it was due. */
export function countOverdue(metrics: Metrics, authority: Pick<Authority, 'overdue'>): void {
  metrics.add(() => overdueFamilies(authority.overdue))
}

function overdueFamilies({ failures, standing }: Overdue): MetricFamily[] {
  const kinds = ['list', 'responder'] as const
  return [
    {
      name: 'countersign_overdue_signatures',
      type: 'gauge',
      help: 'Revocation lists and OCSP responders whose next one cannot be made: the one of before is handed out while it holds',
      samples: kinds.map((what) => ({
        labels: { what },
        value: standing.filter((one) => one.what === what).length,
      })),
    },
    {
      name: 'countersign_signing_failures',
      type: 'counter',
      help: 'How often making one was tried in vain',
      samples: kinds.map((what) => ({ labels: { what }, value: failures[what] })),
    },
  ]
}

function acmeFamilies(acme: Pick<Acme, 'counts'>): MetricFamily[] {
  const counts = acme.counts()
  return ACME_FAMILIES.map(([what, help]) => ({
    name: `countersign_acme_${what}`,
    type: 'counter',
    help,
    samples: counts
      .filter((one) => one.what === what)
      .map(({ labels, value }) => ({ labels: { ...labels }, value })),
  }))
}

function families(
  authority: Authority,
  inventory: readonly InventoryEntry[],
  now: number,
): ReturnType<MetricCollector> {
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
    {
      name: 'countersign_issued_soonest_days_left',
      type: 'gauge',
      help: 'Days until the first of the valid certificates of a profile ends',
      samples: inventory.flatMap(({ profile, soonestEnd }) =>
        soonestEnd === undefined ? [] : [{ labels: { profile }, value: days(soonestEnd) }],
      ),
    },
    {
      name: 'countersign_issued_certificates',
      type: 'gauge',
      help: 'Certificates that have not ended, by profile and whether they were revoked',
      samples: inventory.flatMap(({ profile, valid, revoked }) => [
        { labels: { profile, state: 'valid' }, value: valid },
        { labels: { profile, state: 'revoked' }, value: revoked },
      ]),
    },
  ]
}

const FRESH_MS = 5000
const ACME_FAMILIES = [
  ['orders', 'ACME orders that were made, and how those ended that have'],
  ['challenges', 'ACME challenges that were validated, by type and result'],
  ['problems', 'ACME requests that were refused, by type of problem'],
  ['nonces', 'ACME nonces that were made, used, and refused'],
] as const
