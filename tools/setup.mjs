/**
 * Makes a clone ready to run: installs what the lock file names, builds what the sources say, or does nothing
 * where both are already so. Plain JavaScript for Node 20: it runs before the bundled Node is there.
 *
 * Usage: node tools/setup.mjs [--build]      --build builds again even when nothing changed
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const stamps = path.join(root, 'node_modules', '.countersign')

install()
build(process.argv.includes('--build'))

/** `npm ci`, unless the installed tree was made from this very lock file. */
function install() {
  const lock = digest([path.join(root, 'package-lock.json')])
  if (
    stamp('install') === lock &&
    existsSync(path.join(root, 'node_modules', '.package-lock.json'))
  )
    return
  say('installing the locked dependencies (npm ci)')
  // The engines of some tools are newer than the npm that installs them; the bundled Node runs them.
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  writeStamp('install', lock)
}

/** The whole build from nothing, unless the sources are those of the last one: it takes seconds and is never stale. */
function build(always) {
  const sources = digest([...sourceFiles(), path.join(root, 'package-lock.json')])
  if (!always && stamp('build') === sources && builtFolders().every(existsSync)) return
  say('building')
  rmSync(path.join(stamps, 'build'), { force: true })
  for (const folder of builtFolders()) rmSync(folder, { recursive: true, force: true })
  run(bin('tsc'), ['-b', ...packages().map((name) => path.join('packages', name))])
  run(existsSync(bin('node')) ? bin('node') : process.execPath, [
    path.join('tools', 'bundle-program.mjs'),
  ])
  run(bin('vite'), ['build', '--logLevel', 'warn'], path.join(root, 'packages', 'console'))
  writeStamp('build', sources)
}

function sourceFiles() {
  const files = packages().flatMap((name) =>
    ['src', 'web', 'public'].flatMap((folder) =>
      listFiles(path.join(root, 'packages', name, folder)),
    ),
  )
  const settings = packages().flatMap((name) =>
    ['package.json', 'tsconfig.json', 'vite.config.ts'].map((file) =>
      path.join(root, 'packages', name, file),
    ),
  )
  return [
    ...files,
    ...settings.filter(existsSync),
    path.join(root, 'tsconfig.base.json'),
    path.join(root, 'tools', 'bundle-program.mjs'),
  ]
}

function listFiles(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .toSorted()
}

function packages() {
  return readdirSync(path.join(root, 'packages')).filter((name) =>
    existsSync(path.join(root, 'packages', name, 'package.json')),
  )
}

/** What the build makes: each package's `dist`, and the program's modules before they are bundled. */
function builtFolders() {
  const folders = packages().map((name) => path.join(root, 'packages', name, 'dist'))
  return [...folders, path.join(root, 'packages', 'countersign', 'build')]
}

function digest(files) {
  const hash = createHash('sha256')
  for (const file of files)
    hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

function stamp(name) {
  const file = path.join(stamps, name)
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function writeStamp(name, value) {
  mkdirSync(stamps, { recursive: true })
  writeFileSync(path.join(stamps, name), value)
}

function bin(name) {
  return path.join(root, 'node_modules', '.bin', name)
}

function run(command, args, folder = root) {
  const windows = process.platform === 'win32'
  const result = spawnSync(windows && command !== 'npm' ? `${command}.cmd` : command, args, {
    cwd: folder,
    shell: windows,
    // The build's own lines are notes: stdout belongs to the command that follows.
    stdio: ['ignore', 2, 2],
    env: {
      ...process.env,
      PATH: `${path.dirname(bin('x'))}${path.delimiter}${process.env.PATH ?? ''}`,
    },
  })
  if (result.error !== undefined) fail(`${path.basename(command)}: ${result.error.message}`)
  if (result.status !== 0)
    fail(`${path.basename(command)} ${args[0] ?? ''} ended with ${result.status ?? result.signal}`)
}

function say(text) {
  process.stderr.write(`set-up: ${text}\n`)
}

function fail(text) {
  process.stderr.write(`set-up failed: ${text}\n`)
  process.exit(1)
}
