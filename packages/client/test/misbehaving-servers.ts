/**
 * Servers that break the rules, each with what a call to it ends in. `docs/reference/misbehaving-servers.md` is this table.
 *
 * A row's server is plain TCP that writes bytes when a request has come in, unless it says otherwise.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { type ClientResponse, get, type RequestOptions, Session } from '@countersign/client'

/** One server. */
export interface Misbehaviour {
  /** What it does, as the table has it. */
  readonly name: string
  /** The code of the error, or what is answered instead. */
  readonly outcome: string
  /** For a time-out: in what. */
  readonly phase?: string
  /** What it does when a request came in; with `onConnect` when somebody connects. */
  readonly serve: (socket: Socket, request: string) => void
  readonly onConnect?: true
  readonly options?: RequestOptions
  /** What the caller does; the outcome of a call that goes through is what this answers. */
  readonly call?: (url: string, options: RequestOptions) => Promise<string>
  /** The scheme of the URL. */
  readonly scheme?: 'https'
}

const OK = 'HTTP/1.1 200 OK\r\n'
const MIB = 1024 * 1024
/** For a whole call that is to be over in a later phase: its connection stands by then, however busy the machine is. */
const LONG_ENOUGH_MS = 2000

/** Writes an answer as it stands. */
function says(answer: string | Uint8Array, more?: 'end' | 'reset'): Misbehaviour['serve'] {
  return (socket) => {
    socket.write(answer, () => {
      if (more === 'end') socket.end()
      if (more === 'reset') socket.resetAndDestroy()
    })
  }
}

/** Writes the same piece for ever, as fast as it is taken or every so many milliseconds. */
function repeats(
  head: string,
  piece: string | Uint8Array,
  everyMs?: number,
): Misbehaviour['serve'] {
  return (socket) => {
    socket.write(head)
    if (everyMs !== undefined) {
      const timer = setInterval(() => socket.write(piece), everyMs)
      socket.on('close', () => clearInterval(timer))
      return
    }
    const fill = (): void => {
      while (!socket.destroyed && socket.write(piece));
      if (!socket.destroyed) socket.once('drain', fill)
    }
    fill()
  }
}

/** Answers by path: each request of a session its own. */
function byPath(answers: Readonly<Record<string, string>>): Misbehaviour['serve'] {
  return (socket, request) => {
    const [, path = ''] = request.split(' ')
    socket.write(answers[path] ?? `${OK}content-length: 4\r\n\r\nfine`)
  }
}

/** Two calls over one session, one after the other: does the first one spoil the second? */
async function twice(url: string, options: RequestOptions): Promise<string> {
  await using session = new Session()
  const first = await (await session.get(`${url}/first`, options)).text()
  const second = await (await session.get(`${url}/second`, options)).text()
  return `${first}, then ${second}`
}

async function withBody(
  read: (response: ClientResponse) => unknown,
  url: string,
  options: RequestOptions,
): Promise<string> {
  const response = await get(url, options)
  const text = await response.text()
  return `${text}; ${JSON.stringify(read(response))}`
}

const bomb = brotliCompressSync(Buffer.alloc(400_000_000), {
  params: { [constants.BROTLI_PARAM_QUALITY]: 3 },
})

function encoded(coding: string, body: Uint8Array): Uint8Array {
  const head = `${OK}content-encoding: ${coding}\r\ncontent-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** The whole table. */
export const MISBEHAVIOURS: readonly Misbehaviour[] = [
  // Before an answer
  {
    name: 'takes the connection and says nothing, over TLS',
    outcome: 'timeout',
    phase: 'connect',
    scheme: 'https',
    onConnect: true,
    serve: () => {},
    options: { connectTimeoutMs: 150 },
  },
  {
    name: 'closes when somebody connects',
    outcome: 'reset',
    onConnect: true,
    serve: (socket) => socket.end(),
  },
  { name: 'closes when a request came in', outcome: 'reset', serve: (socket) => socket.end() },
  {
    name: 'resets the connection when a request came in',
    outcome: 'reset',
    serve: (socket) => socket.resetAndDestroy(),
  },
  {
    name: 'closes in the middle of the status line',
    outcome: 'reset',
    serve: says('HTTP/1.1 20', 'end'),
  },
  {
    name: 'closes in the middle of the headers',
    outcome: 'reset',
    serve: says(`${OK}content-le`, 'end'),
  },
  {
    name: 'never answers',
    outcome: 'timeout',
    phase: 'response',
    serve: () => {},
    options: { headTimeoutMs: 150 },
  },
  {
    name: 'drips its headers, a byte at a time',
    outcome: 'timeout',
    phase: 'response',
    serve: repeats(`${OK}x: `, 'y', 10),
    options: { timeoutMs: LONG_ENOUGH_MS },
  },
  { name: 'speaks SSH', outcome: 'not-http', serve: says('SSH-2.0-OpenSSH_9.2\r\n', 'end') },
  { name: 'speaks HTTP/0.9', outcome: 'not-http', serve: says('<html>hello</html>', 'end') },
  {
    name: 'speaks HTTP/2 without being asked',
    outcome: 'not-http',
    serve: says(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0), 'end'),
  },
  {
    name: 'speaks plain HTTP where TLS was meant',
    outcome: 'not-tls',
    scheme: 'https',
    onConnect: true,
    serve: says('HTTP/1.1 400 Bad Request\r\n\r\n', 'end'),
  },
  { name: 'speaks HTTP/3.7', outcome: 'not-http', serve: says('HTTP/3.7 200 OK\r\n\r\n', 'end') },
  {
    name: 'answers with a status that is no number',
    outcome: 'not-http',
    serve: says('HTTP/1.1 OK\r\n\r\n', 'end'),
  },
  {
    name: 'sends a header without a colon',
    outcome: 'not-http',
    serve: says(`${OK}what\r\n\r\n`, 'end'),
  },
  {
    name: 'sends a header with a null byte',
    outcome: 'not-http',
    serve: says(`${OK}x: a\0b\r\n\r\n`, 'end'),
  },
  {
    name: 'folds a header over two lines',
    outcome: 'not-http',
    serve: says(`${OK}x: a\r\n b\r\ncontent-length: 4\r\n\r\nfine`),
  },
  {
    name: 'ends its lines with a line feed alone',
    outcome: 'not-http',
    serve: says('HTTP/1.1 200 OK\ncontent-length: 4\n\nfine'),
  },
  {
    name: 'sends a header of 1 MiB',
    outcome: 'head-too-large',
    serve: says(`${OK}x: ${'y'.repeat(MIB)}\r\n\r\n`),
  },
  {
    name: 'sends 100,000 headers',
    outcome: 'head-too-large',
    serve: says(`${OK}${'x: y\r\n'.repeat(100_000)}\r\n`),
  },
  {
    name: 'sets a cookie of 1 MiB',
    outcome: 'head-too-large',
    serve: says(`${OK}set-cookie: a=${'y'.repeat(MIB)}\r\n\r\n`),
  },
  {
    name: 'sends headers without end',
    outcome: 'head-too-large',
    serve: repeats(OK, 'x: y\r\n'.repeat(100)),
  },
  {
    name: 'sets a cookie of 20 KiB, which is not kept',
    outcome: 'fine, then fine',
    serve: byPath({
      '/first': `${OK}set-cookie: a=${'y'.repeat(20_000)}\r\ncontent-length: 4\r\n\r\nfine`,
    }),
    call: twice,
  },
  {
    name: 'sends 100 Continue without end',
    outcome: 'not-http',
    serve: repeats('', 'HTTP/1.1 100 Continue\r\n\r\n', 5),
  },
  {
    name: 'sends 102 Processing without end',
    outcome: 'answer-missing',
    serve: repeats('', 'HTTP/1.1 102 Processing\r\n\r\n'),
  },
  {
    name: 'switches protocols without being asked',
    outcome: 'not-http',
    serve: says('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  },
  {
    name: 'sends early hints first',
    outcome: 'fine; ["</a.css>; rel=preload"]',
    serve: says(
      `HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n${OK}content-length: 4\r\n\r\nfine`,
    ),
    call: (url, options) => withBody(({ earlyHints }) => earlyHints, url, options),
  },
  // The body
  {
    name: 'drips its body, a byte at a time',
    outcome: 'timeout',
    phase: 'body',
    serve: repeats(`${OK}content-length: 1000000\r\n\r\n`, 'x', 10),
    options: { timeoutMs: LONG_ENOUGH_MS, idleTimeoutMs: 15_000 },
  },
  {
    name: 'stops in the middle of its body',
    outcome: 'timeout',
    phase: 'idle',
    serve: says(`${OK}content-length: 10\r\n\r\nhalf`),
    options: { idleTimeoutMs: 150 },
  },
  {
    name: 'takes too long for its body',
    outcome: 'timeout',
    phase: 'body',
    serve: repeats(`${OK}content-length: 1000000\r\n\r\n`, 'x', 10),
    options: { bodyTimeoutMs: 300 },
  },
  {
    name: 'closes before the announced length',
    outcome: 'body-truncated',
    serve: says(`${OK}content-length: 10\r\n\r\nhalf`, 'end'),
  },
  {
    name: 'resets the connection inside the body',
    outcome: 'body-truncated',
    serve: says(`${OK}content-length: 10\r\n\r\nhalf`, 'reset'),
  },
  {
    name: 'sends more than the announced length',
    outcome: 'fine, then fine',
    serve: byPath({ '/first': `${OK}content-length: 4\r\n\r\nfine and what nobody asked for` }),
    call: twice,
  },
  {
    name: 'sends a second answer that nobody asked for',
    outcome: 'fine, then fine',
    serve: byPath({
      '/first': `${OK}content-length: 4\r\n\r\nfine${OK}content-length: 4\r\n\r\nevil`,
    }),
    call: twice,
  },
  {
    name: 'announces two different lengths',
    outcome: 'not-http',
    serve: says(`${OK}content-length: 4\r\ncontent-length: 5\r\n\r\nfine`),
  },
  {
    name: 'announces a length below zero',
    outcome: 'not-http',
    serve: says(`${OK}content-length: -4\r\n\r\nfine`),
  },
  {
    name: 'announces both a length and chunks',
    outcome: 'not-http',
    serve: says(
      `${OK}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n`,
    ),
  },
  {
    name: 'sends chunks that are none',
    outcome: 'body-malformed',
    serve: says(`${OK}transfer-encoding: chunked\r\n\r\nzz\r\nfine\r\n`),
  },
  {
    name: 'sends a chunk of 2^68 bytes',
    outcome: 'body-malformed',
    serve: says(`${OK}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nfine`),
  },
  {
    name: 'closes inside a chunk',
    outcome: 'body-truncated',
    serve: says(`${OK}transfer-encoding: chunked\r\n\r\n10\r\nfine`, 'end'),
  },
  {
    name: 'sends a chunk extension without end',
    outcome: 'timeout',
    phase: 'body',
    serve: repeats(`${OK}transfer-encoding: chunked\r\n\r\n4;x=`, 'y'.repeat(16), 10),
    options: { timeoutMs: LONG_ENOUGH_MS },
  },
  {
    name: 'sends trailers',
    outcome: 'fine; "yes"',
    serve: says(`${OK}transfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nx-checked: yes\r\n\r\n`),
    call: (url, options) => withBody(({ trailers }) => trailers.get('x-checked'), url, options),
  },
  {
    name: 'sends trailers of 1 MiB',
    outcome: 'body-malformed',
    serve: says(
      `${OK}transfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nx: ${'y'.repeat(MIB)}\r\n\r\n`,
    ),
  },
  {
    name: 'announces 100 GB',
    outcome: 'body-too-large',
    serve: says(`${OK}content-length: 100000000000\r\n\r\nfirst`),
  },
  {
    name: 'sends without end',
    outcome: 'body-too-large',
    serve: repeats(`${OK}\r\n`, Buffer.alloc(64 * 1024)),
    options: { maxBodyBytes: MIB },
  },
  {
    name: 'sends 607 bytes that hold 400 MB',
    outcome: 'body-ratio',
    serve: says(encoded('br', bomb)),
  },
  {
    name: 'says gzip and sends something else',
    outcome: 'body-malformed',
    serve: says(encoded('gzip', Buffer.from('not gzip'))),
  },
  {
    name: 'sends half of a gzip',
    outcome: 'body-malformed',
    serve: says(encoded('gzip', gzipSync('x'.repeat(1000)).subarray(0, 15))),
  },
  {
    name: 'sends a coding that nobody knows',
    outcome: 'body-encoding',
    serve: says(encoded('aes128gcm', Buffer.from('?'))),
  },
  {
    name: 'sends four codings, one inside the other',
    outcome: 'body-encoding',
    serve: says(encoded('gzip, gzip, gzip, gzip', Buffer.from('?'))),
  },
  {
    name: 'sends a body with 204 No Content',
    outcome: ', then fine',
    serve: byPath({ '/first': 'HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil' }),
    call: twice,
  },
  {
    name: 'sends a character set that nobody knows',
    outcome: 'body-malformed',
    serve: says(`${OK}content-type: text/plain;charset=klingon\r\ncontent-length: 4\r\n\r\nfine`),
  },
  {
    name: 'sends what is no JSON',
    outcome: 'json-invalid',
    serve: says(`${OK}content-type: application/json\r\ncontent-length: 4\r\n\r\nfine`),
    call: async (url, options) => JSON.stringify(await (await get(url, options)).json()),
  },
  // Redirects and repetitions
  {
    name: 'redirects to itself',
    outcome: 'redirect-loop',
    serve: says('HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'redirects without end',
    outcome: 'redirect-limit',
    serve: (socket, request) => {
      const [, path = ''] = request.split(' ')
      socket.write(`HTTP/1.1 302 Found\r\nlocation: ${path}x\r\ncontent-length: 0\r\n\r\n`)
    },
  },
  {
    name: 'redirects to a file',
    outcome: 'redirect-invalid',
    serve: says('HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'redirects with a body of 1 GB',
    outcome: 'fine',
    serve: (socket, request) => {
      if (request.startsWith('GET /end')) socket.write(`${OK}content-length: 4\r\n\r\nfine`)
      else
        repeats(
          'HTTP/1.1 302 Found\r\nlocation: /end\r\ncontent-length: 1000000000\r\n\r\n',
          Buffer.alloc(64 * 1024),
        )(socket, request)
    },
  },
  {
    name: 'asks to come back in 30 years',
    outcome: 'timeout',
    phase: 'response',
    serve: says('HTTP/1.1 503 Busy\r\nretry-after: 999999999\r\ncontent-length: 0\r\n\r\n'),
    options: { retry: 5, timeoutMs: LONG_ENOUGH_MS },
  },
  {
    name: 'asks for a user name without end',
    outcome: '401',
    serve: says(
      'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n',
    ),
    options: { auth: { username: 'Alice', password: 'secret' } },
    call: async (url, options) => String((await get(url, options)).status),
  },
]
