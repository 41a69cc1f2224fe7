/**
 * A server that loads nothing but what it serves with: `node bench/serve-idle-subject.ts bare|ours FOLDER`.
 *
 * @module
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import path from 'node:path'
import { portOf, reportTo } from './servers.ts'

const [, , name, folder = '.'] = process.argv
const read = (file: string): string => readFileSync(path.join(folder, file), 'utf8')
const identity = { cert: read('server.crt'), key: read('server.key') }
const listener: RequestListener = (_request, response) => {
  response.end('hello')
}

async function start(): Promise<number> {
  if (name === 'ours') {
    const { nodeListener, serve } = await import('@countersign/server')
    return (await serve(nodeListener(listener), { https: true, ...identity })).port
  }
  const { createServer } = await import('node:https')
  const server = createServer(identity, listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return portOf(server)
}

reportTo(process, { port: await start(), ca: read('ca.crt') })
