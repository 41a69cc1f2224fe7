/**
 * What the tests of this package share: a server that echoes lines, and a way to look at an error.
 *
 * @module
 */
import {
  scrubProcess,
  type TestAuthority,
  type TestIdentity,
  testAuthority,
} from '@countersign/testkit'
import {
  connect,
  type ConnectOptions,
  createDefaultContext,
  type ListenOptions,
  listen,
  type RemoteAddress,
  TlsContext,
  type TlsContextOptions,
  TlsError,
  type TlsListener,
  type TlsSocket,
} from '@countersign/tls'

scrubProcess()

/** One authority for a whole file of tests. */
export const authority: TestAuthority = testAuthority()

/** A certificate for every name a test server has. */
export const localhost: TestIdentity = authority.issue({ names: ['localhost', '127.0.0.1', '::1'] })

/** A context for a test server. */
export function serverContext(options: TlsContextOptions = {}): TlsContext {
  return createDefaultContext({
    purpose: 'client-auth',
    cert: localhost.chainPem,
    key: localhost.keyPem,
    ...options,
  })
}

/** A context that trusts the test authority and nobody else. */
export function clientContext(options: TlsContextOptions = {}): TlsContext {
  return createDefaultContext({ ca: authority.rootPem, ...options })
}

/** A server, with what went wrong in its handshakes. */
export interface TestServer extends AsyncDisposable {
  port: number
  listener: TlsListener
  refused: { error: TlsError; remote: RemoteAddress | undefined }[]
  /** Resolves with the first refused handshake. */
  refusal: Promise<TlsError>
}

/** Starts a server that hands every connection to `handle`, and closes what `handle` leaves open. */
export async function startServer(
  handle: (socket: TlsSocket) => Promise<void> = echo,
  options: Partial<ListenOptions> = {},
): Promise<TestServer> {
  const refused: TestServer['refused'] = []
  const { promise: refusal, resolve } = Promise.withResolvers<TlsError>()
  const listener = await listen({
    context: serverContext(),
    onHandshakeError: (error, remote) => {
      refused.push({ error, remote })
      resolve(error)
    },
    ...options,
  })
  const serving = new Set<Promise<void>>()
  const open = new Set<TlsSocket>()
  const loop = (async () => {
    for await (const socket of listener) {
      const done = serveOne(socket, handle)
      serving.add(done)
      open.add(socket)
      void done.finally(() => {
        serving.delete(done)
        open.delete(socket)
      })
    }
  })()
  return {
    port: listener.port,
    listener,
    refused,
    refusal,
    async [Symbol.asyncDispose]() {
      await listener.close()
      await loop
      for (const socket of open) void socket.close({ timeoutMs: 100 })
      await Promise.all(serving)
    },
  }
}

async function serveOne(
  socket: TlsSocket,
  handle: (socket: TlsSocket) => Promise<void>,
): Promise<void> {
  try {
    await handle(socket)
  } catch (error) {
    if (!(error instanceof TlsError)) throw error
  } finally {
    await socket.close({ timeoutMs: 2000 })
  }
}

/** Sends every line back. */
export async function echo(socket: TlsSocket): Promise<void> {
  for await (const line of socket.reader().lines()) await socket.write(`${line}\n`)
}

/** Connects to a test server on the loopback. */
export function connectTo(
  { port }: { port: number },
  options: Partial<ConnectOptions> = {},
): Promise<TlsSocket> {
  return connect({
    host: '127.0.0.1',
    port,
    context: clientContext(),
    timeoutMs: 20_000,
    ...options,
  })
}

/** The error of something that must fail. */
export async function failureOf(work: () => unknown): Promise<TlsError> {
  let value: unknown
  try {
    value = await work()
  } catch (error) {
    if (error instanceof TlsError) return error
    throw error
  }
  throw new Error(`expected a TlsError, got ${String(value)}`)
}
