/**
 * A flood of wrong passwords from a process of its own, and the owner who signs in meanwhile.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Session } from '@countersign/client'
import type { Guesser, GuessOrder, GuessTally } from './guess-process.ts'
import { PASSWORD, type RunningService } from './running-service.ts'

/** Sixteen at one name and one over a thousand. */
export interface FloodPlan {
  /** Whose password the sixteen guess. */
  name: string
  /** The third number of their addresses, 127.0.N.x: what was counted under another does not count. */
  network: number
  /** Whether each of the sixteen comes from an address of its own. */
  scattered: boolean
  /** How many guesses each makes at most. */
  each: number
}

/** Guessers that are told when to guess. */
export class Flood implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #service: RunningService

  private constructor(child: ChildProcess, service: RunningService) {
    this.#child = child
    this.#service = service
  }

  /** Starts the process; it guesses nothing yet. */
  static async start(service: RunningService): Promise<Flood> {
    const child = fork(fileURLToPath(new URL('guess-process.ts', import.meta.url)), [], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    await answerOf(child)
    return new Flood(child, service)
  }

  /** Lets them guess, and answers with what the sixteen and the one were told, once each has made its guesses or they rest. */
  async guess({ name, network, scattered, each }: FloodPlan): Promise<readonly GuessTally[]> {
    const sixteen = Array.from({ length: 16 }, (_, index): Guesser => {
      return { group: 0, address: `127.0.${network}.${scattered ? index + 1 : 1}`, names: [name] }
    })
    const names = Array.from({ length: 1000 }, (_, index) => `somebody ${network} ${index}`)
    const one: Guesser = { group: 1, address: `127.0.${network}.99`, names }
    const port = Number(new URL(this.#service.url).port)
    const ca = readFileSync(this.#service.roots, 'utf8')
    const answered = answerOf(this.#child)
    this.#tell({ guess: [...sixteen, one], port, ca, each })
    const [tallies]: (readonly GuessTally[])[] = await answered
    return tallies ?? []
  }

  /** Ends a round. */
  rest(): void {
    this.#tell('rest')
  }

  #tell(order: GuessOrder): void {
    this.#child.send(order)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}

/** The next message of the guessers, unless they end before. */
async function answerOf(child: ChildProcess): ReturnType<typeof once> {
  const over = new AbortController()
  const { signal } = over
  const exited = once(child, 'exit', { signal }).then(() => {
    throw new Error('the guessers have ended')
  })
  try {
    return await Promise.race([once(child, 'message', { signal }), exited])
  } finally {
    over.abort()
  }
}

/** Signs in once more with a browser that is known: the session keeps the cookie that says so. Answers the status. */
export async function signInAgain(owner: Session, username: string): Promise<number> {
  const response = await owner.post('/login', { json: { username, password: PASSWORD } })
  await response.bytes()
  return response.status
}
