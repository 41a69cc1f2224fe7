/**
 * A port that is open before there is a server behind it: so that the rights to open it can be given up before anything else is done.
 *
 * @module
 */
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { checkOptions } from '@countersign/core'
import { bind, checkAddress, type ListeningSocket } from './bind.ts'
import type { ConnectionFeed } from './processes/worker-side.ts'

/** What {@link openPort} opens. */
export interface OpenPortOptions {
  /** As that of `serve`. @defaultValue '127.0.0.1' */
  host?: string | undefined
  /** @defaultValue 0, any free port */
  port?: number | undefined
  /** A socket that listens already, instead of host and port. */
  socket?: ListeningSocket | undefined
}

/** An open port; who connects waits until a server is there. */
export interface OpenPort extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** For `serve`. */
  readonly connections: ConnectionFeed
  /** Stops accepting; to be called before the server behind it closes. */
  close(): void
}

/**
 * Opens a port.
 *
 * @throws {@link ServerError} `option-invalid`, `port-in-use` and the others of the address; CoreError `option-unknown`
 */
export async function openPort(options: OpenPortOptions = {}): Promise<OpenPort> {
  checkOptions(options, ['host', 'port', 'socket'], 'openPort')
  const { host = '127.0.0.1', port = 0, socket } = options
  checkAddress(host, port)
  const waiting: Socket[] = []
  let server: NetServer | undefined
  // As the front door accepts.
  const front = createServer({ noDelay: true, allowHalfOpen: false }, (connection) => {
    if (server !== undefined) {
      server.emit('connection', connection)
      return
    }
    connection.on('error', ignore)
    if (waiting.length < MOST_WAITING) waiting.push(connection)
    else connection.destroy()
  })
  const bound = await bind(front, { host, port, socket })
  // Accepting failed, for want of file descriptors for instance; the next one may succeed.
  front.on('error', ignore)
  const close = (): void => {
    front.close()
    for (const connection of waiting.splice(0)) connection.destroy()
  }
  return {
    ...bound,
    connections: {
      ...bound,
      start: (target) => {
        server = target
        for (const connection of waiting.splice(0)) target.emit('connection', connection)
      },
    },
    close,
    async [Symbol.asyncDispose]() {
      close()
    },
  }
}

function ignore(): void {}

/** Accepted before there is a server. */
const MOST_WAITING = 4096
