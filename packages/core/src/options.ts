/**
 * Checks at the edge: an option nobody knows is refused by name, with the name that was probably meant.
 *
 * @module
 */
import { CoreError } from './errors.ts'

/**
 * Refuses every key of `options` that is not in `known`; a misspelt option is an error, never ignored.
 *
 * @param options - what the caller gave
 * @param known - every key that is allowed
 * @param where - the function, for the message
 * @throws {@link CoreError} `option-unknown`, `option-invalid` where `options` is no object
 */
export function checkOptions(options: object, known: readonly string[], where: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new CoreError('option-invalid', `${where}: options must be an object`)
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue
    const near = closest(key, known)
    throw new CoreError('option-unknown', `${where}: unknown option "${key}"`, {
      hint: near === undefined ? `known options: ${known.join(', ')}` : `did you mean "${near}"?`,
    })
  }
}

/**
 * The candidate nearest to `word`, where it is near enough to be what was meant.
 *
 * @returns the candidate, or `undefined` where none is within a third of the word's length
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance; a swap of two neighbours counts one (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(
        (previous[j] ?? 0) + 1,
        (current[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + cost,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforePrevious[j - 2] ?? 0) + 1)
      }
      current.push(best)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length] ?? 0
}
