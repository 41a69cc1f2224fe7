/**
 * Runs the tests of every room from source and closes with what was skipped and why.
 *
 * Usage: node tools/run-tests.ts [--only PATTERN]... [FILE-OR-GLOB...]
 *
 * Sources are loaded through the `@countersign/source` condition of each package's `exports`, so a test never meets a
 * stale build; `packages/countersign/test/shipped*.test.ts` alone run the build, which `npm test` has just made.
 *
 * A start from source costs three times as much where Node strips the types and compiles everything anew, and there are
 * hundreds of them: this process's children, and theirs, share Node's compile cache, which holds each file with its digest.
 *
 * @module
 */
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: { only: { type: 'string', multiple: true } },
  allowPositionals: true,
})
const patterns = positionals.length > 0 ? positionals : everyTestFile()
const files = globSync(patterns).toSorted()
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(' ')}`)
  process.exit(1)
}

process.env['NODE_COMPILE_CACHE'] ??= path.resolve(
  import.meta.dirname,
  '../node_modules/.countersign/compile-cache',
)
let passed = 0
let failed = 0
const skipped = new Map<string, number>()
const stream = run({
  files,
  // One more than there are processors: some tests wait for a clock or for another program.
  concurrency: Math.max(2, availableParallelism()) + 1,
  timeout: 600_000,
  execArgv: ['--conditions=@countersign/source', '--disable-warning=ExperimentalWarning'],
  ...(values.only === undefined ? {} : { testNamePatterns: values.only }),
})
stream.on('test:pass', ({ name, details, skip }) => {
  // A suite counts only where it was skipped as a whole: its tests are not reported then.
  if (details.type === 'suite' && skip === undefined) return
  if (skip === undefined || skip === false) passed++
  else {
    const reason = skip === true ? name : skip
    skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
  }
})
stream.on('test:fail', ({ details }) => {
  if (details.type !== 'suite') failed++
  process.exitCode = 1
})
await pipeline(stream, new spec(), process.stdout, { end: false })

const skippedCount = [...skipped.values()].reduce((sum, count) => sum + count, 0)
for (const [reason, count] of skipped) console.log(`skipped ${count}: ${reason}`)
console.log(`${passed} passed, ${failed} failed, ${skippedCount} skipped`)
if (passed === 0) {
  console.error('no test ran')
  process.exitCode = 1
}

function everyTestFile(): string[] {
  return ['packages/*/test/**/*.test.ts', 'examples/test/*.test.ts', 'tools/test/*.test.ts']
}
