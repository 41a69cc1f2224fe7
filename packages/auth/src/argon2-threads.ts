/**
 * Password hashes on threads of their own, whose priority is lower than that of requests.
 *
 * A hash that is handed to libuv's pool takes the core from the thread that hands it over: on two busy cores one in ten holds the
 * event loop up for three milliseconds and more. One that is handed to a thread of lower priority does not.
 *
 * Not here: how many there are at once; that is `hash-gate.ts`'s to say. What a thread does is in `argon2-thread.ts`.
 *
 * @module
 */
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { loadArgon2id } from './argon2.ts'
import { AuthError } from './errors.ts'
import type { Argon2Cost } from './phc.ts'

/** What a thread is given: all of it copied, but the password, which is moved. */
export interface ThreadTask {
  readonly password: Uint8Array<ArrayBuffer>
  readonly salt: Uint8Array<ArrayBuffer>
  readonly cost: Argon2Cost
  readonly tagLength: number
}

/** Threads for hashes, started when they are first needed. */
export class Argon2Threads {
  readonly #program: URL
  readonly #threads = new Set<Thread>()
  #users = 0
  /** Whether threads can be had here; a bundler may have left their program behind, a policy may forbid them. */
  #possible = true

  /** @param program - what a thread runs */
  constructor(program: URL = PROGRAM) {
    this.#program = program
  }

  /** How many there are. */
  get size(): number {
    return this.#threads.size
  }

  /** Keeps the threads until the {@link Argon2Threads.release} that goes with it. */
  retain(): void {
    this.#users += 1
  }

  /** Ends the threads, each after what it is at, where nobody else retains them. */
  async release(): Promise<void> {
    this.#users -= 1
    if (this.#users > 0) return
    const threads = [...this.#threads]
    this.#threads.clear()
    await Promise.all(threads.map((thread) => thread.end()))
  }

  /**
   * Computes an argon2id tag: on a thread that does nothing else where there can be one, else in libuv's pool.
   *
   * @throws {@link AuthError} `hashing-failed` where the thread ended over it; the next one is computed by another
   */
  async compute(
    password: string,
    salt: Uint8Array,
    cost: Argon2Cost,
    tagLength: number,
  ): Promise<Uint8Array> {
    const thread = this.#idle()
    if (thread !== undefined) {
      try {
        return await thread.compute({
          password: new TextEncoder().encode(password),
          // A copy: the whole buffer is sent, which may be one that others write to.
          salt: new Uint8Array(salt),
          cost: { memoryKib: cost.memoryKib, passes: cost.passes, lanes: cost.lanes },
          tagLength,
        })
      } catch (cause) {
        if (thread.isProven) {
          const message = 'the thread that checks passwords has ended'
          throw new AuthError('hashing-failed', message, { cause })
        }
        this.#possible = false
      }
    }
    const argon2id = await loadArgon2id()
    return await argon2id(password, salt, cost, tagLength)
  }

  #idle(): Thread | undefined {
    if (!this.#possible) return undefined
    for (const thread of this.#threads) if (!thread.isBusy) return thread
    try {
      const thread: Thread = new Thread(this.#program, () => this.#threads.delete(thread))
      this.#threads.add(thread)
      return thread
    } catch {
      this.#possible = false
      return undefined
    }
  }
}

/** One thread, which does one thing at a time. */
class Thread {
  readonly #worker: Worker
  #task: PromiseWithResolvers<Uint8Array> | undefined
  #isProven = false
  readonly #onEnd: () => void

  constructor(program: URL, onEnd: () => void) {
    this.#onEnd = onEnd
    this.#worker = new Worker(program, { name: 'argon2', resourceLimits: LIMITS })
    this.#worker.on('message', (tag: Uint8Array) => {
      this.#isProven = true
      this.#settle()?.resolve(tag)
    })
    this.#worker.once('error', (error) => this.#fail(error))
    this.#worker.once('exit', () => this.#fail(new Error('the thread ended without a word')))
    this.#worker.unref()
  }

  get isBusy(): boolean {
    return this.#task !== undefined
  }

  /** Whether it has ever answered. */
  get isProven(): boolean {
    return this.#isProven
  }

  /** @throws what ended the thread */
  compute(task: ThreadTask): Promise<Uint8Array> {
    this.#task = Promise.withResolvers<Uint8Array>()
    // Only for as long as somebody waits does it keep the process alive.
    this.#worker.ref()
    this.#worker.postMessage(task, [task.password.buffer])
    return this.#task.promise
  }

  async end(): Promise<void> {
    await this.#task?.promise.catch(() => {})
    await this.#worker.terminate()
  }

  #fail(error: Error): void {
    this.#onEnd()
    this.#settle()?.reject(error)
  }

  #settle(): PromiseWithResolvers<Uint8Array> | undefined {
    const task = this.#task
    this.#task = undefined
    this.#worker.unref()
    return task
  }
}

/** The threads of this process, for all services in it. */
let shared: Argon2Threads | undefined

/** The threads of this process; none of them runs before it is needed. */
export function sharedThreads(): Argon2Threads {
  return (shared ??= new Argon2Threads())
}

/** As this module is: TypeScript where it runs from source. */
const PROGRAM = new URL(`./argon2-thread${path.extname(import.meta.url)}`, import.meta.url)
/** A hash needs next to nothing of V8's memory; argon2's own is not counted here. */
const LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 }
