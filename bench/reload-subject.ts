/**
 * Two workers that reload the files of a folder when they are asked to: `node bench/reload-subject.ts FOLDER`.
 *
 * @module
 */
import { serve, startWorkers, workerSide } from '@countersign/server'

const [, , folder = '.'] = process.argv
const side = await workerSide()
if (side === undefined) {
  const workers = await startWorkers({ count: 2 })
  await workers.ready
  process.send?.({ port: workers.port })
  process.on('message', () => {
    void workers.reload().then((outcomes) => process.send?.(outcomes))
  })
} else {
  const { tickets, connections } = side
  const server = await serve(() => new Response('page'), {
    cert: `${folder}/server.crt`,
    key: `${folder}/server.key`,
    ca: `${folder}/ca.crt`,
    crl: `${folder}/clients.crl`,
    verifyUser: true,
    tickets,
    connections,
  })
  side.ready(undefined, async () => {
    const quietMs = await longestTurn(new Promise((resolve) => setTimeout(resolve, 20)))
    const reloadMs = await longestTurn(server.reload())
    return { quietMs, reloadMs }
  })
}

/** The longest turn of the event loop until `work` is done, in milliseconds. */
async function longestTurn(work: Promise<unknown>): Promise<number> {
  let longest = 0
  let last = performance.now()
  let isDone = false
  const look = (): void => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (!isDone) setImmediate(look)
  }
  setImmediate(look)
  await work
  isDone = true
  return Math.max(longest, performance.now() - last)
}
