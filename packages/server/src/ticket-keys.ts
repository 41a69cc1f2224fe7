/**
 * The keys that session tickets are sealed with: derived from one secret and the time, so that every process and every host that has
 * the secret has the same key at the same time, without a word between them.
 *
 * Node's server has one key. A ticket says in clear which key it was sealed with, so a client that brings one of the key before is
 * sent to a server that still holds it: see `lanes.ts`.
 *
 * @module
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { checkOptions } from '@countersign/core'
import { ServerError } from './errors.ts'

/** How session tickets are sealed. */
export interface TicketOptions {
  /**
   * 32 bytes or more that are random; whoever has them can read the tickets. The same at several processes or hosts: a session of
   * one is resumed by the others, where they trust the same. @defaultValue made for this server
   */
  secret?: Uint8Array | undefined
  /** How often the key changes; the one before is honoured as long again. @defaultValue 43200000 (12 h) */
  rotateMs?: number | undefined
}

/** One key. */
export interface TicketKey {
  /** What stands in clear in the tickets it sealed: lower-case hex of 16 bytes. */
  readonly name: string
  /** 48 bytes, as Node wants them. */
  readonly bytes: Buffer
}

/** The keys of now. */
export class TicketKeys {
  readonly #secret: Uint8Array
  readonly #rotateMs: number
  readonly #now: () => number
  #period = Number.NaN
  #current: TicketKey
  #previous: TicketKey

  /**
   * @param now - milliseconds
   * @throws CoreError `option-unknown`; {@link ServerError} `option-invalid`
   */
  constructor(options: TicketOptions, now: () => number) {
    checkOptions(options, ['secret', 'rotateMs'], 'serve: tickets')
    const { secret = randomBytes(32), rotateMs = TWELVE_HOURS_MS } = options
    if (!(secret instanceof Uint8Array) || secret.length < 32 || secret.length > 1024) {
      throw new ServerError('option-invalid', 'tickets.secret must be 32 to 1024 bytes', {
        option: 'tickets.secret',
        hint: 'make one with crypto.randomBytes(32), and give the same to every process',
      })
    }
    if (!Number.isInteger(rotateMs) || rotateMs < 1000 || rotateMs > 0x7fff_ffff) {
      throw new ServerError('option-invalid', 'tickets.rotateMs must be a whole number from 1000', {
        option: 'tickets.rotateMs',
      })
    }
    this.#secret = Uint8Array.from(secret)
    this.#rotateMs = rotateMs
    this.#now = now
    const period = this.#periodNow()
    this.#period = period
    this.#current = this.#derive(period)
    this.#previous = this.#derive(period - 1)
  }

  /** What new tickets are sealed with. */
  get current(): TicketKey {
    this.#turn()
    return this.#current
  }

  /** The key that a client's ticket asks for, where it is still honoured; else the current one. */
  find(name: string | undefined): TicketKey {
    this.#turn()
    return name === this.#previous.name ? this.#previous : this.#current
  }

  /** Whether tickets of the key of this name still count. */
  honours(name: string): boolean {
    this.#turn()
    return name === this.#current.name || name === this.#previous.name
  }

  #turn(): void {
    const period = this.#periodNow()
    if (period === this.#period) return
    this.#previous = period === this.#period + 1 ? this.#current : this.#derive(period - 1)
    this.#current = this.#derive(period)
    this.#period = period
  }

  #periodNow(): number {
    return Math.floor(this.#now() / this.#rotateMs)
  }

  #derive(period: number): TicketKey {
    const info = `countersign session tickets ${this.#rotateMs} ${period}`
    const bytes = Buffer.from(hkdfSync('sha256', this.#secret, '', info, 48))
    return { name: bytes.toString('hex', 0, 16), bytes }
  }
}

const TWELVE_HOURS_MS = 12 * 3_600_000
