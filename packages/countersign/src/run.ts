/**
 * Runs a command line to its end: exit code set, no stack trace, whatever happens.
 *
 * @module
 */
import { type Command, CommanderError } from 'commander'
import { usageExitCode } from './command.ts'
import { exitCodeOf } from './exit-code.ts'
import { Output } from './output.ts'

/** Parses `argv` (with the two leading entries of `process.argv`) and runs the command that it names. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  const output = new Output(argv.includes('--json'))
  const failLate = (error: unknown): void => {
    output.error(error)
    process.exit(exitCodeOf(error))
  }
  process.on('uncaughtException', failLate)
  process.on('unhandledRejection', failLate)
  try {
    await program.parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = usageExitCode(error)
  }
}
