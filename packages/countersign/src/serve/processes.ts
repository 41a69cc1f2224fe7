/**
 * `serve` as processes: one, or a first one and its workers; what systemd gives them and hears from them; whom they run as.
 *
 * @module
 */
import { accessSync, constants } from 'node:fs'
import type { Server, ServeOptions, Workers, WorkerSide } from '@countersign/server'
import type { Command } from 'commander'
import { ProgramError } from '../errors.ts'
import type { Output } from '../output.ts'
import { stopSignal } from '../stop-signal.ts'
import { type ActivatedSocket, activatedSocket } from './activation.ts'
import { onHangup } from './hangup.ts'
import { ServiceNotifier } from './notify.ts'
import { becomeUser, type ServiceUser, serviceUser } from './privileges.ts'

/** The option of {@link addUserOption}. */
export interface UserFlags {
  user?: string
}

/** What is said once everything serves. */
export interface Announcement {
  readonly facts: object
  readonly line: string
}

/** Adds `--user`. */
export function addUserOption(command: Command): Command {
  return command.option('--user <name[:group]>', 'become this user once the port is open; for root')
}

/** A process that serves, alone or as one of several. */
export class ServingProcess implements AsyncDisposable {
  /** For `serve` of the server room. */
  readonly options: Pick<ServeOptions, 'tickets' | 'connections' | 'socket'>
  /** Asks the first process of several; `undefined` where this one is alone. */
  readonly ask: WorkerSide['ask'] | undefined
  readonly #output: Output
  readonly #worker: WorkerSide | undefined
  readonly #user: ServiceUser | undefined
  readonly #notifier: ServiceNotifier
  readonly #signal: Promise<string>
  readonly #undo = new AsyncDisposableStack()

  private constructor(output: Output, worker: WorkerSide | undefined, own: OwnFacts) {
    this.options = {
      tickets: worker?.tickets,
      connections: worker?.connections,
      socket: own.socket,
    }
    this.ask = worker && (async (question) => worker.ask(question))
    this.#output = output
    this.#worker = worker
    this.#user = own.user
    this.#signal = stopSignal()
    this.#notifier = this.#undo.use(own.notifier)
  }

  /**
   * Looks at what this process was started with, before it opens anything.
   *
   * @throws ProgramError `usage`, `not-root`
   */
  static open(flags: UserFlags, worker: WorkerSide | undefined, output: Output): ServingProcess {
    // A worker has both from the first process.
    return new ServingProcess(output, worker, ownFacts(worker === undefined ? flags : {}, output))
  }

  /** Gives up the rights of root, where that was asked for: at once after the port is open, before anything is answered. */
  giveUpRights(files: readonly string[]): void {
    if (this.#user === undefined) return
    becomeUser(this.#user)
    for (const file of files.filter((one) => !isReadable(one))) {
      this.#output.note(
        `${this.#user.name} cannot read ${file}: it will not be read again when it changes`,
      )
    }
  }

  /** Tells everybody who wants to know, and follows SIGHUP. */
  async serving(server: Server, { facts, line }: Announcement): Promise<void> {
    const reload = async (): Promise<string> => changesText((await server.reload()).changed)
    if (this.#worker !== undefined) {
      this.#worker.ready({ facts, line }, server.certificate === undefined ? undefined : reload)
      return
    }
    this.#output.result(facts, line)
    const output = this.#output
    const notifier = this.#notifier
    if (server.certificate !== undefined) this.#undo.use(onHangup(reload, { output, notifier }))
    await notifier.ready(line)
  }

  /** Resolves when it is told to stop. */
  async stopped(): Promise<void> {
    if (this.#worker !== undefined) {
      await Promise.race([this.#signal, this.#worker.stopped])
      return
    }
    this.#output.note(`${await this.#signal}: answering what is under way, then stopping`)
    await this.#notifier.stopping()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync()
    this.#worker?.end()
  }
}

/** Where the first process listens, and what it reads. */
export interface FirstProcessOptions {
  readonly count: number
  readonly host: string
  readonly port: number
  /** What every worker reads when it starts. */
  readonly files: readonly string[]
  /** Whether there is something that a reload reads. */
  readonly https: boolean
  /** Answers what workers ask. */
  readonly onQuestion?: ((question: unknown) => unknown) | undefined
  /** Watches over the workers, and may say where. */
  readonly watch?: (
    workers: Workers,
  ) => Promise<AsyncDisposable & { readonly url?: string | undefined }>
}

/**
 * Runs the first process of several: it accepts, and serves nobody itself.
 *
 * @throws ProgramError `usage`, `not-root`, `privileges-kept`; ServerError `worker-failed` and those of the address
 */
export async function runFirstProcess(
  flags: UserFlags,
  { count, host, port, files, https, onQuestion, watch }: FirstProcessOptions,
  output: Output,
): Promise<void> {
  const { socket, user, notifier } = ownFacts(flags, output)
  await using undo = new AsyncDisposableStack()
  undo.use(notifier)
  const { startWorkers } = await import('@countersign/server')
  const stopped = stopSignal()
  const workers = await startWorkers({
    count,
    host,
    port,
    socket,
    onBound: () => {
      if (user === undefined) return
      becomeUser(user)
      refuseUnreadable(user, files)
    },
    onQuestion,
    onReplaced: ({ pid, reason, waitMs }) => {
      const when = waitMs < 2000 ? '' : ` in ${Math.round(waitMs / 1000)} s`
      output.note(`worker ${pid} ended (${reason}): replaced${when}`)
    },
  })
  await using watched = await watch?.(workers)
  const said = announcementOf(await workers.ready)
  output.result(
    {
      ...said.facts,
      workers: workers.pids,
      ...(watched?.url === undefined ? {} : { metrics: watched.url }),
    },
    `${said.line}, ${count} workers`,
  )
  const reload = async (): Promise<string> => reloadText(workers, await workers.reload())
  if (https) undo.use(onHangup(reload, { output, notifier }))
  await notifier.ready(said.line)
  output.note(`${await stopped}: answering what is under way, then stopping`)
  await notifier.stopping()
  await workers.close()
}

/** How long a connection that has nothing to answer may still bring a request when the program is told to stop. */
export const IDLE_GRACE_MS = 250

interface OwnFacts {
  readonly socket: ActivatedSocket | undefined
  readonly user: ServiceUser | undefined
  readonly notifier: ServiceNotifier
}

function ownFacts({ user }: UserFlags, output: Output): OwnFacts {
  return {
    user: user === undefined ? undefined : serviceUser(user),
    socket: activatedSocket(),
    notifier: new ServiceNotifier((text) => output.note(text)),
  }
}

/** A worker that takes the place of another begins as that user, and reads everything anew. */
function refuseUnreadable({ name }: ServiceUser, files: readonly string[]): void {
  const unreadable = files.find((file) => !isReadable(file))
  if (unreadable === undefined) return
  throw new ProgramError('file-unreadable', `${name} cannot read ${unreadable}`, {
    hint: `every worker reads it as that user: chgrp ${name} ${unreadable} && chmod g+r ${unreadable}`,
  })
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}

function announcementOf(said: unknown): Announcement {
  if (typeof said !== 'object' || said === null || !('facts' in said) || !('line' in said)) {
    return { facts: {}, line: 'listening' }
  }
  const { facts, line } = said
  return { facts: typeof facts === 'object' && facts !== null ? facts : {}, line: String(line) }
}

/** What a reload came to, one line for all workers. */
function reloadText(workers: Workers, outcomes: Awaited<ReturnType<Workers['reload']>>): string {
  const [first] = outcomes
  if (first === undefined) return 'no worker serves yet: what starts reads the files as they are'
  if (!first.ok) return `not reloaded, all workers go on as before: ${first.message}`
  const failed = outcomes.flatMap((one) => (one.ok ? [] : [`worker ${one.pid}: ${one.message}`]))
  if (failed.length === 0) return `${String(first.facts)}, in ${outcomes.length} workers`
  const left = workers.pids.length - failed.length
  return `${String(first.facts)} in ${left} workers, not in ${failed.join('; ')}`
}

function changesText(changed: readonly string[]): string {
  return changed.length === 0 ? 'the files say what they said' : `reloaded ${changed.join(' and ')}`
}
