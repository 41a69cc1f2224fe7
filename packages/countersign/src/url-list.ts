/**
 * The URLs of `countersign fetch`: those of the command line, then those of a file or of standard input, read as they are
 * wanted. A list of any length needs no memory.
 *
 * @module
 */
import { createReadStream, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { errorMessage } from '@countersign/core'
import { completeUrl } from './client-session.ts'
import { ProgramError } from './errors.ts'

/** URLs in their order. */
export interface UrlList {
  readonly first: string
  /** `undefined` for what cannot be read twice. */
  readonly total: number | undefined
  /** All of them; to be walked through once. */
  readonly urls: AsyncIterable<string>
}

/**
 * Opens a list. What can be read twice is checked as a whole before anything is fetched; of standard input or a pipe each is
 * fetched as it comes, and what is no URL fails alone.
 *
 * @param input - the name of a file with a URL a line, empty lines and `#` aside; `-` is standard input
 * @throws ProgramError `usage` where there is no URL, or one is none; `file-unreadable`
 */
export async function openUrlList(
  given: readonly string[],
  input: string | undefined,
): Promise<UrlList> {
  const urls = given.map((url) => completeUrl(url))
  if (input === undefined || isRegularFile(input)) {
    let [first] = urls
    let total = urls.length
    if (input !== undefined) {
      for await (const line of linesOf(input)) {
        const url = completeUrl(line)
        first ??= url
        total++
      }
    }
    if (first === undefined) throw noUrl()
    return { first, total, urls: joined(urls, input, completeUrl) }
  }
  const rest = joined(urls, input, completeOrAsIs)
  const head = await rest.next()
  if (head.done === true) throw noUrl()
  return { first: completeUrl(head.value), total: undefined, urls: again(head.value, rest) }
}

async function* joined(
  given: readonly string[],
  input: string | undefined,
  complete: (line: string) => string,
): AsyncGenerator<string, undefined> {
  yield* given
  if (input !== undefined) for await (const line of linesOf(input)) yield complete(line)
  return undefined
}

async function* again(head: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield head
  yield* rest
}

/** What is no URL is left to the call, whose result then says so. */
function completeOrAsIs(line: string): string {
  try {
    return completeUrl(line)
  } catch (error) {
    if (error instanceof ProgramError) return line
    throw error
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  try {
    for await (const line of createInterface({ input })) {
      const url = line.trim()
      if (url !== '' && !url.startsWith('#')) yield url
    }
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}

function isRegularFile(file: string): boolean {
  // What is not there is found out by reading it.
  return file !== '-' && (statSync(file, { throwIfNoEntry: false })?.isFile() ?? true)
}

function noUrl(): ProgramError {
  return new ProgramError('usage', 'give a URL, or --input FILE')
}
