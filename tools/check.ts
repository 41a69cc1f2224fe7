/**
 * Every check of the tree in one command: format, types, lint, imports, unused code, packages.
 *
 * Usage: node tools/check.ts [STEP...]
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'

const STEPS: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ['format', ['biome', 'format', '.']],
  ['types', ['tsc', '-b']],
  ['types of the console', ['tsc', '-p', 'packages/console/web']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings', '.']],
  ['imports', ['node', 'tools/check-imports.ts']],
  ['unused', ['knip', '--no-progress']],
  ['documents', ['node', '--conditions=@countersign/source', 'tools/check-documents.ts']],
  ...publicPackages().map((name) => [`package ${name}`, ['publint', `packages/${name}`]] as const),
])

const wanted = process.argv.slice(2)
let failures = 0
for (const [name, [command = '', ...args]] of STEPS) {
  if (wanted.length > 0 && !wanted.some((word) => name.startsWith(word))) continue
  const started = performance.now()
  const { code, output } = await runStep(command, args)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
  if (code !== 0) {
    failures++
    console.log(output.trimEnd())
  }
}
if (failures > 0) process.exitCode = 1

async function runStep(
  command: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  const child = spawn(path.join('node_modules', '.bin', command), args, {
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const { promise, resolve } = Promise.withResolvers<number>()
  child.on('error', (error) => {
    output += error.message
    resolve(1)
  })
  child.on('close', (code) => {
    resolve(code ?? 1)
  })
  return { code: await promise, output }
}

function publicPackages(): string[] {
  return readdirSync('packages').filter((name) => name !== 'testkit')
}
