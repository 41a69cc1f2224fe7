/**
 * One line on stderr that is written over while something long goes on, and nothing at all where stderr is no terminal.
 *
 * @module
 */

/** The line. */
export interface ProgressLine {
  /** Shows a text, cut to the width of the terminal; at most ten times a second. */
  show(text: () => string): void
  /** Takes the line away, so that what follows stands alone. */
  clear(): void
  /** Leaves a last text standing, with a line end. */
  end(text: string): void
}

/** A line on stderr. */
export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  let shownAt = 0
  let isShown = false
  const write = (text: string): void => {
    stream.write(`\r\u001b[2K${text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}`)
  }
  return {
    show(text) {
      if (!stream.isTTY || performance.now() - shownAt < 100) return
      shownAt = performance.now()
      isShown = true
      write(text())
    },
    clear() {
      if (isShown) stream.write('\r\u001b[2K')
      isShown = false
    },
    end(text) {
      if (!stream.isTTY) return
      write(text)
      stream.write('\n')
      isShown = false
    },
  }
}

/** How fast something goes and how long it will take, from when it was made. */
export class Pace {
  readonly #started = performance.now()

  /** Units a second so far. */
  perSecond(done: number): number {
    return done / Math.max(0.001, (performance.now() - this.#started) / 1000)
  }

  /** The time that is left: `8 s`, `2 min 5 s`, or nothing where it is not known. */
  left(done: number, total: number | undefined): string {
    if (total === undefined || done <= 0 || total < done) return ''
    return seconds((total - done) / this.perSecond(done))
  }

  /** The time it took. */
  taken(): string {
    return seconds((performance.now() - this.#started) / 1000)
  }
}

/** A number of bytes as people read it: `1.2 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`
}

function seconds(count: number): string {
  if (count < 60) return `${count < 10 ? count.toFixed(1) : Math.round(count)} s`
  const whole = Math.round(count)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB']
