/**
 * What every command shares: its data folder, its output, its errors, its help.
 *
 * @module
 */
import { errorMessage, parseDuration } from '@countersign/core'
import { type Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
import { type DataFolder, dataFolder } from './data-folder.ts'
import { EXIT } from './errors.ts'
import { exitCodeOf } from './exit-code.ts'
import { distrustedServer, explainCommand, type TrustFlags } from './learn-more.ts'
import { Output } from './output.ts'

/** What a command's action is given beside its own arguments. */
export interface CommandContext {
  output: Output
  /** The folder of `--data`, the environment or the default. */
  data: DataFolder
}

/** The options that every command takes. */
export interface SharedFlags {
  json?: boolean
  data?: string
}

/** A command below `parent` with the options that all of them take. */
export function addCommand(parent: Command, usage: string, summary: string): Command {
  return parent
    .command(usage)
    .summary(summary)
    .description(summary)
    .option('--json', 'one JSON value on stdout, nothing else')
}

/** The option of every command that touches an authority. */
export function dataOption(): Option {
  return new Option('--data <dir>', 'data folder of the authority (env: COUNTERSIGN_DATA)')
}

/** The option that names the database. A password in it is better in the variable, which other users cannot read. */
export function databaseOption(description: string): Option {
  return new Option('--database <url>', description).env('COUNTERSIGN_DATABASE')
}

/** Says so where the password of a database stands among the arguments: every user of the machine can read those (`ps`). */
export function noteVisiblePassword(output: Output, database: string | undefined): void {
  const password = database === undefined ? '' : (URL.parse(database)?.password ?? '')
  if (password === '' || !process.argv.some((word) => word.includes(password))) return
  output.note(
    'others on this machine can read the password in --database: put the address into COUNTERSIGN_DATABASE',
  )
}

/**
 * Runs the work of a command; what it throws is printed as fault and hint, with the way to learn more, and sets the exit code.
 *
 * @param flags - the options as commander read them
 * @param work - given what every command shares
 * @param exitCode - the exit code of what it throws
 */
export async function perform(
  flags: SharedFlags & TrustFlags,
  work: (context: CommandContext) => Promise<void>,
  exitCode: (error: unknown) => number = exitCodeOf,
): Promise<void> {
  const output = new Output(flags.json === true)
  try {
    await work({ output, data: dataFolder(flags.data) })
  } catch (error) {
    if (flags.explain === true && !output.json && distrustedServer(error) !== undefined) {
      const { explainFailure } = await import('./explain-source.ts')
      await explainFailure(error, flags, dataFolder(flags.data))
    }
    output.error(error, explainCommand(error, flags))
    process.exitCode = exitCode(error)
  }
}

/** Reads a whole number within bounds from an option. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d{1,15}$/.test(text) && value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`Give a whole number from ${minimum} to ${maximum}.`)
  }
}

/** Reads `14d`, `12h` from an option, as milliseconds. */
export function duration(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new InvalidArgumentError(`${errorMessage(error)}; write 90s, 15m, 12h, 14d or 2w.`)
  }
}

/** Collects an option that may be given several times. */
export function collect(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text]
}

/** Collects a comma-separated option that may be given several times. */
export function collectList(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(',').map((part) => part.trim())]
}

/** Commander's own refusals (unknown command, missing argument) end with exit code 2, help with 0. */
export function usageExitCode(error: CommanderError): number {
  return error.exitCode === 0 ? EXIT.done : EXIT.usage
}
