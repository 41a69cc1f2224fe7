/**
 * A folder of files as a handler.
 *
 * Not here: which file a path leads to (`folder-path.ts`), and which bytes of it are sent (`folder-answer.ts`).
 *
 * @module
 */
import { realpathSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { checkOptions, errorMessage, problemDocument } from '@countersign/core'
import { ServerError } from './errors.ts'
import { answerFile, type ByteRange, type HeaderReader } from './folder-answer.ts'
import { findFile, type Found } from './folder-path.ts'
import { nodeListener, type ShorterWay } from './handler.ts'

/** How a folder is served. */
export interface FolderOptions {
  /** What a folder answers with. @defaultValue 'index.html' */
  index?: string | undefined
  /** The path under which it is mounted, without a slash at its end: `/console`. @defaultValue '' */
  prefix?: string | undefined
  /** @defaultValue 'no-cache': kept, but asked about every time (answered with 304) */
  cacheControl?: string | undefined
  /** Sent with every answer. @defaultValue none beside `X-Content-Type-Options: nosniff` */
  headers?: Readonly<Record<string, string>> | undefined
}

/** What {@link serveFolder} answers with. */
export type FolderHandler = ((request: Request) => Promise<Response>) & ShorterWay

/**
 * Serves the files of a folder: GET and HEAD, types, ETags, single ranges. Nothing outside the folder, no file or folder
 * whose name begins with a dot, no listings.
 *
 * @param folder - looked at now; a path of a URL is looked up at every request
 * @returns a handler for `serve`, and for any application that calls `(request) => Promise<Response>`
 * @throws {@link ServerError} `folder-missing`, `not-a-folder`; CoreError `option-unknown`
 */
export function serveFolder(folder: string, options: FolderOptions = {}): FolderHandler {
  checkOptions(options, ['index', 'prefix', 'cacheControl', 'headers'], 'serveFolder')
  const settings: FolderSettings = {
    root: rootOf(folder),
    index: options.index ?? 'index.html',
    prefix: options.prefix ?? '',
    headers: {
      'x-content-type-options': 'nosniff',
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

interface FolderSettings {
  readonly root: string
  readonly index: string
  readonly prefix: string
  readonly headers: Readonly<Record<string, string>>
}

/** An answer before it is written to one kind of response or the other. */
interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string | { readonly handle: FileHandle; readonly bytes: ByteRange } | undefined
}

async function fetchFile(settings: FolderSettings, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url)
  const header: HeaderReader = (name) => request.headers.get(name) ?? undefined
  const { status, headers, body } = await answer(settings, request.method, pathname, search, header)
  if (body === undefined || typeof body === 'string') {
    return new Response(body ?? null, { status, headers })
  }
  if (request.method === 'HEAD') {
    await body.handle.close()
    return new Response(null, { status, headers })
  }
  const stream = body.handle.createReadStream({ ...body.bytes })
  return new Response(Readable.toWeb(stream), { status, headers })
}

async function sendFile(
  settings: FolderSettings,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method = 'GET', url = '/' } = incoming
  const query = url.indexOf('?')
  const pathname = query < 0 ? url : url.slice(0, query)
  const header: HeaderReader = (name) => {
    const value = incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
  const { status, headers, body } = await answer(
    settings,
    method,
    pathname,
    query < 0 ? '' : url.slice(query),
    header,
  )
  outgoing.writeHead(status, headers)
  if (body === undefined || typeof body === 'string') {
    outgoing.end(body)
    return
  }
  if (method === 'HEAD') {
    await body.handle.close()
    outgoing.end()
    return
  }
  try {
    await pipeline(body.handle.createReadStream({ ...body.bytes }), outgoing)
  } catch (error) {
    // The client went away: the file is closed by the stream, and there is nobody left to answer.
    if (!outgoing.destroyed) throw error
  }
}

async function answer(
  settings: FolderSettings,
  method: string,
  pathname: string,
  search: string,
  header: HeaderReader,
): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') {
    return problem(settings, 405, 'method-not-allowed', 'files can be read only', {
      allow: 'GET, HEAD',
    })
  }
  const found = await findUnder(settings, pathname)
  if (found === undefined) return notFound(settings, header)
  if (found.kind === 'folder') {
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
  const { handle, file, stats } = found
  const { status, headers, bytes } = answerFile(file, stats, header)
  if (bytes === undefined) await handle.close()
  return {
    status,
    headers: { ...headers, ...settings.headers },
    body: bytes === undefined ? undefined : { handle, bytes },
  }
}

async function findUnder(
  { root, index, prefix }: FolderSettings,
  pathname: string,
): Promise<Found | undefined> {
  if (prefix !== '' && pathname === prefix) return { kind: 'folder' }
  if (!pathname.startsWith(`${prefix}/`)) return undefined
  return findFile(root, pathname.slice(prefix.length), index)
}

function notFound(settings: FolderSettings, header: HeaderReader): Answer {
  if (header('accept')?.includes('text/html') !== true) {
    return problem(settings, 404, 'not-found', 'there is nothing at this address')
  }
  return {
    status: 404,
    headers: {
      ...settings.headers,
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(NOT_FOUND_PAGE)),
      'cache-control': 'no-store',
    },
    body: NOT_FOUND_PAGE,
  }
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
  let root: string
  try {
    root = realpathSync(folder)
  } catch (error) {
    throw new ServerError('folder-missing', `cannot serve ${folder}: ${errorMessage(error)}`, {
      path: folder,
      cause: error,
      hint: 'make the folder, or name another',
    })
  }
  if (!statSync(root).isDirectory()) {
    throw new ServerError('not-a-folder', `${folder} is no folder`, {
      path: folder,
      hint: 'name the folder that holds the file',
    })
  }
  return root
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
