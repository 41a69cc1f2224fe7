export {
  type TestAuthority,
  type TestAuthorityOptions,
  type TestCrlOptions,
  type TestIdentity,
  type TestIdentityFiles,
  type TestIssueOptions,
  testAuthority,
} from './authority.ts'
export {
  type BrowserOptions,
  type TestBrowser,
  browserForTests,
  launchBrowser,
  skipWithoutBrowser,
} from './browser.ts'
export {
  type CommandOptions,
  type CommandResult,
  type RunningCommand,
  runCommand,
  startCommand,
} from './command.ts'
export { type EnvironmentChanges, scrubEnvironment, scrubProcess } from './environment.ts'
export { type DnsRecordType, startDnsServer, type TestDnsServer } from './dns-server.ts'
export { temporaryFolder } from './folder.ts'
export {
  type PythonNeeds,
  outsidePython,
  outsideTool,
  requirePython,
  requireTool,
  skipWithout,
  skipWithoutPython,
} from './outside-tools.ts'
export {
  type Postgres,
  type StartPostgresOptions,
  postgresForTests,
  skipWithoutPostgres,
  startPostgres,
} from './postgres.ts'
export { type ProgramOptions, runProgram, startProgram } from './program.ts'
export type { AfterHook, Scope, Skippable } from './scope.ts'
export type {
  Browser,
  BrowserContext,
  BrowserContextOptions,
  BrowserCookie,
  Locator,
  Page,
  PageResponse,
} from './browser-page.ts'
