/**
 * What bounds a measurement: how much of the processor each of those involved had while it ran, and who had all that one process can have.
 * Linux alone says so of other processes; elsewhere nothing is printed but that.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** Adds up what is used while subjects take their turns. */
export class Bounds {
  readonly #shares: ReadonlyMap<string, Share>

  /** @param subjects - in the order that they are printed in */
  constructor(subjects: readonly string[]) {
    this.#shares = new Map(subjects.map((name) => [name, { seconds: 0, busy: 0, rows: new Map() }]))
  }

  /**
   * Runs one turn of a subject, and remembers what it took.
   *
   * @param parts - the processes beside this one, which is `client`; each with those below it
   */
  async during(
    subject: string,
    parts: Readonly<Record<string, number>>,
    run: () => Promise<number>,
  ): Promise<number> {
    const share = this.#shares.get(subject)
    if (process.platform !== 'linux' || share === undefined) return await run()
    const pids = Object.entries({ client: process.pid, ...parts })
    const before = pids.map(([, pid]) => usageOf(pid))
    const machine = machineSeconds()
    const started = performance.now()
    const rate = await run()
    const now = machineSeconds()
    share.seconds += (performance.now() - started) / 1000
    share.busy += now.busy - machine.busy
    for (const [index, [name, pid]] of pids.entries()) {
      for (const [one, used] of usageOf(pid)) {
        const then = before[index]?.get(one) ?? { user: 0, system: 0 }
        const user = used.user - then.user
        const system = used.system - then.system
        const row = share.rows.get(one) ?? { name, user: 0, system: 0 }
        share.rows.set(one, { name, user: row.user + user, system: row.system + system })
      }
    }
    return rate
  }

  /** Prints a line for each subject. */
  print(): void {
    if (process.platform !== 'linux') {
      console.log('  bound by: not told on this system')
      return
    }
    for (const [subject, { seconds, busy, rows }] of this.#shares) {
      const used = [...rows.values()].map(({ name, user, system }) => ({
        name,
        cores: (user + system) / seconds,
        kernel: system / (user + system),
      }))
      const told = used
        .filter(({ cores }) => cores >= 0.01)
        .map(({ name, cores, kernel }) => `${name} ${cores.toFixed(2)} (${percent(kernel)} kernel)`)
      const own = used.reduce((sum, { cores }) => sum + cores, 0)
      const others = Math.max(busy / seconds - own, 0)
      const full = used.filter(({ cores }) => cores >= FULL).map(({ name }) => name)
      const isFull = busy / seconds >= FULL * cpus().length
      const bound = [...full, ...(isFull ? [`all ${cpus().length} cores`] : [])]
      console.log(
        `  ${subject}: bound by ${bound.length === 0 ? 'none of them alone' : bound.join(', ')}; cores used: ${told.join(', ')}, others ${others.toFixed(2)}`,
      )
    }
  }
}

interface Share {
  seconds: number
  /** Seconds of all cores, everybody's. */
  busy: number
  readonly rows: Map<number, Usage & { readonly name: string }>
}

/** CPU time in seconds. */
interface Usage {
  readonly user: number
  readonly system: number
}

/** CPU time of a process and of those below it, in hundredths of a second (Linux). */
export function usageOf(pid: number): Map<number, Usage> {
  const found = new Map<number, Usage>()
  const waiting = [pid]
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    // utime and stime (proc(5)), in hundredths of a second.
    found.set(one, { user: Number(fields[11]) / 100, system: Number(fields[12]) / 100 })
    const children = readFileSync(`/proc/${one}/task/${one}/children`, 'utf8')
    waiting.push(...children.split(' ').filter(Boolean).map(Number))
  }
  return found
}

function machineSeconds(): { busy: number } {
  const all = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq)
  return { busy: all.reduce((sum, one) => sum + one, 0) / 1000 }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** Of a core: what is left is the time between two turns. */
const FULL = 0.9
