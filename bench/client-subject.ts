/**
 * One client of the client measurement, in a process of its own: NAME URL CA-FILE are its last arguments.
 *
 * Reads `{ calls, atOnce }` as lines of JSON and answers each with the CPU seconds that the calls cost, and the milliseconds
 * that 99 of 100 of them took at most. `client_subject.py` says the same of clients in Python.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { gather, gatherEach, Session } from '@countersign/client'
import { Agent, request } from 'undici'

const [name = '', url = '', caFile = ''] = process.argv.slice(-3)
const ca = readFileSync(caFile, 'utf8')

/** One GET, its JSON parsed. */
type Call = () => Promise<unknown>

const clients = new Map<string, (atOnce: number) => Call>([
  [
    'countersign',
    (atOnce) => {
      const session = new Session({ ca, maxConnections: atOnce })
      return async () => (await session.get(url)).json()
    },
  ],
  [
    'undici request',
    (atOnce) => {
      const dispatcher = new Agent({ connect: { ca }, connections: atOnce })
      return async () => (await request(url, { dispatcher })).body.json()
    },
  ],
  // Its roots come from NODE_EXTRA_CA_CERTS: there is no option.
  ['fetch of Node', () => async () => (await fetch(url)).json()],
])

// Kept, so that no round but the first pays for handshakes.
const ready = new Map<number, Call>()

for await (const line of createInterface({ input: process.stdin })) {
  const { calls, atOnce } = JSON.parse(line)
  console.log(
    JSON.stringify(name.startsWith('memory') ? await memory(calls) : await measure(calls, atOnce)),
  )
}

async function measure(calls: number, atOnce: number): Promise<{ cpu: number; p99: number }> {
  const call = clientFor(atOnce)
  // Connections that were closed meanwhile are opened again before the clock runs: a handshake costs as much as many calls.
  await Promise.all(Array.from({ length: atOnce }, () => call()))
  const taken: number[] = []
  const before = process.cpuUsage()
  let left = calls
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) {
        const started = performance.now()
        await call()
        taken.push(performance.now() - started)
      }
    }),
  )
  const { user, system } = process.cpuUsage(before)
  taken.sort((a, b) => a - b)
  return { cpu: (user + system) / 1e6, p99: taken[Math.floor(calls * 0.99)] ?? Number.NaN }
}

/** The most memory that this process ever had, in bytes. */
async function memory(calls: number): Promise<{ rss: number }> {
  await using session = new Session({ ca })
  const urls = function* urlsOf(): Generator<string> {
    for (let index = 0; index < calls; index++) yield `${url}?${index}`
  }
  let count = 0
  if (name.includes('undici')) {
    const call = clients.get('undici request')?.(64)
    const rest = urls()
    const work = async (): Promise<void> => {
      while (rest.next().done !== true) {
        await call?.()
        count++
      }
    }
    await Promise.all(Array.from({ length: 64 }, () => work()))
  } else if (name.includes('as json')) {
    const results = await gather(urls(), { session, as: 'json', concurrency: 64 })
    count = results.filter(({ ok }) => ok).length
  } else {
    for await (const { ok } of gatherEach(urls(), { session, concurrency: 64 })) if (ok) count++
  }
  if (count !== calls) throw new Error(`${count} of ${calls} answers`)
  return { rss: process.resourceUsage().maxRSS * 1024 }
}

function clientFor(atOnce: number): Call {
  const known = ready.get(atOnce)
  if (known !== undefined) return known
  const make = clients.get(name)
  if (make === undefined) throw new Error(`no such client: ${name}`)
  const call = make(atOnce)
  ready.set(atOnce, call)
  return call
}
