/**
 * Requests by the clock on the wall, for servers of several processes.
 *
 * @module
 */
import { once } from 'node:events'
import { Agent, request } from 'node:https'

interface Target {
  port: number
  ca: string
}

/** Requests per second on 32 connections that are kept. */
export async function requests(target: Target, count: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  // Opened before: a handshake costs as much as fifteen requests.
  await Promise.all(Array.from({ length: 32 }, async () => ask(target, agent)))
  const rate = await perSecond(count, 32, async () => ask(target, agent))
  agent.destroy()
  return rate
}

/** Connections per second, each with one request, eight at once. */
export async function newConnections(target: Target, count: number): Promise<number> {
  return await perSecond(count, 8, async () => ask(target, false))
}

async function perSecond(
  count: number,
  clients: number,
  work: () => Promise<void>,
): Promise<number> {
  const started = performance.now()
  let left = count
  const client = async (): Promise<void> => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: clients }, client))
  return (count / (performance.now() - started)) * 1000
}

async function ask({ port, ca }: Target, agent: Agent | false): Promise<void> {
  const outgoing = request({ host: '127.0.0.1', port, ca, servername: 'localhost', agent })
  // What comes after the whole answer is no fault; before it, `once` rejects.
  outgoing.on('error', () => {})
  outgoing.end()
  const [incoming]: import('node:http').IncomingMessage[] = await once(outgoing, 'response')
  if (incoming?.statusCode !== 200) throw new Error(`answered with ${incoming?.statusCode}`)
  await once(incoming.resume(), 'end')
}
