/**
 * `countersign fetch`: many URLs at once, one JSON line per answer, in the order they were given, each as soon as it and those
 * before it are there.
 *
 * @module
 */
import type { GatherResult } from '@countersign/client'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions } from '../client-options.ts'
import { openSession } from '../client-session.ts'
import { addCommand, perform, type SharedFlags, wholeNumber } from '../command.ts'
import { EXIT } from '../errors.ts'
import { exitCodeOf } from '../exit-code.ts'
import { explainCommand } from '../learn-more.ts'
import { errorFacts, stringify, writeOut } from '../output.ts'
import { Pace, progressLine } from '../progress-line.ts'
import { openUrlList } from '../url-list.ts'

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
        const list = await openUrlList(urls, flags.input)
        await using kept = await openSession(flags, data, list.first)
        const progress = showProgress(list.total)
        const { gatherEach } = await import('@countersign/client')
        const lines: FetchLine[] = []
        let worst: GatherResult | undefined
        // Of calls under way: as they were given, which is not always where their answers come from.
        const asked: string[] = []
        for await (const result of gatherEach(noted(list.urls, asked), {
          session: kept.session,
          concurrency: flags.concurrency,
          onProgress: ({ done, failed }) => progress.update(done, failed),
        })) {
          const line = await toLine(asked.shift() ?? '', result, flags)
          if (output.json) lines.push(line)
          else progress.print(`${stringify(line, 0)}\n`)
          if (!hasFailed(result)) continue
          // No answer at all is worse than a bad one; of several the first decides.
          if (worst === undefined || (worst.ok && !result.ok)) worst = result
          if (flags.failFast === true) break
        }
        await kept.save()
        progress.end()
        if (output.json) output.result(lines, '')
        if (worst !== undefined) {
          process.exitCode = worst.ok ? EXIT.failed : exitCodeOf(worst.error)
        }
      }),
    )
}

async function* noted(urls: AsyncIterable<string>, into: string[]): AsyncGenerator<string> {
  for await (const url of urls) {
    into.push(url)
    yield url
  }
}

function hasFailed(result: GatherResult): boolean {
  return !result.ok || result.value.status >= 400
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

interface FetchProgress {
  update(done: number, failed: number): void
  /** Prints a result; the progress line gives way to it. */
  print(text: string): void
  end(): void
}

/** A live line on stderr: how many are done and failed, how fast, how long it will take. */
function showProgress(total: number | undefined): FetchProgress {
  const line = progressLine()
  const pace = new Pace()
  let state = { done: 0, failed: 0 }
  const text = (isOver: boolean): string => {
    const { done, failed } = state
    const left = isOver ? pace.taken() : pace.left(done, total)
    const words = isOver ? `in ${left}` : left === '' ? '' : `${left} left`
    const count = total === undefined ? `${done}` : `${done} of ${total}`
    return `${count}, ${failed} failed  ${pace.perSecond(done).toFixed(1)}/s  ${words}`
  }
  return {
    update(done, failed) {
      state = { done, failed }
      line.show(() => text(state.done === total))
    },
    print(result) {
      if (process.stdout.isTTY) line.clear()
      writeOut(result)
    },
    end() {
      line.end(text(total === undefined || state.done === total))
    },
  }
}
