/**
 * The `countersign` program as a child process.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import {
  type CommandOptions,
  type CommandResult,
  type RunningCommand,
  runCommand,
  startCommand,
} from './command.ts'
import { throwAwayHome } from './folder.ts'

/** How the program is run. */
export interface ProgramOptions extends CommandOptions {
  /** Runs `bin/countersign.js` over the build instead of the source. @defaultValue false */
  shipped?: boolean | undefined
}

/**
 * Runs `countersign ARGS` to its end: from source, in a scrubbed environment, with a throw-away home folder.
 *
 * @returns whatever the exit code; a caller asserts on it
 * @throws Error when it takes longer than `timeoutMs` (120 s)
 */
export function runProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, programArguments(args, options), withHome(options))
}

/** Starts `countersign ARGS` for a test that talks to it; it does not outlive this process. */
export function startProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): RunningCommand {
  return startCommand(process.execPath, programArguments(args, options), withHome(options))
}

function programArguments(args: readonly string[], options: ProgramOptions): string[] {
  const head =
    options.shipped === true
      ? [programFile('bin/countersign.js')]
      : ['--conditions=@countersign/source', programFile('src/main.ts')]
  return [...head, ...args]
}

/** Seen from here, in `src` as in `dist`, the packages lie two folders up. */
function programFile(name: string): string {
  return fileURLToPath(new URL(`../../countersign/${name}`, import.meta.url))
}

/** The default data folder lies under the home folder: a test must never meet the one of a person. */
function withHome(options: ProgramOptions): CommandOptions {
  return { ...options, env: { HOME: throwAwayHome(), ...options.env } }
}
