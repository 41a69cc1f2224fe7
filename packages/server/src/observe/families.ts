/**
 * Numbers as monitoring reads them: Prometheus' text format 0.0.4, and OpenMetrics 1.0 for who asks for it.
 *
 * @module
 */

/** Several numbers of one name. */
export interface MetricFamily {
  /** Without `_total`, which the samples of a counter end in. */
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: readonly MetricSample[]
  /** What the numbers of several processes come to. @defaultValue 'sum'; `'same'` where each knows the same */
  readonly across?: 'sum' | 'same' | undefined
}

/** One number. */
export interface MetricSample {
  /** `_bucket`, `_sum`, `_count` of a histogram. */
  readonly suffix?: string | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly value: number
}

/** Writes families as text; those of one name become one. */
export function familiesText(families: Iterable<MetricFamily>, openMetrics: boolean): string {
  const lines: string[] = []
  for (const { name, type, help, samples } of joined(families)) {
    if (samples.length === 0) continue
    const total = type === 'counter' ? '_total' : ''
    const shown = openMetrics ? name : `${name}${total}`
    lines.push(`# HELP ${shown} ${escapeHelp(help)}`, `# TYPE ${shown} ${type}`)
    for (const { suffix = total, labels, value } of samples) {
      lines.push(`${name}${suffix}${labelsText(labels)} ${numberText(value)}`)
    }
  }
  if (openMetrics) lines.push('# EOF')
  return `${lines.join('\n')}\n`
}

/** The numbers of several processes as if they were of one. */
export function sumFamilies(processes: Iterable<readonly MetricFamily[]>): MetricFamily[] {
  const sums = new Map<string, { family: MetricFamily; samples: Map<string, MetricSample> }>()
  for (const families of processes) {
    for (const family of families) {
      let sum = sums.get(family.name)
      if (sum === undefined) sums.set(family.name, (sum = { family, samples: new Map() }))
      for (const sample of family.samples) {
        const key = `${sample.suffix ?? ''}${labelsText(sample.labels)}`
        const before = sum.samples.get(key)
        const value =
          before === undefined || family.across === 'same'
            ? sample.value
            : before.value + sample.value
        sum.samples.set(key, { ...sample, value })
      }
    }
  }
  return [...sums.values()].map(({ family, samples }) => ({
    ...family,
    samples: [...samples.values()],
  }))
}

function joined(families: Iterable<MetricFamily>): MetricFamily[] {
  const byName = new Map<string, MetricFamily>()
  for (const family of families) {
    const before = byName.get(family.name)
    byName.set(
      family.name,
      before === undefined
        ? family
        : { ...before, samples: [...before.samples, ...family.samples] },
    )
  }
  return [...byName.values()]
}

function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  if (labels === undefined) return ''
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}

/** A value of a label, as far as it is shown. */
export function labelValue(text: string): string {
  return text.slice(0, LONGEST_LABEL)
}

function escapeLabel(value: string): string {
  return labelValue(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

const LONGEST_LABEL = 200
