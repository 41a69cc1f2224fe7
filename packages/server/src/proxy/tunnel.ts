/**
 * Two connections that have become one: everything goes both ways until one side ends.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Upgrade } from '../upgrade.ts'
import type { Deadlines, Limited } from './deadlines.ts'

/** What a tunnel is made of. */
export interface TunnelParts {
  readonly upgrade: Upgrade
  readonly upstream: Duplex
  /** What the upstream sent behind its answer. */
  readonly head: Uint8Array
  readonly deadlines: Deadlines
  readonly idleMs: number
  /** Whether the client still counts for what it was when it came. */
  readonly isTrusted: () => boolean
  /** Called once, when both are closed. */
  readonly onClose: () => void
}

/** Joins the client's connection, on which nothing has been answered yet, to the upstream's. */
export function openTunnel(answerHead: string, parts: TunnelParts): void {
  const { upgrade, upstream, head, deadlines, idleMs, isTrusted, onClose } = parts
  const client = upgrade.socket
  upgrade.take()
  const destroy = (): void => {
    client.destroy()
    upstream.destroy()
  }
  const limited: Limited = {
    deadline: performance.now() + idleMs,
    expire: destroy,
    look: () => {
      if (!isTrusted()) destroy()
    },
  }
  let open = 2
  for (const socket of [client, upstream]) {
    socket.on('error', destroy)
    // What has been written still arrives, as far as the other side takes it.
    socket.once('close', () => {
      if (--open === 0) {
        deadlines.delete(limited)
        onClose()
      } else if (socket === client) upstream.destroy()
      else client.end(() => client.destroy())
    })
  }
  if (client.destroyed || upstream.destroyed) {
    destroy()
    return
  }
  deadlines.add(limited)
  client.write(answerHead, 'latin1')
  if (head.length > 0) client.write(head)
  if (upgrade.head.length > 0) upstream.write(upgrade.head)
  const move = (): void => {
    limited.deadline = performance.now() + idleMs
  }
  client.on('data', move)
  upstream.on('data', move)
  client.pipe(upstream)
  upstream.pipe(client)
}

/** Whether an answer takes the WebSocket handshake of this request (RFC 6455 §4.1), so that both sides speak of the same. */
export function acceptsWebSocket(incoming: IncomingMessage, answer: IncomingMessage): boolean {
  const key = incoming.headers['sec-websocket-key'] ?? ''
  const expected = createHash('sha1').update(`${key}${WEBSOCKET}`).digest('base64')
  return (
    answer.headers.upgrade?.toLowerCase() === 'websocket' &&
    answer.headers['sec-websocket-accept'] === expected
  )
}

/** The head of the answer to an upgrade. */
export function upgradeHead(answer: IncomingMessage, hidden: ReadonlySet<string>): string {
  const { rawHeaders } = answer
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const lower = name.toLowerCase()
    if (hidden.has(lower) || NOT_PASSED.has(lower)) continue
    head += `${name}: ${rawHeaders[at + 1] ?? ''}\r\n`
  }
  return `${head}\r\n`
}

const WEBSOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const NOT_PASSED: ReadonlySet<string> = new Set([
  'connection',
  'upgrade',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'alt-svc',
])
