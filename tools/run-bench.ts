/**
 * Runs the measurements of `bench/` one after the other, from the build, and writes their results as JSON.
 *
 * Usage: node tools/run-bench.ts [NAME...] [--json FILE]
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

const MEASURES = [
  'serve',
  'serve-workers',
  'start',
  'reload',
  'attack',
  'proxy',
  'documents',
  'revocation',
  'client',
  'issue',
  'authority',
  'sign-endpoint',
  'verify',
  'session',
  'auth',
  'access-log',
  'jwt',
  'trust',
  'http-versions',
  'leaks',
]

const { values, positionals } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !MEASURES.includes(name))
if (unknown.length > 0) {
  console.error(`no such measure: ${unknown.join(', ')}; there are ${MEASURES.join(', ')}`)
  process.exit(2)
}

run('node', ['tools/setup.mjs'])
if (!existsSync('bench/node_modules')) {
  run('npm', ['ci', '--prefix', 'bench', '--no-audit', '--no-fund', '--loglevel=error'])
}
run('tsc', ['-p', 'bench'])
mkdirSync('bench/results', { recursive: true })
const all: Record<string, unknown> = {}
for (const name of positionals.length > 0 ? positionals : MEASURES) {
  const file = path.join('bench', 'results', `${name}.json`)
  run('node', ['--disable-warning=ExperimentalWarning', `bench/${name}.ts`, '--json', file])
  all[name] = JSON.parse(readFileSync(file, 'utf8'))
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, undefined, 2)}\n`)

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
