/**
 * `countersign get` and its sisters: one call, its answer on stdout.
 *
 * @module
 */
import path from 'node:path'
import { writeFileAtomic } from '@countersign/core'
import type { ClientResponse, RequestOptions } from '@countersign/client'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions } from '../client-options.ts'
import { completeUrl, openSession } from '../client-session.ts'
import { addCommand, perform, type SharedFlags } from '../command.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { type Output, writeOut } from '../output.ts'
import { explainFailure } from './explain.ts'
import { parseRequestItems, type RequestItems } from '../request-items.ts'

interface RequestFlags extends SharedFlags, ClientFlags {
  form?: boolean
  headers?: boolean
  follow?: boolean
  download?: string
  explain?: boolean
}

/** Adds one command per method. */
export function addRequests(program: Command): void {
  for (const method of METHODS) {
    withClientOptions(
      addCommand(
        program,
        `${method} <url> [item...]`,
        `send ${method === 'options' ? 'an' : 'a'} ${method.toUpperCase()} request`,
      ),
    )
      .option('--form', 'send the fields as a form instead of JSON')
      .option('--headers', 'print the status line and the headers as well')
      .option('--follow', 'follow redirects')
      .option('--download <file>', 'write the body to this file')
      .option('--explain', 'where the server is not trusted, say all there is to say about it')
      .addHelpText('after', ITEMS_HELP)
      .action(async (url: string, items: string[], flags: RequestFlags) =>
        perform(flags, async ({ output, data }) => {
          const target = completeUrl(url)
          const options = await requestOptions(parseRequestItems(items), flags)
          await using kept = await openSession(flags, data, target)
          const call = { ...options, method: method.toUpperCase() }
          const response = await kept.session
            .request(target, call)
            .catch(async (error: unknown) => {
              if (flags.explain === true && !output.json) await explainFailure(error, flags, data)
              throw error
            })
          await kept.save()
          await printResponse(output, response, flags)
        }),
      )
  }
}

async function requestOptions(items: RequestItems, flags: RequestFlags): Promise<RequestOptions> {
  const options: RequestOptions = {
    headers: items.headers,
    params: items.query,
    redirect: flags.follow === true ? 'follow' : 'manual',
  }
  if (items.files.length > 0) {
    const form = new FormData()
    for (const [name, value] of items.fields) form.append(name, formValue(value))
    for (const { field, name, data } of items.files) form.append(field, new File([data], name))
    // The platform's own encoder of multipart/form-data; it makes up the boundary.
    const encoded = new Response(form)
    const type = encoded.headers.get('content-type') ?? ''
    return {
      ...options,
      headers: [...items.headers, ['content-type', type]],
      body: await encoded.bytes(),
    }
  }
  if (items.fields.size === 0) return options
  if (flags.form !== true) return { ...options, json: Object.fromEntries(items.fields) }
  return {
    ...options,
    form: [...items.fields].map(([name, value]) => [name, formValue(value)] as const),
  }
}

function formValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

async function printResponse(
  output: Output,
  response: ClientResponse,
  flags: RequestFlags,
): Promise<void> {
  const { status, statusText } = response
  const body = await response.bytes()
  if (flags.download !== undefined) {
    await writeFileAtomic(path.resolve(flags.download), body, { mode: 0o644 })
    output.note(`${flags.download}: ${body.length} bytes`)
  }
  if (output.json) {
    output.result(
      {
        ok: response.ok,
        url: response.url,
        status,
        headers: Object.fromEntries(response.headers),
        body: flags.download === undefined ? readBody(response, body) : undefined,
        elapsedMs: response.elapsedMs,
      },
      '',
    )
  } else {
    if (flags.headers === true) writeOut(headText(response))
    if (flags.download === undefined) writeBody(body)
  }
  if (response.ok || (status >= 300 && status < 400)) return
  const refused = status === 401 || status === 403
  if (!output.json) output.note(`HTTP ${status}${statusText === '' ? '' : ` ${statusText}`}`)
  process.exitCode = refused ? EXIT.refused : EXIT.failed
}

function headText(response: ClientResponse): string {
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}\n`)
  return `HTTP/1.1 ${response.status} ${response.statusText}\n${lines.join('')}\n`
}

/** Bytes as they are; on a terminal with a line end, so that the prompt starts its own line. */
function writeBody(body: Uint8Array): void {
  writeOut(body)
  if (process.stdout.isTTY && body.length > 0 && body.at(-1) !== 0x0a) writeOut('\n')
}

/** The body as a JSON value: parsed where it is JSON, a text where it is one, else base64. */
function readBody(response: ClientResponse, body: Uint8Array): unknown {
  const type = response.headers.get('content-type') ?? ''
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    return { base64: Buffer.from(body).toString('base64') }
  }
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) return text
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProgramError('request-failed', 'the answer says it is JSON and is not', {
      cause: error,
    })
  }
}

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options']

const ITEMS_HELP = `
Items: name=value and name:=json (body), Header:value, name==query,
field@file (multipart form).`
