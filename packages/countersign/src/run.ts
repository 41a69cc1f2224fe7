/**
 * Runs a command line to its end: exit code set, no stack trace, whatever happens.
 *
 * @module
 */
import { CommanderError } from 'commander'
import { usageExitCode } from './command.ts'
import { exitCodeOf } from './exit-code.ts'
import { Output } from './output.ts'
import { buildProgram } from './program.ts'

/** Parses `argv` (with the two leading entries of `process.argv`) and runs the command that it names. */
export async function runProgram(argv: readonly string[]): Promise<void> {
  const output = new Output(argv.includes('--json'))
  const failLate = (error: unknown): void => {
    output.error(error)
    process.exit(exitCodeOf(error))
  }
  process.on('uncaughtException', failLate)
  process.on('unhandledRejection', failLate)
  try {
    const program = await buildProgram(argv)
    await program.parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = usageExitCode(error)
  }
}
