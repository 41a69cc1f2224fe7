/**
 * How a running service is told to stop.
 *
 * @module
 */

/**
 * The name of the first of SIGINT and SIGTERM; a second one ends the process at once.
 *
 * Below an older Node (`bin/above.js`) every signal to that one is passed on, without a number. A terminal, or systemd, tells both
 * processes of the same signal: what came directly and what was passed on count apart.
 */
export async function stopSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let direct = 0
  let passedOn = 0
  const hear = (name: string, number: number): void => {
    if (number === 0) passedOn++
    else direct++
    resolve(name)
    if (Math.max(direct, passedOn) > 1) process.exit(1)
  }
  for (const name of SIGNALS) process.on(name, hear)
  return await promise
}

const SIGNALS = ['SIGINT', 'SIGTERM']
