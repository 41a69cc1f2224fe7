/**
 * Sixteen that guess at the password of one account and one that goes over many names, against a running `countersign up`: how many of
 * their guesses were tried, whether the owner signs in meanwhile, and what the pages of others take, in quiet and under attack.
 *
 * In every other round the sixteen come from an address each. Every round guesses at an account of its own, from addresses of its own;
 * a first one, which does not count, lets V8 compile what is on the way. The owner signs in once a second, in quiet as under attack.
 *
 * Usage: node --conditions=@countersign/source bench/guessers.ts [--rounds N] [--seconds N] [--json FILE]
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Session } from '@countersign/client'
import { scrubProcess } from '@countersign/testkit'
import { Flood, signInAgain } from '../packages/countersign/test/guess-flood.ts'
import type { GuessTally } from '../packages/countersign/test/guess-process.ts'
import { addUser, signIn, startUp } from '../packages/countersign/test/running-service.ts'
import { Load, percentile } from './load.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '15' },
    json: { type: 'string' },
  },
})
const seconds = Number(values.seconds)

/** What one round came to. */
interface Round {
  scattered: boolean
  /** Guesses that were tried, and how many might have been: of the sixteen, and of the one. */
  tried: readonly number[]
  limits: readonly number[]
  refused: number
  /** What the owner was answered. */
  signedIn: readonly number[]
  idleMs: number
  attackedMs: number
  failed: number
}

scrubProcess()
const folder = mkdtempSync(path.join(tmpdir(), 'countersign-guessers-'))
const found: Round[] = []
try {
  const data = path.join(folder, 'data')
  await using service = await startUp(data)
  await using flood = await Flood.start(service)
  const ca = readFileSync(service.roots, 'utf8')
  const port = Number(new URL(service.url).port)
  for (let number = 0; number <= Number(values.rounds); number++) {
    const name = `ada${number}`
    await addUser(data, name)
    await using owner = await signIn(service, name)
    const cookie = Object.entries(owner.cookiesFor(service.url))
      .map(([key, value]) => `${key}=${value}`)
      .join('; ')
    const pages = new Load(port, 4, { ca }, 8, { path: '/auth/session', headers: { cookie } })
    await sleep(2000)
    pages.take()
    const ownerInQuiet = await signInFor(owner, name)
    const idle = pages.take()
    const scattered = number % 2 === 0
    const guessed = flood.guess({ name, network: number, scattered, each: 1_000_000 })
    const ownerAttacked = await signInFor(owner, name)
    const attacked = pages.take()
    flood.rest()
    const tallies = await guessed
    await pages.end()
    if (number === 0) continue
    show({
      scattered,
      tried: tallies.map((tally) => tally['401'] ?? 0),
      limits: [scattered ? 100 : 10, 60],
      refused: sum(tallies, '429') + sum(tallies, '503'),
      signedIn: [...ownerInQuiet, ...ownerAttacked],
      idleMs: percentile(idle, 99),
      attackedMs: percentile(attacked, 99),
      failed: pages.failed.length,
    })
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const over = found.filter(({ tried, limits }) => tried.some((one, at) => one > (limits[at] ?? 0)))
const outside = found.flatMap(({ signedIn }) => signedIn.filter((status) => status !== 200))
const ratio = percentile(
  found.map(({ idleMs, attackedMs }) => attackedMs / idleMs),
  50,
)
const load = loadavg()[0]?.toFixed(1)
console.log(`\n  more tried than the limit: ${over.length} of ${found.length} rounds`)
console.log(`  the owner was turned away: ${outside.length} times`)
console.log(
  `  bar: p99 of pages <= 2x of quiet: ${ratio.toFixed(2)}x, ${ratio <= 2 ? 'reached' : 'missed'} (median of the rounds; load ${load})`,
)
if (over.length > 0 || outside.length > 0) process.exitCode = 1
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ found, ratio, load }, undefined, 2)}\n`)
}

/** What the owner is answered, once a second. */
async function signInFor(owner: Session, name: string): Promise<number[]> {
  const statuses: number[] = []
  const ends = performance.now() + seconds * 1000
  while (performance.now() < ends) {
    statuses.push(await signInAgain(owner, name))
    await sleep(1000)
  }
  return statuses
}

function show(round: Round): void {
  found.push(round)
  const { scattered, tried, limits, refused, signedIn, idleMs, attackedMs, failed } = round
  const owner = signedIn.filter((status) => status === 200).length
  console.log(
    [
      `${scattered ? 'sixteen addresses' : 'one address'}:`,
      `tried ${tried[0] ?? 0} of at most ${limits[0] ?? 0} at one name, ${tried[1] ?? 0} of at most ${limits[1] ?? 0} over many;`,
      `${refused} refused; owner ${owner} of ${signedIn.length};`,
      `p99 of pages ${idleMs.toFixed(1)} ms in quiet, ${attackedMs.toFixed(1)} ms attacked, ${failed} failed`,
    ].join(' '),
  )
}

function sum(tallies: readonly GuessTally[], status: string): number {
  return tallies.reduce((total, tally) => total + (tally[status] ?? 0), 0)
}
