/**
 * `countersign completion`: the shell's own completion of commands, options and their choices.
 *
 * @module
 */
import { Argument, type Command } from 'commander'

/**
 * Adds the command. The library that writes the scripts, and answers the shell by a hidden `complete` command, is
 * loaded only for those two.
 *
 * @param argv - the command line, to see whether it is one of them
 */
export async function addCompletion(program: Command, argv: readonly string[]): Promise<void> {
  if (argv[2] === 'completion' || argv[2] === 'complete') {
    const { default: tab } = await import('@bomb.sh/tab/commander')
    tab(program, { completionCommandName: 'completion' })
    return
  }
  program
    .command('completion')
    .summary('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish', 'powershell']))
}
