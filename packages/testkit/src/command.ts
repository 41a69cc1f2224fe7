/**
 * Child processes: one that runs to its end, and one that runs until it is stopped.
 *
 * Not here: which program is run. `program.ts` runs ours, `outside-tools.ts` finds others.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { type EnvironmentChanges, scrubEnvironment } from './environment.ts'
import { type Keeper, keep } from './keeper.ts'

/** How a child process is run. */
export interface CommandOptions {
  /** Laid over the scrubbed environment; `undefined` removes a variable. */
  env?: EnvironmentChanges | undefined
  /** Written to its standard input, which is then closed. */
  input?: string | Uint8Array | undefined
  cwd?: string | undefined
  /** Killed after this time, and the promise rejects with what it had printed. @defaultValue 120000 */
  timeoutMs?: number | undefined
}

/** What a child process left. */
export interface CommandResult {
  /** Its exit code; `null` when a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/**
 * Runs a program to its end, in a scrubbed environment.
 *
 * @param file - the program: an absolute path, or a name that is looked up in PATH
 * @returns whatever the exit code; a caller asserts on it
 * @throws Error when it cannot be started or takes longer than `timeoutMs`
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const timeoutMs = options.timeoutMs ?? 120_000
  await using running = startCommand(file, args, options)
  const timer = setTimeout(() => running.child.kill('SIGKILL'), timeoutMs)
  const { code, signal } = await running.ended.finally(() => clearTimeout(timer))
  const result = { code, signal, stdout: running.stdout(), stderr: running.stderr() }
  if (signal === 'SIGKILL') {
    throw new Error(
      `${commandLine(file, args)} did not end within ${timeoutMs} ms\n${shown(result)}`,
    )
  }
  return result
}

/** A child process that runs until it is stopped; stopped at the latest when its scope ends. */
export interface RunningCommand extends AsyncDisposable {
  readonly child: ChildProcess
  /** Settles when it has ended and all its output was read; rejects when it could not be started. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** All it has printed so far. */
  stdout(): string
  stderr(): string
  /**
   * Waits until its output (standard output, else standard error) holds `pattern`.
   *
   * @param timeoutMs - @defaultValue 60000
   * @returns the match; for a text its first place
   * @throws Error with all its output when it ends before, or when the time is over
   */
  waitForOutput(pattern: RegExp | string, timeoutMs?: number): Promise<RegExpExecArray>
  /**
   * Sends a signal and waits for the end.
   *
   * @param signal - @defaultValue 'SIGTERM'
   * @param timeoutMs - then it is killed, and the promise rejects @defaultValue 60000
   * @returns its exit code, `null` when the signal itself ended it
   */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<number | null>
}

/** Starts a program, in a scrubbed environment; it does not outlive this process. */
export function startCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): RunningCommand {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: scrubEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  })
  const keeper = keep(child, 'SIGKILL')
  const out = collect(child, 'stdout')
  const err = collect(child, 'stderr')
  const ended = whenEnded(child, keeper)
  // A program that ends without reading its input closes the pipe: not this side's fault.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const name = commandLine(file, args)
  return {
    child,
    ended,
    stdout: out,
    stderr: err,
    waitForOutput: (pattern, timeoutMs = 60_000) =>
      waitForOutput(child, ended, [out, err], pattern, timeoutMs, name),
    async stop(signal = 'SIGTERM', timeoutMs = 60_000) {
      child.kill(signal)
      let killed = false
      const timer = setTimeout(() => {
        killed = true
        child.kill('SIGKILL')
      }, timeoutMs)
      const { code } = await ended.finally(() => clearTimeout(timer))
      if (killed) {
        throw new Error(
          `${name} did not end within ${timeoutMs} ms after ${signal}\n${shown({ stdout: out(), stderr: err() })}`,
        )
      }
      return code
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended.catch(() => {})
    },
  }
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr'): () => string {
  let text = ''
  child[name]?.setEncoding('utf8')
  child[name]?.on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

function whenEnded(child: ChildProcess, keeper: Keeper): RunningCommand['ended'] {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<RunningCommand['ended']>>()
  child.once('error', (error) => {
    if (child.pid !== undefined) return
    keeper.release()
    reject(error)
  })
  child.once('exit', () => keeper.release())
  child.once('close', (code, signal) => resolve({ code, signal }))
  // Whoever waits for it sees the error; nobody has to wait.
  promise.catch(() => {})
  return promise
}

async function waitForOutput(
  child: ChildProcess,
  ended: RunningCommand['ended'],
  outputs: readonly (() => string)[],
  pattern: RegExp | string,
  timeoutMs: number,
  name: string,
): Promise<RegExpExecArray> {
  const expression = typeof pattern === 'string' ? new RegExp(RegExp.escape(pattern)) : pattern
  const look = (): RegExpExecArray | undefined => {
    for (const output of outputs) {
      const match = new RegExp(expression.source, expression.flags.replace(/[gy]/g, '')).exec(
        output(),
      )
      if (match !== null) return match
    }
    return undefined
  }
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
  const fail = (why: string): void => {
    const [stdout, stderr] = outputs.map((output) => output())
    reject(new Error(`${name}: ${why} ${String(pattern)}\n${shown({ stdout, stderr })}`))
  }
  const onData = (): void => {
    const match = look()
    if (match !== undefined) resolve(match)
  }
  const timer = setTimeout(() => fail(`waited ${timeoutMs} ms for`), timeoutMs)
  child.stdout?.on('data', onData)
  child.stderr?.on('data', onData)
  const endedFirst = ended.then(({ code, signal }) => {
    onData()
    fail(`ended with ${signal ?? `exit code ${code}`} before it printed`)
    return promise
  })
  onData()
  try {
    return await Promise.race([promise, endedFirst])
  } finally {
    clearTimeout(timer)
    child.stdout?.off('data', onData)
    child.stderr?.off('data', onData)
  }
}

function commandLine(file: string, args: readonly string[]): string {
  return [file, ...args].join(' ')
}

function shown(output: { stdout?: string | undefined; stderr?: string | undefined }): string {
  return `--- stdout\n${output.stdout ?? ''}\n--- stderr\n${output.stderr ?? ''}`
}
