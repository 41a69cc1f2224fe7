/**
 * Asks a port that said nothing to TLS whether it speaks something else.
 *
 * @module
 */
import { connect } from 'node:net'
import { protocolOf } from './banner.ts'

/**
 * Sends one bare request of HTTP/1.0 in clear, without a host or anything else of the caller's, and reads the first bytes.
 *
 * @param timeoutMs - two seconds at most
 * @returns the protocol's name; `undefined` where nothing came
 */
export function askPlainly(
  host: string,
  port: number,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect({ host, port, autoSelectFamily: true })
  const finish = (bytes?: Uint8Array): void => {
    clearTimeout(patience)
    signal.removeEventListener('abort', onEnd)
    socket.destroy()
    resolve(bytes === undefined ? undefined : protocolOf(bytes))
  }
  const onEnd = (): void => finish()
  const patience = setTimeout(onEnd, Math.min(timeoutMs ?? PATIENCE_MS, PATIENCE_MS))
  signal.addEventListener('abort', onEnd, { once: true })
  socket.once('data', finish)
  socket.once('close', onEnd)
  // Stays: what comes late must find a listener.
  socket.on('error', onEnd)
  socket.write('HEAD / HTTP/1.0\r\n\r\n')
  return promise
}

const PATIENCE_MS = 2000
