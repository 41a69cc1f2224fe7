/**
 * Guessers, in a process of their own: `node guess-process.ts`. Told whom to guess at by a message, they guess until they are told to
 * rest or have made as many guesses as they may, each waiting for its answer, and tell what they were answered.
 */
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import type { IncomingMessage } from 'node:http'

/** One guesser: an address that it comes from, and the names it goes through. */
export interface Guesser {
  /** Where its answers are counted. */
  group: number
  address: string
  names: readonly string[]
}

/** What the process is sent; `rest` ends a round that has no other end. */
export type GuessOrder =
  | { guess: readonly Guesser[]; port: number; ca: string; each: number }
  | 'rest'

/** What it sends back after a round, for each group: how often which status was answered. */
export type GuessTally = Record<string, number>

const state = { resting: false }

process.on('message', (order: GuessOrder) => {
  if (order === 'rest') state.resting = true
  else void round(order)
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

async function round(order: Exclude<GuessOrder, 'rest'>): Promise<void> {
  state.resting = false
  const tallies: GuessTally[] = []
  await Promise.all(
    order.guess.map(async (guesser) => {
      await guessOn(guesser, order, (tallies[guesser.group] ??= {}))
    }),
  )
  process.send?.(tallies)
}

async function guessOn(
  { address, names }: Guesser,
  { port, ca, each }: Exclude<GuessOrder, 'rest'>,
  tally: GuessTally,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const host = { host: '127.0.0.1', port, servername: 'localhost', ca, localAddress: address }
  for (let made = 0; made < each && !state.resting; made++) {
    const username = names[made % names.length]
    const body = JSON.stringify({ username, password: `guess ${made} of many` })
    const headers = {
      host: 'localhost',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const sent = request({ ...host, method: 'POST', path: '/login', agent, headers })
    sent.end(body)
    const [answer]: IncomingMessage[] = await once(sent, 'response')
    if (answer === undefined) throw new Error('no answer')
    await once(answer.resume(), 'end')
    const status = String(answer.statusCode)
    tally[status] = (tally[status] ?? 0) + 1
  }
  agent.destroy()
}
