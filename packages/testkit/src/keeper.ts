/**
 * Nothing is left behind: a long-running child ends when the process that started it ends, however that ends.
 *
 * `process.on('exit')` does not run when a test runner kills a test file, so a small shell waits on a pipe that
 * the system closes at our death, and then does what is left to do.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { removeFolder } from './folder.ts'

/** Watches one child. */
export interface Keeper {
  /** The child has ended by itself: nothing is left to do. */
  release(): void
}

/**
 * Sees to it that `child` is killed and `folder` removed when this process is gone.
 *
 * @param signal - what ends the child at once
 */
export function keep(child: ChildProcess, signal: 'SIGKILL' | 'SIGQUIT', folder?: string): Keeper {
  const atExit = (): void => {
    child.kill(signal)
    if (folder !== undefined) removeFolder(folder)
  }
  if (duties.size === 0) process.on('exit', runDuties)
  duties.add(atExit)
  const pipe = watch(child, signal, folder)
  return {
    release() {
      duties.delete(atExit)
      if (duties.size === 0) process.off('exit', runDuties)
      pipe?.end('done\n')
    },
  }
}

function watch(
  child: ChildProcess,
  signal: string,
  folder: string | undefined,
): Socket | undefined {
  if (process.platform === 'win32' || child.pid === undefined) return undefined
  const args = ['-c', WATCH, 'sh', signal.slice(3), String(child.pid), folder ?? '']
  // Detached: an interrupt typed at the terminal reaches the whole group, and must not reach the watcher first.
  const watcher = spawn('/bin/sh', args, {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  watcher.unref()
  const pipe = watcher.stdin
  if (!(pipe instanceof Socket)) return undefined
  // A watcher that is already gone is no fault of the test.
  pipe.on('error', () => {})
  return pipe.unref()
}

/** Waits for a line or for the end of the pipe; only a line means that all is done. */
const WATCH = `read -r word && exit 0
kill -"$1" "$2" 2>/dev/null
if [ -n "$3" ]; then sleep 1; rm -rf "$3"; fi`

const duties = new Set<() => void>()

function runDuties(): void {
  for (const duty of duties) duty()
}
