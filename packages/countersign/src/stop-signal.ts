/**
 * How a running service is told to stop.
 *
 * @module
 */
import { once } from 'node:events'

/** The name of the first of SIGINT and SIGTERM; a second one ends the process at once. */
export async function stopSignal(): Promise<string> {
  const first = await Promise.race(
    SIGNALS.map(async (name) => {
      await once(process, name)
      return name
    }),
  )
  for (const name of SIGNALS) process.once(name, () => process.exit(1))
  return first
}

const SIGNALS = ['SIGINT', 'SIGTERM']
