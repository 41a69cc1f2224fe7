/**
 * The reference of commands, written from the program's own command tree.
 *
 * @module
 */
import type { Command } from 'commander'
import { buildProgram } from '../packages/countersign/src/program.ts'

/** The whole page, in Markdown. */
export async function commandReference(): Promise<string> {
  const program = await buildProgram(['node', 'countersign'])
  const pages = leaves(program).map((command) => page(command))
  return `${HEAD}\n${pages.join('\n')}`
}

/** The commands that do something, in the order of the help. */
function leaves(command: Command): Command[] {
  return command.commands.length === 0
    ? [command]
    : command.commands.flatMap((below) => leaves(below))
}

function page(command: Command): string {
  const options = command.options
    .filter(({ hidden }) => !hidden)
    .map(({ flags, description, argChoices }) => {
      const choices = argChoices === undefined ? '' : ` (${argChoices.join(', ')})`
      return `| \`${flags}\` | ${description.replaceAll('|', '\\|')}${choices} |`
    })
  return [
    `## ${fullName(command)}`,
    '',
    sentence(command.summary()),
    '',
    '```',
    `${fullName(command)} ${command.usage()}`,
    '```',
    '',
    ...(options.length === 0 ? [] : ['| option | meaning |', '| --- | --- |', ...options, '']),
  ].join('\n')
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

const HEAD = `# Commands

Results go to standard output, notes and progress to standard error. Every command takes \`-h\`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | the command line is wrong |
| 3 | verification refused the other side |
| 4 | the other side refused us: 401, 403, or our certificate |
| 5 | could not connect |
`
