/** What the tests of the page share: the page built from its sources, and a browser that looks at it. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, before, beforeEach } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type BrowserContext,
  type BrowserContextOptions,
  launchBrowser,
  type Page,
  runCommand,
  type TestBrowser,
} from '@countersign/testkit'
import { type Service, startService } from './service.ts'

/** Builds the page into `folder` as the repository's build does, so that no test meets a stale one. */
export async function buildPage(folder: string): Promise<void> {
  const manifest = createRequire(import.meta.url).resolve('vite/package.json')
  const { code, stdout, stderr } = await runCommand(process.execPath, [
    path.join(path.dirname(manifest), 'bin', 'vite.js'),
    'build',
    '--logLevel',
    'warn',
    '--config',
    fileURLToPath(new URL('../vite.config.ts', import.meta.url)),
    '--outDir',
    folder,
  ])
  assert.equal(code, 0, stdout + stderr)
}

/** A browser, and before each test a service of its own. */
export interface ConsoleTests {
  service: () => Service
  open: (hash: string, options?: BrowserContextOptions) => Promise<WatchedPage>
}

/** Builds the page and starts both for the suite that calls it. */
export function consoleTests(folder: string): ConsoleTests {
  let browser: TestBrowser | undefined
  let service: Service | undefined
  before(async () => {
    await buildPage(folder)
    browser = await launchBrowser({ onMissing: (reason) => assert.fail(reason) })
  })
  beforeEach(async () => {
    await service?.[Symbol.asyncDispose]()
    service = await startService(folder)
  })
  after(async () => {
    await browser?.close()
    await service?.[Symbol.asyncDispose]()
  })
  const running = (): Service => {
    assert.ok(service !== undefined)
    return service
  }
  return {
    service: running,
    open: async (hash, options) => {
      assert.ok(browser !== undefined)
      return await openConsole(browser, running(), hash, options)
    },
  }
}

/** A page with an empty cookie jar, and what it complained about. */
export interface WatchedPage extends AsyncDisposable {
  readonly context: BrowserContext
  readonly page: Page
  /** Errors of scripts, refusals of the content security policy, answers from elsewhere. */
  readonly complaints: string[]
}

/** Opens the console at an address behind `#` of the service, or of `baseURL`. */
export async function openConsole(
  { browser }: TestBrowser,
  service: Service,
  hash = '',
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // The browser itself reports every status from 400 on; those are the subject of some tests.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(message.text())
    }
  })
  const url = options.baseURL ?? service.url
  page.on('response', (response) => {
    const isOurs = response.url().startsWith(url) || response.url().startsWith(`blob:${url}`)
    if (!isOurs) complaints.push(`asked ${response.url()}`)
  })
  await page.goto(`${url}/console/${hash}`)
  return { context, page, complaints, [Symbol.asyncDispose]: () => context.close() }
}

/** Gives the page a device with passkeys that says yes to everything. */
export async function addAuthenticator({ context, page }: WatchedPage): Promise<void> {
  const tools = await context.newCDPSession(page)
  await tools.send('WebAuthn.enable')
  await tools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
}

/** Signs in by the form. */
export async function signIn(
  page: Page,
  password = 'correct horse battery staple',
  name = 'alice',
): Promise<void> {
  await page.getByLabel('User name').fill(name)
  await page.getByLabel(/^Password$/).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** Waits for the heading of a screen. */
export async function seeScreen(page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { name, exact: true }).waitFor()
  assert.equal(await page.title(), `${name} · Countersign`)
}

/** Waits until the list of certificates has exactly so many rows. */
export async function seeRows(page: Page, count: number): Promise<void> {
  await page.locator(`tbody > tr:nth-child(${count}):last-child`).waitFor({ state: 'attached' })
}
