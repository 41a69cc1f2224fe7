/**
 * Clients that ask again and again, in a process of the measurement's own: half of them on a connection that they keep, half on a new one
 * for each request.
 *
 * @module
 */
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import type { SecureContextOptions } from 'node:tls'

/** What a load has come to so far. */
export class Load {
  /** How long each answer took, in milliseconds. */
  readonly tookMs: number[] = []
  /** What else than 200 there was. */
  readonly failed: string[] = []
  readonly #clients: Promise<void>[]
  #isOver = false

  /**
   * @param pauseMs - of each client after an answer: so much is asked for, however fast the answers are
   * @param page - what is asked for, and what is sent along; then every client keeps its connection
   */
  constructor(
    port: number,
    clients: number,
    tls: SecureContextOptions,
    pauseMs = 0,
    page?: { path: string; headers: Readonly<Record<string, string>> },
  ) {
    this.#clients = Array.from({ length: clients }, async (_, index) => {
      const keeps = page !== undefined || index % 2 === 0
      const agent = keeps ? new Agent({ keepAlive: true, maxSockets: 1 }) : false
      while (!this.#isOver) {
        await this.#ask(port, tls, agent, page)
        const { promise, resolve } = Promise.withResolvers<void>()
        setTimeout(resolve, pauseMs)
        await promise
      }
      if (agent !== false) agent.destroy()
    })
  }

  /** Forgets what was, and answers with it. */
  take(): number[] {
    return this.tookMs.splice(0)
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
  }

  async #ask(
    port: number,
    tls: SecureContextOptions,
    agent: Agent | false,
    page: { path: string; headers: Readonly<Record<string, string>> } | undefined,
  ): Promise<void> {
    const started = performance.now()
    try {
      const outgoing = request({
        ...tls,
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        path: page?.path ?? '/',
        headers: { host: 'localhost', ...page?.headers },
        agent,
        timeout: 30_000,
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
      // What comes after the whole answer is no fault; before it, `once` rejects.
      outgoing.on('error', () => {})
      outgoing.end()
      const [incoming]: import('node:http').IncomingMessage[] = await once(outgoing, 'response')
      if (incoming === undefined) throw new Error('no response')
      await once(incoming.resume(), 'end')
      if (incoming.statusCode === 200) this.tookMs.push(performance.now() - started)
      else this.failed.push(String(incoming.statusCode))
    } catch (error) {
      this.failed.push(error instanceof Error ? error.message : String(error))
    }
  }
}

/** What a process says next. */
export async function nextMessage<Message>(child: NodeJS.EventEmitter): Promise<Message> {
  const [message]: Message[] = await once(child, 'message')
  if (message === undefined) throw new Error('the process said nothing')
  return message
}

/** The value that so many hundredths of them do not exceed. */
export function percentile(values: readonly number[], hundredths: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (
    sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * hundredths) / 100))] ??
    Number.NaN
  )
}
