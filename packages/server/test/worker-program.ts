/** A program with one worker whose threads are at work for minutes, as they are where no DNS server answers. */
import { pbkdf2 } from 'node:crypto'
import { startWorkers, workerSide } from '@countersign/server'

const side = await workerSide()
if (side === undefined) {
  const workers = await startWorkers({ count: 1 })
  await workers.ready
  process.stdout.write(`worker ${workers.pids[0]}\n`)
} else {
  // Nothing comes of it: whoever waits for it has ended.
  pbkdf2('password', 'salt', 2 ** 31 - 1, 64, 'sha512', () => {})
  side.ready(undefined)
}
