/**
 * What other processes tell over PostgreSQL's LISTEN and NOTIFY, on a connection of its own.
 *
 * @module
 */
import type { Client } from 'pg'

/** Is told each payload; `undefined` where the connection was away and something may have been missed. */
export type OnMessage = (payload: string | undefined) => void

/** Listens until it is disposed of, and connects again when the connection breaks. */
export class PostgresListener implements AsyncDisposable {
  readonly #newClient: () => Client
  readonly #channel: string
  readonly #onMessage: OnMessage
  #client: Client | undefined
  #retry: NodeJS.Timeout | undefined
  #pauseMs = FIRST_PAUSE_MS
  #closed = false

  /** @param channel - a name of lower-case letters and `_` */
  constructor(newClient: () => Client, channel: string, onMessage: OnMessage) {
    if (!/^[a-z_]{1,60}$/.test(channel)) throw new TypeError('not a name for a channel')
    this.#newClient = newClient
    this.#channel = channel
    this.#onMessage = onMessage
  }

  /** Connects and listens. A connection that fails is tried again later: nobody waits for it. */
  async start(): Promise<void> {
    const client = this.#newClient()
    this.#client = client
    client.on('notification', ({ payload }) => {
      this.#onMessage(payload ?? '')
    })
    const lost = (): void => {
      this.#again(client)
    }
    client.on('error', lost)
    client.on('end', lost)
    try {
      await client.connect()
      await client.query({ text: `listen ${this.#channel}`, values: [] })
      this.#pauseMs = FIRST_PAUSE_MS
    } catch {
      // Why it cannot connect is what the next query reports.
      this.#again(client)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    const client = this.#client
    this.#client = undefined
    await ended(client)
  }

  #again(client: Client): void {
    if (this.#closed || client !== this.#client) return
    this.#client = undefined
    void ended(client)
    this.#retry = setTimeout(() => {
      void this.#reconnect()
    }, this.#pauseMs)
    this.#retry.unref()
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
  }

  async #reconnect(): Promise<void> {
    await this.start()
    if (this.#client !== undefined) this.#onMessage(undefined)
  }
}

async function ended(client: Client | undefined): Promise<void> {
  try {
    await client?.end()
  } catch {
    // It was broken already.
  }
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2000
