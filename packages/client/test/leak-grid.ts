/**
 * A grid that shows what a client takes along when it is redirected: eight credentials, six kinds of redirect, and servers that
 * write down what arrives. Used by a test with this client, and by `bench/leaks.ts` with others.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { testAuthority } from '@countersign/testkit'
import { createDefaultContext } from '@countersign/tls'

/** What is sent to the first server, and must not reach another. */
export const CREDENTIALS = [
  'authorization header',
  'cookie',
  'x-api-key',
  'proxy-authorization',
  'client certificate',
  'basic of the session',
  'private-token',
  'form body',
] as const

/** Where the first server sends the client. */
export const REDIRECTS = [
  'same origin',
  'other port',
  'other host',
  'https to http',
  'http to https',
  '307 with body',
  '308 with body',
] as const

export type Credential = (typeof CREDENTIALS)[number]
export type Redirect = (typeof REDIRECTS)[number]

/** `kept`: it arrived, at its own origin. `leaked`: it arrived at another. `refused`: the client did not go there. */
export type Fate = 'kept' | 'dropped' | 'leaked' | 'refused'

/** One call as a client is to make it. */
export interface GridCall {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  /** `application/x-www-form-urlencoded` */
  readonly form: string | undefined
  readonly basic: { readonly username: string; readonly password: string } | undefined
  readonly ca: string
  readonly identity: { readonly cert: string; readonly key: string } | undefined
}

/** Makes a call and follows its redirects; a rejection counts as `refused` where nothing arrived. */
export type GridClient = (call: GridCall) => Promise<unknown>

/** The servers of the grid. */
export interface Grid extends AsyncDisposable {
  /** What becomes of a credential. */
  fate(client: GridClient, credential: Credential, redirect: Redirect): Promise<Fate>
}

/** Starts the servers. */
export async function startGrid(): Promise<Grid> {
  const authority = testAuthority()
  const leaf = authority.issue({ names: ['localhost', '127.0.0.1'] })
  const user = authority.issue({ names: ['holder-of-the-secret'], client: true })
  const context = createDefaultContext({
    purpose: 'client-auth',
    cert: leaf.chainPem,
    key: leaf.keyPem,
    ca: authority.rootPem,
    clientCertificates: 'ask',
  })
  let next: { status: number; location: string } | undefined
  let landed: string | undefined
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => {
      if (request.url === '/start') {
        response.writeHead(next?.status ?? 500, { location: next?.location ?? '/' }).end()
        return
      }
      const body = Buffer.concat(chunks).toString()
      landed = JSON.stringify([request.headers, body, clientOf(request)])
      response.end('landed')
    })
  }
  const home = createSecureServer(context.nodeServerOptions(), answer)
  const other = createSecureServer(context.nodeServerOptions(), answer)
  const plain = createServer(answer)
  const [homePort, otherPort, plainPort] = await Promise.all([home, other, plain].map(listen))
  const places: Record<Redirect, { from: string; to: string; status: number }> = {
    'same origin': at(`https://localhost:${homePort}`, `https://localhost:${homePort}`, 302),
    'other port': at(`https://localhost:${homePort}`, `https://localhost:${otherPort}`, 302),
    'other host': at(`https://localhost:${homePort}`, `https://127.0.0.1:${homePort}`, 302),
    'https to http': at(`https://localhost:${homePort}`, `http://localhost:${plainPort}`, 302),
    'http to https': at(`http://localhost:${plainPort}`, `https://localhost:${homePort}`, 302),
    '307 with body': at(`https://localhost:${homePort}`, `https://127.0.0.1:${otherPort}`, 307),
    '308 with body': at(`https://localhost:${homePort}`, `https://127.0.0.1:${otherPort}`, 308),
  }
  return {
    async fate(client, credential, redirect) {
      const { from, to, status } = places[redirect]
      next = { status, location: `${to}/landed` }
      landed = undefined
      const withBody = credential === 'form body' || status !== 302
      const call: GridCall = {
        url: `${from}/start`,
        method: withBody ? 'POST' : 'GET',
        headers: headersOf(credential),
        form: withBody ? (credential === 'form body' ? 'password=secret' : 'plain=1') : undefined,
        basic: credential === 'basic of the session' ? BASIC : undefined,
        ca: authority.rootPem,
        identity:
          credential === 'client certificate'
            ? { cert: user.chainPem, key: user.keyPem }
            : undefined,
      }
      await client(call).catch(() => {})
      if (landed === undefined) return 'refused'
      if (!SECRETS.some((secret) => landed?.includes(secret))) return 'dropped'
      return redirect === 'same origin' ? 'kept' : 'leaked'
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([home, other, plain].map(stop))
    },
  }
}

/** The grid as a table in Markdown, one line for each credential. */
export function gridTable(fates: ReadonlyMap<Credential, ReadonlyMap<Redirect, Fate>>): string {
  const lines = [...fates].map(
    ([credential, row]) =>
      `| ${credential} | ${REDIRECTS.map((redirect) => row.get(redirect) ?? '').join(' | ')} |`,
  )
  return [
    `| | ${REDIRECTS.join(' | ')} |`,
    `| --- |${' --- |'.repeat(REDIRECTS.length)}`,
    ...lines,
  ].join('\n')
}

/** Walks the whole grid with one client. */
export async function walk(
  grid: Grid,
  client: GridClient,
): Promise<Map<Credential, Map<Redirect, Fate>>> {
  const fates = new Map<Credential, Map<Redirect, Fate>>()
  for (const credential of CREDENTIALS) {
    const row = new Map<Redirect, Fate>()
    for (const redirect of REDIRECTS)
      row.set(redirect, await grid.fate(client, credential, redirect))
    fates.set(credential, row)
  }
  return fates
}

function headersOf(credential: Credential): Record<string, string> {
  const header = HEADERS.get(credential)
  return header === undefined ? {} : { [header[0]]: header[1] }
}

function at(
  from: string,
  to: string,
  status: number,
): { from: string; to: string; status: number } {
  return { from, to, status }
}

async function listen(server: Server): Promise<number> {
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => {
    server.close(resolve)
  })
}

function clientOf({ socket }: IncomingMessage): string | undefined {
  if (!isTls(socket)) return undefined
  const { subject } = socket.getPeerCertificate()
  const name = subject?.CN
  return typeof name === 'string' ? name : undefined
}

function isTls(socket: IncomingMessage['socket']): socket is TLSSocket {
  return 'getPeerCertificate' in socket
}

const BASIC = { username: 'ada', password: 'secret' }

/** How each credential looks when it arrives. */
const SECRETS = ['secret', Buffer.from('ada:secret').toString('base64')]

const HEADERS = new Map<Credential, readonly [string, string]>([
  ['authorization header', ['authorization', 'Bearer secret']],
  ['cookie', ['cookie', 'sid=secret']],
  ['x-api-key', ['x-api-key', 'secret']],
  ['proxy-authorization', ['proxy-authorization', 'Basic secret']],
  ['private-token', ['private-token', 'secret']],
])
