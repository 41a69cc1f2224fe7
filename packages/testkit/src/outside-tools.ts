/**
 * Programs of others that tests compare with; a test whose program is absent is skipped by name.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, globSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { scrubEnvironment } from './environment.ts'
import type { Skippable } from './scope.ts'

/**
 * Finds a program: in PATH, then where systems keep theirs.
 *
 * @param name - `openssl`, `curl`, `keytool`, `certutil`, `chromium` …
 * @returns its absolute path, or `undefined` where it is not installed
 */
export function outsideTool(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), ...SYSTEM_FOLDERS]
  for (const folder of folders) {
    // A shim of pyenv exists for programs that are not there.
    if (folder === '' || folder.endsWith(`${path.sep}shims`)) continue
    const file = path.resolve(folder, process.platform === 'win32' ? `${name}.exe` : name)
    if (isExecutable(file)) return file
  }
  return undefined
}

/**
 * Finds a program for a test, or skips the test by name (`needs openssl`).
 *
 * @returns its absolute path; `undefined` once the test is skipped, which then returns
 */
export function requireTool(t: Skippable, name: string): string | undefined {
  const file = outsideTool(name)
  if (file === undefined) t.skip(`needs ${name}`)
  return file
}

/**
 * For the `skip` option of a suite or test: `{ skip: skipWithout('openssl', 'curl') }`.
 *
 * @returns which programs are absent, or `false` where all are there
 */
export function skipWithout(...names: string[]): string | false {
  const absent = names.filter((name) => outsideTool(name) === undefined)
  return absent.length === 0 ? false : `needs ${absent.join(', ')}`
}

/** What a Python is wanted for. */
export interface PythonNeeds {
  /** Its default context sets `VERIFY_X509_STRICT`: 3.13 or later. @defaultValue false */
  strict?: boolean | undefined
  /** Modules it must be able to import: `requests`, `aiohttp`. @defaultValue [] */
  modules?: readonly string[] | undefined
}

/**
 * Finds a Python 3 that has what is needed; the system's own before others.
 *
 * @returns the absolute path of the interpreter, or `undefined`
 */
export function outsidePython(needs: PythonNeeds = {}): string | undefined {
  const test = pythonTest(needs)
  const known = pythons.get(test)
  if (known !== undefined) return known.file
  const file = pythonCandidates().find((candidate) => {
    const { status } = spawnSync(candidate, ['-c', test], {
      env: scrubEnvironment(),
      stdio: 'ignore',
      timeout: 10_000,
    })
    return status === 0
  })
  pythons.set(test, { file })
  return file
}

/** Finds a Python for a test, or skips the test by name (`needs python3 >= 3.13`). */
export function requirePython(t: Skippable, needs: PythonNeeds = {}): string | undefined {
  const file = outsidePython(needs)
  if (file === undefined) t.skip(pythonName(needs))
  return file
}

/** For the `skip` option of a suite or test: `{ skip: skipWithoutPython({ modules: ['requests'] }) }`. */
export function skipWithoutPython(needs: PythonNeeds = {}): string | false {
  return outsidePython(needs) === undefined ? pythonName(needs) : false
}

function pythonTest(needs: PythonNeeds): string {
  const imports = ['ssl', 'sys', ...(needs.modules ?? [])].join(', ')
  const version = needs.strict === true ? '3, 13' : '3, 8'
  return `import ${imports}\nsys.exit(0 if sys.version_info >= (${version}) else 1)`
}

function pythonName(needs: PythonNeeds): string {
  const version = needs.strict === true ? 'python3 >= 3.13' : 'python3'
  const modules = needs.modules ?? []
  return modules.length === 0 ? `needs ${version}` : `needs ${version} with ${modules.join(', ')}`
}

function pythonCandidates(): string[] {
  const names = ['python3', 'python3.13', 'python3.14', 'python3.15', 'python3.12']
  const found = ['/usr/bin/python3', ...names.map((name) => outsideTool(name))]
  const pyenv = process.env['PYENV_ROOT'] ?? path.join(homedir(), '.pyenv')
  const versions = globSync(path.join(pyenv, 'versions', '3.*', 'bin', 'python3'))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .toReversed()
  const files = [...found, ...versions].filter((file) => file !== undefined)
  return [...new Set(files)].filter((file) => isExecutable(file))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

const SYSTEM_FOLDERS: readonly string[] =
  process.platform === 'win32'
    ? []
    : ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin', '/opt/homebrew/bin']

/** What was looked for before: a test file asks more than once. */
const pythons = new Map<string, { file: string | undefined }>()
