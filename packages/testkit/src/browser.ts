/**
 * A real browser that trusts the roots a test gives it, and nothing of the machine's owner.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { errorMessage } from '@countersign/core'
import type { Browser } from './browser-page.ts'
import { runCommand } from './command.ts'
import { scrubEnvironment } from './environment.ts'
import { makeFolder, removeFolder } from './folder.ts'
import { outsideTool } from './outside-tools.ts'
import { type Scope, type Skippable, whenDone } from './scope.ts'

/** What the browser is to know. */
export interface BrowserOptions {
  /** Roots to trust, each a PEM text of one certificate; needs `certutil`. @defaultValue [] */
  roots?: readonly string[] | undefined
  /** Host names the browser is to find, with their addresses: `{ 'api.internal.test': '127.0.0.1' }`. */
  hosts?: Readonly<Record<string, string>> | undefined
  /** Called with the reason when there is no browser to be had. */
  onMissing?: ((reason: string) => void) | undefined
}

/** A running browser. */
export interface TestBrowser extends AsyncDisposable {
  /** Of playwright: `browser.newContext()`, `browser.newPage()`. */
  readonly browser: Browser
  /** Closes it and removes its home folder. */
  close(): Promise<void>
}

/**
 * Starts Chromium without a window, in a throw-away home folder whose certificate database holds the given roots.
 *
 * @returns `undefined`, after `onMissing`, where there is no browser, or no `certutil` and roots to trust
 */
export async function launchBrowser(
  options: BrowserOptions = {},
): Promise<TestBrowser | undefined> {
  const missing = skipWithoutBrowser(options)
  const executablePath = browserFile()
  if (missing !== false || executablePath === undefined) {
    options.onMissing?.(missing === false ? NO_BROWSER : missing)
    return undefined
  }
  const home = makeFolder()
  try {
    await trustRoots(home, options.roots ?? [])
    // Loaded late: most test files that use this package need no browser.
    const { chromium }: Playwright = require('playwright-core')
    const browser = await chromium.launch({
      executablePath,
      // Without a locale it names no file in anything but ASCII.
      env: scrubEnvironment({ HOME: home, LC_ALL: 'C.UTF-8' }),
      args: [...FLAGS, ...hostRules(options.hosts ?? {})],
    })
    const close = async (): Promise<void> => {
      await browser.close()
      removeFolder(home)
    }
    return { browser, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    removeFolder(home)
    options.onMissing?.(`${executablePath} does not start: ${errorMessage(error)}`)
    return undefined
  }
}

/**
 * A browser for one test (`t`), which is skipped by name where there is none.
 *
 * @returns `undefined` once the test is skipped, which then returns
 */
export async function browserForTests(
  t: Scope & Skippable,
  options: BrowserOptions = {},
): Promise<TestBrowser | undefined> {
  const started = await launchBrowser({ ...options, onMissing: (reason) => t.skip(reason) })
  if (started !== undefined) whenDone(t, () => started.close())
  return started
}

/** For the `skip` option of a suite: why there can be no browser, or `false` where there should be one. */
export function skipWithoutBrowser(options: BrowserOptions = {}): string | false {
  if (browserFile() === undefined) return NO_BROWSER
  const needsRoots = (options.roots ?? []).length > 0
  return needsRoots && outsideTool('certutil') === undefined ? 'needs certutil' : false
}

function browserFile(): string | undefined {
  return outsideTool('chromium') ?? outsideTool('google-chrome') ?? outsideTool('chromium-browser')
}

/** Chromium on Linux reads its own roots from the NSS database of the home folder. */
async function trustRoots(home: string, roots: readonly string[]): Promise<void> {
  const certutil = outsideTool('certutil')
  if (certutil === undefined || roots.length === 0) return
  const folder = path.join(home, '.pki', 'nssdb')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const database = ['-d', `sql:${folder}`]
  await runChecked(certutil, [...database, '-N', '--empty-password'])
  for (const [index, pem] of roots.entries()) {
    const file = path.join(home, `root-${index}.pem`)
    writeFileSync(file, pem)
    await runChecked(certutil, [...database, '-A', '-t', 'C,,', '-n', `root-${index}`, '-i', file])
  }
}

async function runChecked(file: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(file, args)
  if (code !== 0) throw new Error(`${path.basename(file)} ended with ${code}: ${stderr}`)
}

function hostRules(hosts: Readonly<Record<string, string>>): string[] {
  const rules = Object.entries(hosts).map(([host, address]) => `MAP ${host} ${address}`)
  return rules.length === 0 ? [] : [`--host-resolver-rules=${rules.join(', ')}`]
}

/** What is used of playwright-core; see `browser-page.ts` for why its own types are not. */
interface Playwright {
  chromium: {
    launch(options: {
      executablePath: string
      env: Record<string, string>
      args: string[]
    }): Promise<Browser>
  }
}

const require = createRequire(import.meta.url)

const NO_BROWSER = 'needs chromium'

/** No sandbox: Chromium refuses to have one under root. */
const FLAGS: readonly string[] = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
]
