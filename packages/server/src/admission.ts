/**
 * Which connections are taken at all: not those of blocked addresses, and only so many, from one address and in all.
 *
 * @module
 */
import { isListed, networkOf } from './address-list.ts'
import type { Limits } from './limits.ts'
import type { HandshakeFailure, RefusalCode } from './refusal.ts'
import type { Origin } from './origin.ts'

/** Counts connections. */
export class Admission {
  readonly #limits: Limits
  readonly #report: (failure: HandshakeFailure) => void
  /** By network, only those with a connection. */
  readonly #open = new Map<string, number>()
  /** Networks whose refusal has been reported: a flood must not fill the log as well. */
  readonly #reported = new Set<string>()

  /** @param report - told once of each network, until it has fallen below its limit again */
  constructor(limits: Limits, report: (failure: HandshakeFailure) => void) {
    this.#limits = limits
    this.#report = report
  }

  /**
   * Takes a connection, or says no.
   *
   * @returns to be called once when it closes; `undefined` where it must be closed now
   */
  take(origin: Origin): (() => void) | undefined {
    const { blockList, connectionsPerAddress } = this.#limits
    const network = networkOf(origin.address)
    if (blockList !== undefined && isListed(blockList, origin.address)) {
      this.#refuse(origin, network, 'address-blocked', 'the address is on the block list')
      return undefined
    }
    const open = this.#open.get(network) ?? 0
    if (open >= connectionsPerAddress) {
      const message = `the address has ${open} connections open, the most it may have`
      this.#refuse(origin, network, 'too-many-connections', message)
      return undefined
    }
    this.#open.set(network, open + 1)
    return () => this.#leave(network)
  }

  #leave(network: string): void {
    const left = (this.#open.get(network) ?? 1) - 1
    if (left > 0) this.#open.set(network, left)
    else this.#open.delete(network)
    // Half way down: at the limit itself one would come and one would go, each reported.
    if (left <= this.#limits.connectionsPerAddress / 2) this.#reported.delete(network)
  }

  #refuse(origin: Origin, network: string, code: RefusalCode, message: string): void {
    if (this.#reported.has(network)) return
    if (this.#reported.size >= MOST_REPORTED) this.#reported.clear()
    this.#reported.add(network)
    this.#report({ ...origin, code, message })
  }
}

const MOST_REPORTED = 10_000
