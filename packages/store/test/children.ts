/** Programs of the tests that run in a process of their own. */
import { fileURLToPath } from 'node:url'

/** The arguments for Node that run `test/child/NAME`. */
export function childArguments(name: string, ...rest: string[]): string[] {
  const file = fileURLToPath(new URL(`child/${name}`, import.meta.url))
  return ['--conditions=@countersign/source', file, ...rest]
}
