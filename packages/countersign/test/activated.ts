/**
 * A program that is started with a socket that listens already, as systemd does it.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { scrubEnvironment } from '@countersign/testkit'

/** The program and the port of its socket. */
export interface Activated extends AsyncDisposable {
  readonly child: ChildProcess
  readonly port: number
  stdout(): string
  stderr(): string
  /** Resolves with the exit code once it was told to stop. */
  stop(): Promise<number | null>
}

/** Starts a command line; `forPid` is what `LISTEN_PID` says, by default the program's own. */
export async function startActivated(
  command: readonly string[],
  { cwd, forPid = '$$' }: { cwd: string; forPid?: string | undefined },
): Promise<Activated> {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  // The descriptor of a server is not documented; systemd would have opened it in C.
  const handle: unknown = Reflect.get(listener, '_handle')
  const fd: unknown =
    typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  assert.equal(typeof fd, 'number')
  const child = spawn(
    'sh',
    ['-c', `LISTEN_PID=${forPid} LISTEN_FDS=1 exec "$@"`, 'sh', ...command],
    { cwd, env: scrubEnvironment(), stdio: ['ignore', 'pipe', 'pipe', Number(fd)] },
  )
  listener.close()
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  const ended = once(child, 'close')
  return {
    child,
    port,
    stdout: () => out,
    stderr: () => err,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
      return child.exitCode
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
