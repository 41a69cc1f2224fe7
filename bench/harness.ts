/**
 * Fair comparisons on a noisy machine: the subjects take turns, and what counts is the median of the ratios of each turn.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'

/** One thing that is measured; `run` answers a rate (more is better). */
export interface Subject {
  name: string
  run: () => number | Promise<number>
}

/** What one comparison found. */
export interface Comparison {
  title: string
  unit: string
  subjects: { name: string; median: number; ratio: number; lowest: number; highest: number }[]
}

/** A bar that a ratio has to reach. */
export interface Bar {
  subject: string
  against: string
  atLeast: number
}

/**
 * Runs the subjects in turn, `rounds` times after one warm-up round, the order reversed every other round.
 *
 * @returns medians, and per subject the median, lowest and highest of its rate over the first subject's in the same round
 */
export async function compare(
  title: string,
  unit: string,
  subjects: readonly Subject[],
  rounds = 7,
): Promise<Comparison> {
  const rates = new Map<string, number[]>(subjects.map(({ name }) => [name, []]))
  for (let round = -1; round < rounds; round++) {
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const rate = await subject.run()
      if (round >= 0) rates.get(subject.name)?.push(rate)
    }
  }
  const base = rates.get(subjects[0]?.name ?? '') ?? []
  const comparison: Comparison = {
    title,
    unit,
    subjects: [...rates].map(([name, list]) => {
      const ratios = list.map((rate, round) => rate / (base[round] ?? Number.NaN))
      return {
        name,
        median: median(list),
        ratio: median(ratios),
        lowest: Math.min(...ratios),
        highest: Math.max(...ratios),
      }
    }),
  }
  print(comparison)
  results.push(comparison)
  return comparison
}

/** Prints whether each bar is reached, from the ratios of one comparison. */
export function checkBars(comparison: Comparison, bars: readonly Bar[]): void {
  for (const { subject, against, atLeast } of bars) {
    const ratio = ratioOf(comparison, subject) / ratioOf(comparison, against)
    const verdict =
      ratio >= atLeast ? 'reached' : `missed by ${((1 - ratio / atLeast) * 100).toFixed(1)} %`
    console.log(`  bar: ${subject} >= ${atLeast}x ${against}: ${ratio.toFixed(2)}x, ${verdict}`)
    verdicts.push({ title: comparison.title, subject, against, atLeast, ratio })
  }
}

/** Writes every result of this process to the file of `--json`, where one is given. */
export function saveResults(): void {
  const { values } = parseArgs({ options: { json: { type: 'string' } }, strict: false })
  if (typeof values.json !== 'string') return
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length }
  writeFileSync(values.json, `${JSON.stringify({ machine, results, verdicts }, undefined, 2)}\n`)
}

/** Calls `work` for about `milliseconds` of this process's CPU time and answers how often in a second of it. */
export function rateOf(work: () => void, milliseconds = 400): number {
  const started = process.cpuUsage()
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    for (let i = 0; i < 20; i++) work()
    count += 20
    elapsed = cpuSince(started)
  }
  return (count / elapsed) * 1000
}

/** The same for work that is awaited, one call after the other; the threads of the process count as well. */
export async function rateOfAsync(
  work: () => Promise<unknown>,
  milliseconds = 400,
): Promise<number> {
  const started = process.cpuUsage()
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    for (let i = 0; i < 20; i++) await work()
    count += 20
    elapsed = cpuSince(started)
  }
  return (count / elapsed) * 1000
}

/** Milliseconds of CPU time: on a machine with neighbours the clock on the wall counts them too. */
function cpuSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started)
  return (user + system) / 1000
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

function ratioOf(comparison: Comparison, name: string): number {
  return comparison.subjects.find((subject) => subject.name === name)?.ratio ?? Number.NaN
}

function print({ title, unit, subjects }: Comparison): void {
  console.log(`\n${title} (${unit})`)
  const width = Math.max(...subjects.map(({ name }) => name.length))
  for (const { name, median: rate, ratio, lowest, highest } of subjects) {
    console.log(
      `  ${name.padEnd(width)}  ${ratio.toFixed(2)}x  (${lowest.toFixed(2)} to ${highest.toFixed(2)})  ${Math.round(rate)}`,
    )
  }
}

const results: Comparison[] = []
const verdicts: (Bar & { title: string; ratio: number })[] = []
