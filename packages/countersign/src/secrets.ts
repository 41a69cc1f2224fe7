/**
 * Secrets that a person types or a script pipes; never as an argument, where every process could read them.
 *
 * @module
 */
import { text as readText } from 'node:stream/consumers'
import { EXIT, ProgramError } from './errors.ts'

/** The first line of standard input. */
export async function readStandardInput(what: string): Promise<string> {
  const [line = ''] = (await readText(process.stdin)).split(/\r?\n/, 1)
  if (line === '') {
    throw new ProgramError('usage', `there is no ${what} on standard input`, {
      hint: `printf %s "$SECRET" | countersign …`,
    })
  }
  return line
}

/** The first lines of standard input, one for each name; none may be empty. */
export async function readStandardInputLines(...names: string[]): Promise<string[]> {
  const lines = (await readText(process.stdin)).split(/\r?\n/)
  return names.map((name, at) => {
    const line = lines[at] ?? ''
    if (line !== '') return line
    throw new ProgramError('usage', `there is no ${name} on line ${at + 1} of standard input`)
  })
}

/** Asks at the terminal, without showing what is typed. */
export async function askSecret(question: string): Promise<string> {
  const { isCancel, password } = await import('@clack/prompts')
  const answer = await password({ message: question, output: process.stderr })
  if (isCancel(answer))
    throw new ProgramError('usage', 'given up at the prompt', { exit: EXIT.failed })
  return answer
}

/** Asks at the terminal for something that may be seen. */
export async function askText(question: string): Promise<string> {
  const { isCancel, text } = await import('@clack/prompts')
  const answer = await text({ message: question, output: process.stderr })
  if (isCancel(answer))
    throw new ProgramError('usage', 'given up at the prompt', { exit: EXIT.failed })
  return answer
}
