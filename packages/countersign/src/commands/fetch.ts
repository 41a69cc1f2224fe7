/**
 * `countersign fetch`: many URLs at once, one JSON line per answer, in the order they were given.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { GatherResult } from '@countersign/client'
import { errorMessage } from '@countersign/core'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions } from '../client-options.ts'
import { completeUrl, openSession } from '../client-session.ts'
import { addCommand, perform, type SharedFlags, wholeNumber } from '../command.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { exitCodeOf } from '../exit-code.ts'
import { explainCommand } from '../learn-more.ts'
import { errorFacts, stringify, writeOut } from '../output.ts'

interface FetchFlags extends SharedFlags, ClientFlags {
  input?: string
  concurrency: number
}

/** Adds the command. */
export function addFetch(program: Command): void {
  withClientOptions(addCommand(program, 'fetch [url...]', 'get many URLs at once, as JSON lines'))
    .option('--input <file>', 'read further URLs from this file, one a line; - is standard input')
    .option('--concurrency <n>', 'calls at once', wholeNumber(1, 1024), 16)
    .action(async (urls: string[], flags: FetchFlags) =>
      perform(flags, async ({ output, data }) => {
        const all = [...urls, ...(await readInput(flags.input))].map((url) => completeUrl(url))
        const [first] = all
        if (first === undefined) throw new ProgramError('usage', 'give a URL, or --input FILE')
        await using kept = await openSession(flags, data, first)
        const progress = showProgress(all.length)
        const { gather } = await import('@countersign/client')
        const results = await gather(all, {
          session: kept.session,
          concurrency: flags.concurrency,
          onProgress: progress.update,
        })
        progress.end()
        const lines = await Promise.all(
          results.map(async (result, index) => toLine(all[index] ?? '', result, flags)),
        )
        if (output.json) output.result(lines, '')
        else for (const line of lines) writeOut(`${stringify(line, 0)}\n`)
        const failed = results.find((result) => !result.ok)
        if (failed?.ok === false) process.exitCode = exitCodeOf(failed.error)
        else if (lines.some(({ status }) => status !== undefined && status >= 400)) {
          process.exitCode = EXIT.failed
        }
      }),
    )
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

interface ProgressLine {
  update: (progress: { done: number; failed: number }) => void
  end: () => void
}

/** One line on stderr that is written over; silent where stderr is no terminal. */
function showProgress(total: number): ProgressLine {
  if (!process.stderr.isTTY) return { update: () => {}, end: () => {} }
  return {
    update({ done, failed }) {
      process.stderr.write(`\r${done} of ${total}${failed === 0 ? '' : `, ${failed} failed`}`)
    },
    end() {
      process.stderr.write('\n')
    },
  }
}
