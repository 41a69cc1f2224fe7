/**
 * A folder of files as a handler.
 *
 * Not here: which file a path leads to (`folder-path.ts`), what is answered for it (`folder-answer.ts`), how it is coded
 * (`content-coding.ts`), and the page of a listing (`folder-listing.ts`).
 *
 * @module
 */
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { checkOptions, errorCode, errorMessage, problemDocument } from '@countersign/core'
import { peerOf } from './connection.ts'
import { acceptedCodings, type Coded, codingFor, isCompressible } from './content-coding.ts'
import { contentType } from './content-type.ts'
import { ServerError } from './errors.ts'
import { answerFile, type FileBody } from './folder-answer.ts'
import { readShort, streamBody } from './folder-body.ts'
import { listingPage } from './folder-listing.ts'
import { findFile, type Found, type FolderRoot, type FoundFile } from './folder-path.ts'
import { nodeListener, type ShorterWay } from './handler.ts'
import type { HeaderReader } from './preconditions.ts'

/** How a folder is served. */
export interface FolderOptions {
  /** What a folder answers with. @defaultValue 'index.html' */
  index?: string | undefined
  /** The path under which it is mounted, without a slash at its end: `/console`. @defaultValue '' */
  prefix?: string | undefined
  /** @defaultValue 'no-cache': kept, but asked about every time (answered with 304) */
  cacheControl?: string | undefined
  /** Sent with every answer; one of a name that is sent anyway takes its place. @defaultValue none */
  headers?: Readonly<Record<string, string>> | undefined
  /** List the files of a folder without index. @defaultValue false */
  listing?: boolean | undefined
  /** Serve names that begin with a dot. @defaultValue false: of them `.well-known` alone */
  hidden?: boolean | undefined
  /**
   * Tell browsers to come by HTTPS alone, for so many seconds; sent over HTTPS, and never for `localhost` or an address, where it would
   * bind everything else on the machine. @defaultValue true: 63072000, two years
   */
  hsts?: boolean | number | undefined
  /** Send text coded: `.br`, `.zst` and `.gz` beside a file as they are, others coded on the way. @defaultValue true */
  compress?: boolean | undefined
}

/** What {@link serveFolder} answers with. */
export type FolderHandler = ((request: Request) => Promise<Response>) & ShorterWay

/**
 * Serves the files of a folder: GET and HEAD, types, ETags, ranges, codings. Nothing outside the folder, no file or folder whose name
 * begins with a dot, no listings unless they are asked for.
 *
 * @param folder - looked at now; a path of a URL is looked up at every request
 * @returns a handler for `serve`, and for any application that calls `(request) => Promise<Response>`
 * @throws {@link ServerError} `folder-missing`, `not-a-folder`, `option-invalid`; CoreError `option-unknown`
 */
export function serveFolder(folder: string, options: FolderOptions = {}): FolderHandler {
  checkOptions(options, FOLDER_OPTIONS, 'serveFolder')
  const { hsts = true } = options
  if (typeof hsts === 'number' && !(Number.isInteger(hsts) && hsts >= 0)) {
    throw new ServerError('option-invalid', 'hsts must be a whole number of seconds', {
      option: 'hsts',
    })
  }
  const settings: FolderSettings = {
    root: rootOf(folder),
    hidden: options.hidden ?? false,
    index: options.index ?? 'index.html',
    prefix: options.prefix ?? '',
    listing: options.listing ?? false,
    compress: options.compress ?? true,
    hsts: hsts === false ? undefined : `max-age=${hsts === true ? HSTS_SECONDS : hsts}`,
    headers: {
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'strict-origin-when-cross-origin',
      'cache-control': options.cacheControl ?? 'no-cache',
      ...options.headers,
    },
  }
  return Object.assign(async (request: Request) => fetchFile(settings, request), {
    nodeListener: nodeListener(async (incoming, outgoing) => {
      await sendFile(settings, incoming, outgoing)
    }),
  })
}

interface FolderSettings extends FolderRoot {
  readonly index: string
  readonly prefix: string
  readonly listing: boolean
  readonly compress: boolean
  readonly hsts: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** What is asked, of whichever kind the request is. */
interface Question {
  readonly method: string
  readonly pathname: string
  readonly search: string
  readonly header: HeaderReader
}

/** An answer before it is written to one kind of response or the other. */
interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string | { readonly handle: FileHandle; readonly what: FileBody } | undefined
}

async function fetchFile(settings: FolderSettings, request: Request): Promise<Response> {
  const { pathname, search, protocol, host } = new URL(request.url)
  const header: HeaderReader = (name) => request.headers.get(name) ?? undefined
  const question = { method: request.method, pathname, search, header }
  const { status, headers, body } = await answer(settings, question)
  addHsts(settings, headers, protocol === 'https:' ? host : undefined)
  if (body === undefined || typeof body === 'string') {
    return new Response(body ?? null, { status, headers })
  }
  if (request.method === 'HEAD') {
    await body.handle.close()
    return new Response(null, { status, headers })
  }
  const stream = streamBody(body.handle, body.what)
  return new Response(Readable.toWeb(stream), { status, headers })
}

async function sendFile(
  settings: FolderSettings,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method = 'GET', url = '/' } = incoming
  const query = url.indexOf('?')
  const header: HeaderReader = (name) => {
    const value = incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
  const { status, headers, body } = await answer(settings, {
    method,
    pathname: query < 0 ? url : url.slice(0, query),
    search: query < 0 ? '' : url.slice(query),
    header,
  })
  addHsts(settings, headers, peerOf(incoming)?.encrypted === true ? header('host') : undefined)
  if (body === undefined || typeof body === 'string') {
    outgoing.writeHead(status, headers)
    outgoing.end(body)
    return
  }
  if (method === 'HEAD') {
    outgoing.writeHead(status, headers)
    await body.handle.close()
    outgoing.end()
    return
  }
  // Before the head: a file that cannot be read becomes a 500.
  const short = await readShort(body.handle, body.what)
  outgoing.writeHead(status, headers)
  if (short !== undefined) {
    outgoing.end(short)
    return
  }
  try {
    await pipeline(streamBody(body.handle, body.what), outgoing)
  } catch (error) {
    // The client went away: the file is closed by the stream, and there is nobody left to answer.
    if (!outgoing.destroyed) throw error
  }
}

async function answer(settings: FolderSettings, question: Question): Promise<Answer> {
  const { method, pathname, search, header } = question
  if (method !== 'GET' && method !== 'HEAD') {
    return problem(settings, 405, 'method-not-allowed', 'files can be read only', {
      allow: 'GET, HEAD',
    })
  }
  const found = await findUnder(settings, pathname)
  if (found === undefined) return notFound(settings, header)
  if (found.kind === 'file') return await answerFound(settings, found, question)
  if (found.slashMissing) {
    // An empty segment never gets here, so this cannot become `//host`.
    return {
      status: 308,
      headers: {
        ...settings.headers,
        location: `${pathname}/${search}`,
        'content-length': '0',
      },
      body: undefined,
    }
  }
  if (!settings.listing) return notFound(settings, header)
  return page(settings, 200, await listingPage(settings, found.folder))
}

async function answerFound(
  settings: FolderSettings,
  found: FoundFile,
  { method, header }: Question,
): Promise<Answer> {
  const { file, handle, stats } = found
  const type = contentType(file)
  const varies = settings.compress && isCompressible(type)
  let coded: Coded | undefined
  try {
    // A part of what is coded on the way would be of another coding the next time.
    if (varies && header('range') === undefined) {
      coded = await codingFor(settings, found, acceptedCodings(header('accept-encoding')))
    }
  } catch (error) {
    await handle.close()
    throw error
  }
  const answered = answerFile({ method, header, type, stats, coded, varies, now: Date.now() })
  const { status, headers, body } = answered
  const sent = coded?.file?.handle ?? handle
  if (sent !== handle || body === undefined) await handle.close()
  if (sent !== handle && body === undefined) await sent.close()
  return {
    status,
    headers: { ...headers, ...settings.headers },
    body: body === undefined ? undefined : { handle: sent, what: body },
  }
}

async function findUnder(settings: FolderSettings, pathname: string): Promise<Found | undefined> {
  const { prefix, index } = settings
  if (prefix !== '' && pathname === prefix) {
    return { kind: 'folder', folder: settings.root, slashMissing: true }
  }
  if (!pathname.startsWith(`${prefix}/`)) return undefined
  return findFile(settings, pathname.slice(prefix.length), index)
}

/** @param host - as the client wrote it; `undefined` over plain HTTP, where it counts for nothing (RFC 6797 §7.2) */
function addHsts(
  { hsts }: FolderSettings,
  headers: Record<string, string>,
  host: string | undefined,
): void {
  if (hsts === undefined || host === undefined || LOCAL_HOST.test(host)) return
  headers['strict-transport-security'] ??= hsts
}

function page(settings: FolderSettings, status: number, html: string): Answer {
  return {
    status,
    headers: {
      ...settings.headers,
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(html)),
      'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
    },
    body: html,
  }
}

function notFound(settings: FolderSettings, header: HeaderReader): Answer {
  if (header('accept')?.includes('text/html') !== true) {
    return problem(settings, 404, 'not-found', 'there is nothing at this address')
  }
  return page(settings, 404, NOT_FOUND_PAGE)
}

function problem(
  settings: FolderSettings,
  status: number,
  code: string,
  detail: string,
  headers: Record<string, string> = {},
): Answer {
  const body = JSON.stringify(problemDocument({ status, code, detail }))
  return {
    status,
    headers: {
      ...settings.headers,
      ...headers,
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
    },
    body,
  }
}

function rootOf(folder: string): string {
  try {
    const root = realpathSync(folder)
    if (statSync(root).isDirectory()) {
      // Files can be served of one that cannot be listed.
      accessSync(root, constants.X_OK)
      return root
    }
  } catch (error) {
    throw folderFault(folder, error)
  }
  throw new ServerError('not-a-folder', `${folder} is no folder`, {
    path: folder,
    hint: 'name the folder that holds the file',
  })
}

function folderFault(folder: string, error: unknown): ServerError {
  const code = errorCode(error)
  const fault =
    code === 'ENOENT'
      ? `there is no folder ${folder}`
      : code === 'EACCES'
        ? `this user may not enter ${folder}`
        : `cannot serve ${folder}: ${errorMessage(error)}`
  return new ServerError('folder-missing', fault, {
    path: folder,
    cause: error,
    hint:
      code === 'EACCES'
        ? 'give it the right to read and to enter folder and files, or name another'
        : 'make the folder, or name another',
  })
}

/** Nothing of the request is repeated in it. */
const NOT_FOUND_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not found</title>
<h1>Not found</h1>
<p>There is nothing at this address.</p>
</html>
`

const FOLDER_OPTIONS: readonly (keyof FolderOptions)[] = [
  'index',
  'prefix',
  'cacheControl',
  'headers',
  'listing',
  'hidden',
  'hsts',
  'compress',
]

/** Two years, as Mozilla's guidelines have it. */
const HSTS_SECONDS = 63_072_000

/** `localhost`, whatever is below, and addresses. */
const LOCAL_HOST = /^(?:(?:[^:]*\.)?localhost\.?|[\d.]+|\[.*\])(?::\d+)?$/i
