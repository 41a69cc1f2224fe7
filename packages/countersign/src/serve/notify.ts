/**
 * Telling systemd how this process is (sd_notify(3)).
 *
 * Node cannot send to a unix datagram socket, so the program `systemd-notify` does it; it is there where systemd is. Its messages come
 * from a process of its own: a unit needs `NotifyAccess=all`.
 *
 * @module
 */
import { errorCode, errorMessage } from '@countersign/core'

/** Tells systemd, where it wants to know; nothing anywhere else. */
export class ServiceNotifier implements AsyncDisposable {
  readonly #env: NodeJS.ProcessEnv | undefined
  readonly #note: (text: string) => void
  readonly #watchdogMs: number
  #timer: NodeJS.Timeout | undefined
  #last: Promise<void> = Promise.resolve()
  #isTold = false

  /**
   * Takes the variables out of the environment.
   *
   * @param note - told once where systemd cannot be
   */
  constructor(
    note: (text: string) => void,
    env: NodeJS.ProcessEnv = process.env,
    pid: number = process.pid,
  ) {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period = '', WATCHDOG_PID: forPid } = env
    this.#note = note
    this.#env = socket === undefined || socket === '' ? undefined : { ...env }
    const counts = /^[1-9]\d{0,14}$/.test(period) && (forPid ?? String(pid)) === String(pid)
    // Twice in each period, as sd_watchdog_enabled(3) recommends.
    this.#watchdogMs = counts ? Math.min(Math.max(Number(period) / 2000, 10), LONGEST_MS) : 0
    for (const name of VARIABLES) Reflect.deleteProperty(env, name)
  }

  /** It serves; from now on the watchdog hears from it, for as long as its event loop turns. */
  async ready(status: string): Promise<void> {
    if (this.#env === undefined) return
    await this.#send('READY=1', `STATUS=${oneLine(status)}`)
    if (this.#watchdogMs === 0 || this.#timer !== undefined) return
    const alive = (): void => void this.#send('WATCHDOG=1')
    alive()
    this.#timer = setInterval(alive, this.#watchdogMs)
    this.#timer.unref()
  }

  /** It reads its files again; {@link ServiceNotifier.ready} follows. */
  async reloading(): Promise<void> {
    // CLOCK_MONOTONIC, which is what hrtime reads.
    await this.#send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`)
  }

  async stopping(): Promise<void> {
    clearInterval(this.#timer)
    await this.#send('STOPPING=1')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#last
  }

  /** One after the other: their order is what they say. */
  async #send(...words: string[]): Promise<void> {
    if (this.#env === undefined) return
    const env = this.#env
    this.#last = this.#last.then(async () => this.#run(env, words))
    await this.#last
  }

  async #run(env: NodeJS.ProcessEnv, words: string[]): Promise<void> {
    // Most servers start without systemd, and a millisecond sooner without what starts programs.
    const { execFile } = await import('node:child_process')
    const { promise, resolve } = Promise.withResolvers<void>()
    // With its own PID where it may not speak for ours, which is why the unit needs NotifyAccess=all.
    execFile('systemd-notify', words, { env, timeout: LONGEST_MS }, (error) => {
      if (error !== null && !this.#isTold) {
        this.#isTold = true
        const why =
          errorCode(error) === 'ENOENT' ? 'there is no systemd-notify' : errorMessage(error)
        this.#note(`systemd could not be told (${words[0]}): ${why.trim()}`)
      }
      resolve()
    })
    await promise
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 200)
}

const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const
const LONGEST_MS = 30_000
