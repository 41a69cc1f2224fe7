/**
 * What one process of a service does for all: it renews the issuer and the service's own certificate, signs lists, and has whatever is
 * new taken over.
 *
 * @module
 */
import type { Authority } from '@countersign/authority'
import { type Clock, latest } from '@countersign/core'
import type { TlsSources } from '@countersign/server'
import { StoreError } from '@countersign/store'
import type { DataFolder } from '../data-folder.ts'
import { type ClientTrust, clientTrust } from './client-trust.ts'
import type { reportFaults } from './faults.ts'
import { issuerUpkeep } from './issuer-upkeep.ts'
import { ensureServerIdentity, type ServerIdentity, stillServes } from './server-certificate.ts'

/** What the upkeep works on. */
export interface UpkeepParts {
  readonly authority: Authority
  readonly data: DataFolder
  /** What the service's certificate has to cover. */
  readonly names: readonly string[]
  /** Whether callers are asked for a certificate of the authority. */
  readonly asksUsers: boolean
  readonly faults: ReturnType<typeof reportFaults>
  /** A remark for the operator. */
  readonly note: (text: string) => void
  readonly clock: Clock
}

/** What the service serves with at a moment. */
export interface Standing {
  readonly identity: ServerIdentity
  /** `undefined` where nobody is asked for a certificate. */
  readonly trust: ClientTrust | undefined
}

/** The upkeep of a service. */
export class Upkeep {
  /** Looks once, with whatever was there before this was called; for all who call it at the same time. */
  readonly look: () => Promise<void>
  readonly #parts: UpkeepParts
  readonly #keepIssuer: () => Promise<void>
  #standing: Standing
  #apply: (sources: TlsSources) => Promise<void> = async () => {}

  private constructor(
    parts: UpkeepParts,
    { keepIssuer, standing }: { keepIssuer: () => Promise<void>; standing: Standing },
  ) {
    this.#parts = parts
    this.#keepIssuer = keepIssuer
    this.#standing = standing
    this.look = latest(async () => this.#look())
  }

  /** Makes or renews what is needed to begin with. */
  static async begin(parts: UpkeepParts): Promise<Upkeep> {
    const { authority, data, names, asksUsers, clock } = parts
    const keepIssuer = issuerUpkeep(parts)
    await keepIssuer()
    const identity = await ensureServerIdentity(authority, data, names, clock)
    const trust = asksUsers ? await clientTrust(authority, undefined) : undefined
    return new Upkeep(parts, { keepIssuer, standing: { identity, trust } })
  }

  get standing(): Standing {
    return this.#standing
  }

  /** @param apply - serves with what is another from now on; what it throws is tried again at the next look */
  start(apply: (sources: TlsSources) => Promise<void>): void {
    this.#apply = apply
  }

  async #look(): Promise<void> {
    try {
      await this.#keepIssuer()
      await this.#renew()
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      const { clock, faults } = this.#parts
      // Told as a request would tell it: once a minute, not at every look.
      faults({ type: 'sys_store_unavailable', time: clock(), reason: 'its certificate', error })
    }
  }

  /**
   * Certificate, roots and lists in one step: a client of the next issuer is judged by its list as soon as it is trusted, and that is
   * when the service presents a certificate of it too.
   */
  async #renew(): Promise<void> {
    const { authority, data, names, clock } = this.#parts
    const before = this.#standing
    const trust = before.trust && (await clientTrust(authority, before.trust))
    let { identity } = before
    try {
      if (!(await stillServes(identity, authority, names, clock()))) {
        identity = await ensureServerIdentity(authority, data, names, clock)
      }
    } finally {
      // Who is revoked is refused all the same.
      await this.#serveWith({ identity, trust })
    }
  }

  async #serveWith(next: Standing): Promise<void> {
    const changed = changedSources(this.#standing, next)
    if (Object.keys(changed).length === 0) return
    await this.#apply(changed)
    const isRenewed = next.identity !== this.#standing.identity
    this.#standing = next
    if (!isRenewed) return
    const { notAfter } = next.identity.certificate
    this.#parts.note(`renewed the service's certificate, valid until ${notAfter.toISOString()}`)
  }
}

/** What a server has to be told for it. */
export function changedSources(before: Standing, after: Standing): TlsSources {
  const { chainPem: cert, keyPem: key } = after.identity
  return {
    ...(after.identity === before.identity ? {} : { cert, key }),
    ...(after.trust === before.trust ? {} : after.trust?.sources),
  }
}
