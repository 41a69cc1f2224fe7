/**
 * What tests use of playwright: the part of its types that needs no DOM library.
 *
 * playwright's own types name DOM types, which every package that imports this one would then have to load.
 *
 * @module
 */

/** A browser; see playwright's `Browser`. */
export interface Browser {
  newContext(options?: BrowserContextOptions): Promise<BrowserContext>
  newPage(options?: BrowserContextOptions): Promise<Page>
  close(): Promise<void>
  version(): string
}

/** What a context starts with; see playwright's `BrowserContextOptions`. */
export interface BrowserContextOptions {
  baseURL?: string
  colorScheme?: 'light' | 'dark' | 'no-preference'
  locale?: string
  reducedMotion?: 'reduce' | 'no-preference'
  viewport?: { width: number; height: number } | null
}

/** Cookies and pages of one visitor; see playwright's `BrowserContext`. */
export interface BrowserContext {
  newPage(): Promise<Page>
  cookies(url?: string): Promise<BrowserCookie[]>
  clearCookies(): Promise<void>
  newCDPSession(page: Page): Promise<DevToolsSession>
  close(): Promise<void>
}

/** Commands of the DevTools protocol; see playwright's `CDPSession`. */
interface DevToolsSession {
  send(method: string, parameters?: Record<string, unknown>): Promise<unknown>
}

/** A file that a page has handed out; see playwright's `Download`. */
interface Download {
  suggestedFilename(): string
  path(): Promise<string>
}

/** One cookie of a context; `expires` in seconds since 1970, -1 for a session cookie. */
export interface BrowserCookie {
  name: string
  value: string
  domain: string
  path: string
  expires: number
  httpOnly: boolean
  secure: boolean
  sameSite: 'Strict' | 'Lax' | 'None'
}

/** One page; see playwright's `Page`. Expressions are JavaScript text. */
export interface Page {
  goto(url: string, options?: { timeout?: number }): Promise<PageResponse | null>
  reload(): Promise<PageResponse | null>
  goBack(): Promise<PageResponse | null>
  url(): string
  title(): Promise<string>
  content(): Promise<string>
  locator(selector: string): Locator
  getByRole(
    role: 'alert' | 'button' | 'heading' | 'link' | 'row' | 'table' | 'textbox',
    options?: { name?: string | RegExp; exact?: boolean },
  ): Locator
  getByLabel(text: string | RegExp): Locator
  getByText(text: string | RegExp): Locator
  evaluate<T>(expression: string): Promise<T>
  waitForFunction(expression: string): Promise<unknown>
  waitForEvent(event: 'download'): Promise<Download>
  waitForURL(url: string | RegExp): Promise<void>
  addScriptTag(options: { content: string }): Promise<unknown>
  setDefaultTimeout(timeoutMs: number): void
  setViewportSize(size: { width: number; height: number }): Promise<void>
  screenshot(options?: { path?: string; fullPage?: boolean }): Promise<Uint8Array>
  readonly keyboard: { press(key: string): Promise<void>; type(text: string): Promise<void> }
  on(event: 'console', listener: (message: { type(): string; text(): string }) => void): unknown
  on(event: 'pageerror', listener: (error: Error) => void): unknown
  on(event: 'response', listener: (response: PageResponse) => void): unknown
  close(): Promise<void>
}

/** Elements of a page; see playwright's `Locator`. */
export interface Locator {
  locator(selector: string): Locator
  first(): Locator
  nth(index: number): Locator
  count(): Promise<number>
  click(): Promise<void>
  setInputFiles(file: string): Promise<void>
  fill(value: string): Promise<void>
  press(key: string): Promise<void>
  focus(): Promise<void>
  textContent(): Promise<string | null>
  innerText(): Promise<string>
  allInnerTexts(): Promise<string[]>
  getAttribute(name: string): Promise<string | null>
  inputValue(): Promise<string>
  isVisible(): Promise<boolean>
  waitFor(options?: {
    state?: 'attached' | 'detached' | 'visible' | 'hidden'
    timeout?: number
  }): Promise<void>
}

/** What a server answered; see playwright's `Response`. */
export interface PageResponse {
  url(): string
  status(): number
  ok(): boolean
  headers(): Record<string, string>
  text(): Promise<string>
  securityDetails(): Promise<{
    issuer?: string
    protocol?: string
    subjectName?: string
    validTo?: number
  } | null>
}
