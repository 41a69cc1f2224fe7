/**
 * `countersign get` and its sisters: one call, its answer on stdout.
 *
 * In a pipe that is the body, byte for byte; at a terminal head and body, in a form to be read.
 *
 * @module
 */
import path from 'node:path'
import type { ClientResponse, HeadersInput, RequestOptions, Session } from '@countersign/client'
import { errorMessage } from '@countersign/core'
import type { Command } from 'commander'
import { type ClientFlags, explainOption, withClientOptions } from '../client-options.ts'
import { completeUrl, openSession } from '../client-session.ts'
import { addCommand, perform, type SharedFlags } from '../command.ts'
import { download, partOf } from '../download.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { explainCommand } from '../learn-more.ts'
import { type Output, writeOut } from '../output.ts'
import { bodyText, headText, isJson } from '../pretty.ts'
import { bytesText, Pace, progressLine } from '../progress-line.ts'
import { type AuthFlags, requestAuth, withAuthOptions } from '../request-auth.ts'
import { type BodyFlags, requestContent } from '../request-body.ts'
import { parseRequestItems } from '../request-items.ts'
import { showWire } from '../wire.ts'

interface RequestFlags extends SharedFlags, ClientFlags, AuthFlags, BodyFlags {
  headers?: boolean
  body?: boolean
  verbose?: boolean
  follow?: boolean
  checkStatus?: boolean
  explain?: boolean
  download?: string
}

/** Adds one command per method. */
export function addRequests(program: Command): void {
  for (const method of METHODS) {
    const article = method === 'options' ? 'an' : 'a'
    const command = addCommand(
      program,
      `${method} <url> [item...]`,
      `send ${article} ${method.toUpperCase()} request`,
    )
    withAuthOptions(withClientOptions(command))
      .option('--form', 'send the fields as a form instead of JSON')
      .option('--multipart', 'send them as a form of parts, as files are')
      .option('--headers', 'print the status line and the headers as well')
      .option('--body', 'print the body alone, at a terminal too')
      .option('--verbose', 'show what goes over the wire, secrets left out, on stderr')
      .option('--follow', 'follow redirects')
      .addOption(explainOption())
      .option('--check-status', 'fail for a redirect that is not followed as well')
      .option('--download <file>', 'write the body to this file, and go on where it stopped')
      .addHelpText('after', ITEMS_HELP)
      .action(async (url: string, items: string[], flags: RequestFlags) =>
        perform(flags, async ({ output, data }) => {
          const target = completeUrl(url)
          const options = {
            ...(await requestContent(parseRequestItems(items), flags)),
            method: method.toUpperCase(),
            redirect: flags.follow === true ? ('follow' as const) : ('manual' as const),
          }
          const auth = await requestAuth(flags)
          await using kept = await openSession(flags, data, target, { auth })
          using watched = new DisposableStack()
          if (flags.verbose === true) watched.use(showWire(writeNote))
          const response =
            flags.download === undefined
              ? await kept.session.request(target, options)
              : await saveBody(output, kept.session, target, options, flags)
          await kept.save()
          if (response !== undefined) await printResponse(output, response, flags)
        }),
      )
  }
}

/** @returns the answer where it is none to be saved, and is to be printed instead */
async function saveBody(
  output: Output,
  session: Session,
  url: string,
  options: RequestOptions & { method: string },
  flags: RequestFlags,
): Promise<ClientResponse | undefined> {
  const file = path.resolve(flags.download ?? '')
  const line = progressLine()
  const pace = new Pace()
  let first: number | undefined
  try {
    const { response, bytes, resumedAt } = await download(
      file,
      url,
      async (headers) =>
        session.request(url, {
          ...options,
          headers: overlaid(options.headers, headers),
          // However long it takes, as long as something comes.
          timeoutMs: flags.timeout ?? 0,
          idleTimeoutMs: 30_000,
          maxBodyBytes: Number.POSITIVE_INFINITY,
        }),
      ({ have, total }) => {
        first ??= have
        const start = first
        line.show(() => downloadText(flags.download ?? '', have, have - start, total, pace))
      },
    )
    line.clear()
    if (bytes === undefined) return response
    if (output.json) {
      const { status, ok } = response
      const headers = Object.fromEntries(response.headers)
      output.result({ ok, url: response.url, status, headers, file, bytes, resumedAt }, '')
    } else {
      const resumed = resumedAt === 0 ? '' : `, ${resumedAt} of them from before`
      output.note(`${flags.download}: ${bytes} bytes${resumed}`)
    }
    return undefined
  } catch (error) {
    line.clear()
    if (first !== undefined) {
      output.note(`what has come in is kept in ${partOf(flags.download ?? '')}`)
    }
    throw error
  }
}

function downloadText(
  name: string,
  have: number,
  come: number,
  total: number | undefined,
  pace: Pace,
): string {
  const share = total === undefined || total === 0 ? '' : `${Math.floor((have / total) * 100)}% `
  const whole = total === undefined ? '' : ` of ${bytesText(total)}`
  const left = pace.left(come, total === undefined ? undefined : total - have + come)
  const rate = `${bytesText(Math.round(pace.perSecond(come)))}/s`
  return `${name}  ${share}${bytesText(have)}${whole}  ${rate}${left === '' ? '' : `  ${left} left`}`
}

/** Headers of the call, and over them those of the download. */
function overlaid(
  headers: RequestOptions['headers'],
  over: Readonly<Record<string, string>>,
): [string, string | undefined][] {
  const given: Iterable<readonly [string, string | number | undefined]> =
    headers === undefined
      ? []
      : headers instanceof Headers || isPairs(headers)
        ? headers
        : Object.entries(headers)
  const own = [...given].filter(([name]) => over[name.toLowerCase()] === undefined)
  return [
    ...own.map(([name, value]): [string, string | undefined] => [
      name,
      value === undefined ? undefined : String(value),
    ]),
    ...Object.entries(over),
  ]
}

function isPairs(
  headers: HeadersInput,
): headers is readonly (readonly [string, string | undefined])[] {
  return Array.isArray(headers)
}

async function printResponse(
  output: Output,
  response: ClientResponse,
  flags: RequestFlags,
): Promise<void> {
  const { status, statusText } = response
  await response.load()
  const body = await response.bytes()
  const more = refusalCommand(response, flags)
  if (output.json) {
    output.result(
      {
        ok: response.ok,
        url: response.url,
        status,
        headers: Object.fromEntries(response.headers),
        body: readBody(response, body),
        elapsedMs: response.elapsedMs,
        ...(more === undefined ? {} : { more }),
      },
      '',
    )
  } else printText(response, body, flags)
  if (response.ok || (status >= 300 && status < 400 && flags.checkStatus !== true)) return
  const refused = status === 401 || status === 403
  if (!output.json) output.note(`HTTP ${status}${statusText === '' ? '' : ` ${statusText}`}`)
  if (!output.json && more !== undefined) output.note(`more:  ${more}`)
  process.exitCode = refused ? EXIT.refused : EXIT.failed
}

/** Says more of a server of ours that takes the connection, and refuses our certificate in its answer. */
function refusalCommand(response: ClientResponse, flags: RequestFlags): string | undefined {
  try {
    response.raiseForStatus()
    return undefined
  } catch (error) {
    return explainCommand(error, flags)
  }
}

function printText(response: ClientResponse, body: Uint8Array, flags: RequestFlags): void {
  const atTerminal = process.stdout.isTTY
  const withHead =
    flags.headers === true ||
    (flags.body !== true && (response.method === 'HEAD' || (atTerminal && flags.verbose !== true)))
  // What a terminal shows is escaped; what a pipe carries is what came in.
  if (withHead) writeOut(headText(response, atTerminal))
  writeOut(atTerminal ? bodyText(response, body, true) : body)
}

/** The body as a JSON value: parsed where it is JSON, a text where it is one, else base64. */
function readBody(response: ClientResponse, body: Uint8Array): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return { base64: Buffer.from(body).toString('base64') }
  }
  if (!isJson(response) || text === '') return text
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProgramError(
      'request-failed',
      `the answer says it is JSON and is not: ${errorMessage(error)}`,
      { cause: error },
    )
  }
}

function writeNote(text: string): void {
  process.stderr.write(text)
}

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options']

const ITEMS_HELP = `
Items: name=value and name:=json (body), Header:value, name==query,
field@file (multipart form); with @ behind the separator from a file.`
