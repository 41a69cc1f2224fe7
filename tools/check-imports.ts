/**
 * Fails when a source file imports what the house plan does not let it import, reaches into a package, uses an
 * undeclared dependency, or when imports form a cycle. Dependencies that nothing imports are knip's part.
 *
 * Usage: node tools/check-imports.ts [ROOT]
 *
 * @module
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { readImports } from './read-imports.ts'

/** Room to the rooms its sources may import. Tests may import `testkit` and what is below their room. */
const MAY_IMPORT: ReadonlyMap<string, readonly string[]> = new Map([
  ['core', []],
  ['x509', ['core']],
  ['tls', ['core', 'x509']],
  ['client', ['core', 'x509', 'tls']],
  ['server', ['core', 'x509', 'tls']],
  ['store', ['core']],
  ['auth', ['core', 'x509', 'store']],
  ['authority', ['core', 'x509', 'store']],
  ['console', []],
  [
    'countersign',
    ['core', 'x509', 'tls', 'client', 'server', 'store', 'auth', 'authority', 'console'],
  ],
  ['testkit', ['core', 'x509']],
])

const root = process.argv[2] ?? '.'
const problems: string[] = []
const graph = new Map<string, string[]>()

for (const file of globSync('packages/*/{src,test,web}/**/*.{ts,tsx}', { cwd: root })) {
  checkFile(file.split(path.sep).join('/'))
}
for (const cycle of findCycles(graph)) problems.push(`cycle: ${cycle.join(' -> ')}`)
for (const problem of problems.toSorted()) console.error(problem)
if (graph.size === 0) console.error(`no source file below ${root}`)
if (problems.length > 0 || graph.size === 0) process.exitCode = 1

function checkFile(file: string): void {
  const [, room = '', part = ''] = file.split('/')
  const allowed = MAY_IMPORT.get(room)
  if (allowed === undefined) {
    problems.push(`${file}: the room "${room}" is not in the plan`)
    return
  }
  const inSource = part !== 'test'
  const declared = declaredDependencies(room, inSource)
  const edges: string[] = []
  for (const specifier of readImports(readFileSync(path.join(root, file), 'utf8'))) {
    const problem = checkSpecifier({ file, room, specifier, inSource, allowed, declared, edges })
    if (problem !== undefined) problems.push(`${file}: ${problem}`)
  }
  graph.set(file, edges)
}

interface Import {
  file: string
  room: string
  specifier: string
  inSource: boolean
  allowed: readonly string[]
  declared: ReadonlySet<string>
  edges: string[]
}

function checkSpecifier(found: Import): string | undefined {
  const { file, room, specifier, inSource, allowed, declared, edges } = found
  if (specifier.startsWith('node:')) return undefined
  if (specifier.startsWith('.')) {
    const target = path.posix.join(path.posix.dirname(file), specifier)
    edges.push(target)
    if (!target.startsWith(`packages/${room}/`)) return `"${specifier}" leaves the package`
    if (inSource && target.startsWith(`packages/${room}/test/`)) return `"${specifier}" is a test`
    return existsSync(path.join(root, target)) ? undefined : `"${specifier}" is not there`
  }
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  const sibling = siblingOf(name)
  if (sibling === undefined) {
    return declared.has(name) ? undefined : `"${name}" is not a declared dependency`
  }
  if (specifier !== name) return `"${specifier}" reaches into a package`
  if (sibling === room) return inSource ? `"${specifier}" is the package itself` : undefined
  if (!inSource) return undefined
  if (!allowed.includes(sibling)) return `${room} may not import ${sibling}`
  return declared.has(name) ? undefined : `"${name}" is not a declared dependency`
}

function siblingOf(name: string): string | undefined {
  if (name === 'countersign') return 'countersign'
  return name.startsWith('@countersign/') ? name.slice('@countersign/'.length) : undefined
}

/** Tests may also use what the repository's root declares for all of them. */
function declaredDependencies(room: string, inSource: boolean): ReadonlySet<string> {
  const own = readManifest(`packages/${room}/package.json`)
  const names = [own['dependencies'], own['peerDependencies'], own['optionalDependencies']]
  if (!inSource || room === 'console') names.push(own['devDependencies'])
  if (!inSource) {
    names.push(readManifest('package.json')['devDependencies'])
  }
  return new Set(names.flatMap((group) => Object.keys(group ?? {})))
}

function readManifest(file: string): Record<string, object | undefined> {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8'))
}

/** One cycle per strongly connected walk, as the files in order. */
function findCycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = []
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file)
    if (start >= 0) {
      cycles.push([...trail.slice(start), file])
      return
    }
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) visit(next, [...trail, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return cycles
}
