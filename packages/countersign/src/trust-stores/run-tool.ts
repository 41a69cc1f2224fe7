/**
 * Programs of others that keep a store: found in PATH, run with a time limit, their words kept for the message.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** How a program ended. */
export interface ToolResult {
  readonly ok: boolean
  readonly output: string
}

/** Finds a program in PATH, then where systems keep theirs; `undefined` where it is not installed. */
export function findTool(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '')
  return [...folders, ...SYSTEM_FOLDERS]
    .map((folder) => path.join(folder, process.platform === 'win32' ? `${name}.exe` : name))
    .find((file) => isExecutable(file))
}

/** Runs a program to its end; it gets no input, and a minute. */
export async function runTool(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<ToolResult> {
  const { promise, resolve } = Promise.withResolvers<ToolResult>()
  const child = execFile(
    file,
    [...args],
    { env: { ...env, LC_ALL: 'C' }, timeout: 60_000, maxBuffer: 16 * 1024 * 1024 },
    (error, stdout, stderr) => {
      resolve({ ok: error === null, output: `${stdout}${stderr}`.trim() })
    },
  )
  child.stdin?.end()
  return promise
}

/** The last words of a program that failed, short enough for a message. */
export function lastWords({ output }: ToolResult): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return (lines.at(-1) ?? 'it said nothing').trim().slice(0, 300)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const SYSTEM_FOLDERS =
  process.platform === 'win32' ? [] : ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']
