/**
 * Runs validations: so many at a time, each tried a few times, each ended by a result in the database or by the end of the process.
 * Those that run say so in the database every few seconds; one that has not for some time another process takes up.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { keyAuthorization } from './account-key.ts'
import { type AuthorizationRow, type ChallengeRow, decideChallenge } from './authorizations.ts'
import { validateDns } from './challenge-dns.ts'
import { type HttpValidation, validateHttp } from './challenge-http.ts'
import { validateTls } from './challenge-tls.ts'
import { AcmeProblem } from './problem.ts'
import type { Identifier } from './schema.ts'
import type { AcmeState } from './state.ts'

/** How a {@link Validator} works. */
export interface ValidatorOptions extends HttpValidation {
  /** The pauses before the second try, the third, …, in milliseconds; none after a wrong answer over HTTP or TLS. */
  readonly pausesMs: readonly number[]
  /** The time of one try, in milliseconds. */
  readonly timeoutMs: number
  /** How many tries run at once. */
  readonly concurrency: number
  /** How often what runs says so, in milliseconds. */
  readonly heartbeatMs: number
  /** Told what went wrong beside the validation itself. */
  readonly onFault: (error: unknown) => void
}

/** Runs the validations of one process. */
export class Validator {
  readonly #options: ValidatorOptions
  readonly #running = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  readonly #stop = new AbortController()
  #beating: NodeJS.Timeout | undefined
  #free: number

  constructor(options: ValidatorOptions) {
    this.#options = options
    this.#free = options.concurrency
  }

  /** Begins the validation of a challenge that is processing; one that runs here already is left alone. */
  begin(state: AcmeState, id: string): void {
    if (this.#running.has(id) || this.#stop.signal.aborted) return
    const run = this.#run(state, id)
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#options.onFault(error)
      })
      .finally(() => {
        this.#running.delete(id)
        if (this.#running.size === 0) this.#rest()
      })
    this.#running.set(id, run)
    this.#beating ??= setInterval(() => void this.#beat(state), this.#options.heartbeatMs).unref()
  }

  /** Says of all that runs that it does, those that wait for their turn included. */
  async #beat(state: AcmeState): Promise<void> {
    try {
      await state.database
        .updateTable('acme_challenge')
        .set({ claimed_at: state.clock().getTime() })
        .where('id', 'in', [...this.#running.keys()].slice(0, MOST_AT_ONCE))
        .where('status', '=', 'processing')
        .execute()
    } catch (error) {
      // Another process takes them up then: a proof that is looked at twice is the same proof.
      if (!this.#stop.signal.aborted) this.#options.onFault(error)
    }
  }

  #rest(): void {
    clearInterval(this.#beating)
    this.#beating = undefined
  }

  /** Ends what runs, without a result. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#rest()
    for (const next of this.#waiting.splice(0)) next()
    await Promise.all(this.#running.values())
  }

  /** Waits until nothing runs, for tests. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  async #run(state: AcmeState, id: string): Promise<void> {
    const { pausesMs } = this.#options
    for (let attempt = 0; ; attempt++) {
      const subject = await readSubject(state, id)
      if (subject === undefined) return
      const problem = await this.#inTurn(() => this.#try(subject))
      if (this.#stop.signal.aborted) return
      const pause =
        problem !== undefined && mayPass(problem, subject) ? pausesMs[attempt] : undefined
      if (pause === undefined) {
        await decideChallenge(state, subject.challenge, problem?.document)
        return
      }
      await sleep(pause, undefined, { signal: this.#stop.signal, ref: false })
    }
  }

  /** One try: what was wrong, or `undefined` where the name is proven. */
  async #try({ challenge, identifier, expected }: Subject): Promise<AcmeProblem | undefined> {
    const { networks, tlsPort, timeoutMs } = this.#options
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)])
    const { type, token } = challenge
    try {
      if (type === 'dns-01') await validateDns(networks, identifier.value, expected, signal)
      else if (type === 'tls-alpn-01') {
        await validateTls(networks, tlsPort, identifier, expected, signal)
      } else await validateHttp(this.#options, identifier.value, token, expected, signal)
      return undefined
    } catch (error) {
      if (error instanceof AcmeProblem) return error.about(identifier)
      if (signal.aborted) {
        return new AcmeProblem('connection', 'validation took too long', { identifier })
      }
      this.#options.onFault(error)
      return new AcmeProblem('serverInternal', 'validation failed here', { identifier })
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await promise
    } else this.#free--
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      // The turn is handed on, or given back.
      if (next === undefined) this.#free++
      else next()
    }
  }
}

/** Values of one statement; more than run on any machine. */
const MOST_AT_ONCE = 10_000

interface Subject {
  readonly challenge: ChallengeRow
  readonly identifier: Identifier
  /** The key authorization. */
  readonly expected: string
}

/** The challenge as it is now; `undefined` where it was decided, or its authorization is over. */
async function readSubject(state: AcmeState, id: string): Promise<Subject | undefined> {
  const challenge = await state.database
    .updateTable('acme_challenge')
    .set({ claimed_at: state.clock().getTime() })
    .where('id', '=', id)
    .where('status', '=', 'processing')
    .returningAll()
    .executeTakeFirst()
  if (challenge === undefined) return undefined
  const row: (AuthorizationRow & { thumbprint: string }) | undefined = await state.database
    .selectFrom('acme_authorization as authz')
    .innerJoin('acme_account as account', 'account.id', 'authz.account')
    .selectAll('authz')
    .select('account.thumbprint')
    .where('authz.id', '=', challenge.authorization_id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  return {
    challenge,
    identifier: { type: row.identifier_type, value: row.identifier_value },
    expected: keyAuthorization(challenge.token, row.thumbprint),
  }
}

/** Whether another try may go otherwise: a record takes its time to spread, a wrong answer does not become right. */
function mayPass(problem: AcmeProblem, { challenge }: Subject): boolean {
  return challenge.type === 'dns-01' || problem.type !== 'incorrectResponse'
}
