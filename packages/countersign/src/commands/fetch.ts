/**
 * `countersign fetch`: many URLs at once, one JSON line per answer, in the order they were given, each as soon as it and those
 * before it are there.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { GatherProgress, GatherResult, Session } from '@countersign/client'
import { errorMessage } from '@countersign/core'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions } from '../client-options.ts'
import { completeUrl, openSession } from '../client-session.ts'
import { addCommand, perform, type SharedFlags, wholeNumber } from '../command.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { exitCodeOf } from '../exit-code.ts'
import { explainCommand } from '../learn-more.ts'
import { errorFacts, stringify, writeOut } from '../output.ts'
import { Pace, progressLine } from '../progress-line.ts'

interface FetchFlags extends SharedFlags, ClientFlags {
  input?: string
  concurrency: number
  failFast?: boolean
}

/** Adds the command. */
export function addFetch(program: Command): void {
  withClientOptions(addCommand(program, 'fetch [url...]', 'get many URLs at once, as JSON lines'))
    .option('--input <file>', 'read further URLs from this file, one a line; - is standard input')
    .option('--concurrency <n>', 'calls at once', wholeNumber(1, 1024), 16)
    .option('--fail-fast', 'stop at the first that fails, by its status or altogether')
    .action(async (urls: string[], flags: FetchFlags) =>
      perform(flags, async ({ output, data }) => {
        const all = [...urls, ...(await readInput(flags.input))].map((url) => completeUrl(url))
        const [first] = all
        if (first === undefined) throw new ProgramError('usage', 'give a URL, or --input FILE')
        await using kept = await openSession(flags, data, first)
        const progress = showProgress(all.length)
        const lines = new Lines(
          all,
          flags,
          output.json ? undefined : (text) => progress.print(text),
        )
        await fetchAll(all, kept.session, flags, ({ done, failed, index, result }) => {
          lines.add(index, result)
          progress.update(done, failed)
        })
        const printed = await lines.end()
        await kept.save()
        progress.end()
        if (output.json) output.result(printed, '')
        const { worst } = lines
        if (worst !== undefined) {
          process.exitCode = worst.ok ? EXIT.failed : exitCodeOf(worst.error)
        }
      }),
    )
}

/** Gathers; with `--fail-fast` until the first failure. */
async function fetchAll(
  urls: readonly string[],
  session: Session,
  flags: FetchFlags,
  onProgress: (progress: GatherProgress) => void,
): Promise<void> {
  const { gather } = await import('@countersign/client')
  const enough = new Error('stopped at the first failure')
  try {
    await gather(urls, {
      session,
      concurrency: flags.concurrency,
      onProgress(progress) {
        onProgress(progress)
        if (flags.failFast === true && hasFailed(progress.result)) throw enough
      },
    })
  } catch (error) {
    if (error !== enough) throw error
  }
}

function hasFailed(result: GatherResult): boolean {
  return !result.ok || result.value.status >= 400
}

/** Results as lines, printed in the order of the URLs. */
class Lines {
  readonly #urls: readonly string[]
  readonly #flags: ClientFlags
  readonly #print: ((text: string) => void) | undefined
  /** What came in before its turn, and from then on what was printed. */
  readonly #lines = new Map<number, FetchLine>()
  #pending: Promise<void> = Promise.resolve()
  #next = 0
  #worst: Failure | undefined

  constructor(
    urls: readonly string[],
    flags: ClientFlags,
    print: ((text: string) => void) | undefined,
  ) {
    this.#urls = urls
    this.#flags = flags
    this.#print = print
  }

  /** The failure that decides the exit code: no answer before a bad one, then the first of them. */
  get worst(): GatherResult | undefined {
    return this.#worst?.result
  }

  add(index: number, result: GatherResult): void {
    if (hasFailed(result)) this.#worst = graver(this.#worst, { index, result })
    const line = toLine(this.#urls[index] ?? '', result, this.#flags)
    this.#pending = this.#settle(this.#pending, index, line)
  }

  /** One after the other, so that nothing is printed before its turn. */
  async #settle(before: Promise<void>, index: number, line: Promise<FetchLine>): Promise<void> {
    await before
    this.#lines.set(index, await line)
    if (this.#print === undefined) return
    for (let next = this.#lines.get(this.#next); next !== undefined; ) {
      this.#take(this.#next, next)
      next = this.#lines.get(++this.#next)
    }
  }

  /** Prints what is left: where it was stopped, others may be missing before it. */
  async end(): Promise<FetchLine[]> {
    await this.#pending
    const left = [...this.#lines].toSorted(([a], [b]) => a - b)
    if (this.#print !== undefined) for (const [index, line] of left) this.#take(index, line)
    return left.map(([, line]) => line)
  }

  #take(index: number, line: FetchLine): void {
    this.#lines.delete(index)
    this.#print?.(`${stringify(line, 0)}\n`)
  }
}

interface Failure {
  readonly index: number
  readonly result: GatherResult
}

function graver(known: Failure | undefined, given: Failure): Failure {
  if (known === undefined) return given
  if (known.result.ok !== given.result.ok) return known.result.ok ? given : known
  return given.index < known.index ? given : known
}

interface FetchLine {
  url: string
  status?: number
  body?: unknown
  error?: unknown
}

async function toLine(url: string, result: GatherResult, flags: ClientFlags): Promise<FetchLine> {
  if (!result.ok) {
    return { url, error: errorFacts(result.error, explainCommand(result.error, flags)) }
  }
  const { status, headers } = result.value
  const text = await result.value.text()
  const isJson = /\bjson\b/i.test(headers.get('content-type') ?? '')
  return { url, status, body: isJson ? parse(text) : text }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function readInput(file: string | undefined): Promise<string[]> {
  if (file === undefined) return []
  const input = file === '-' ? process.stdin : createReadStream(file)
  const lines: string[] = []
  try {
    for await (const line of createInterface({ input })) {
      const url = line.trim()
      if (url !== '' && !url.startsWith('#')) lines.push(url)
    }
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
  return lines
}

interface FetchProgress {
  update(done: number, failed: number): void
  /** Prints a result; the progress line gives way to it. */
  print(text: string): void
  end(): void
}

/** A live line on stderr: how many are done and failed, how fast, how long it will take. */
function showProgress(total: number): FetchProgress {
  const line = progressLine()
  const pace = new Pace()
  let state = { done: 0, failed: 0 }
  const text = (): string => {
    const { done, failed } = state
    const left = done === total ? pace.taken() : pace.left(done, total)
    const words = done === total ? `in ${left}` : left === '' ? '' : `${left} left`
    return `${done} of ${total}, ${failed} failed  ${pace.perSecond(done).toFixed(1)}/s  ${words}`
  }
  return {
    update(done, failed) {
      state = { done, failed }
      line.show(text)
    },
    print(result) {
      if (process.stdout.isTTY) line.clear()
      writeOut(result)
    },
    end() {
      line.end(text())
    },
  }
}
