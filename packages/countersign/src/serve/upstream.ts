/**
 * The options of `countersign serve --upstream`, and the proxy they make.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import type {
  LoginOptions,
  ProxyEvent,
  ProxyHandler,
  ProxyOptions,
  RateLimitOptions,
} from '@countersign/server'
import { type Command, Option } from 'commander'
import { collect } from '../command.ts'
import { ProgramError } from '../errors.ts'
import type { Output } from '../output.ts'
import { type Ask, countedTogether } from './shared-rate.ts'
import { givenLimits, type LimitFlags } from './limits.ts'

/** The options as commander reads them. */
export interface UpstreamFlags extends LimitFlags {
  upstream?: string[]
  upstreamCa?: string
  upstreamCert?: string
  upstreamKey?: string
  upstreamHost?: 'keep' | 'upstream'
  balance?: 'round-robin' | 'least-busy'
  health?: string
  trustForwarded?: string[]
  forwardedHeader?: 'x-forwarded-for' | 'forwarded'
  trustClientCert?: string[]
  requireLogin?: string
  loginCa?: string
  loginPage?: string
  passCredentials?: boolean
  rateLimit?: string
}

/** What `serve` passes requests on to. */
export interface ServedUpstream extends AsyncDisposable {
  readonly handler: ProxyHandler
  readonly urls: readonly string[]
}

/** Adds the options. */
export function addUpstreamOptions(command: Command): void {
  command
    .option(
      '--upstream <url>',
      'pass requests on to http://, https:// or unix:/path.sock instead of serving a folder; several times: share the work',
      collect,
    )
    .option('--upstream-ca <file>', 'roots of an https upstream (default: the default trust)')
    .option('--upstream-cert <file>', 'certificate to show an https upstream')
    .option('--upstream-key <file>', 'its key')
    .addOption(
      new Option('--upstream-host <which>', 'whose name Host says (default: keep)').choices([
        'keep',
        'upstream',
      ]),
    )
    .addOption(
      new Option('--balance <how>', 'which upstream is next (default: round-robin)').choices([
        'round-robin',
        'least-busy',
      ]),
    )
    .option('--health <path>', 'ask every upstream for this path; one that fails gets no requests')
    .option('--rate-limit <n/s>', 'so many requests from one address: 20/s, 600/m')
    .option('--require-login <url>', 'let only those through whom this countersign up knows')
    .option('--login-ca <file>', 'roots of --require-login (default: the default trust)')
    .option('--login-page <url>', 'where browsers are sent to sign in')
    .option('--pass-credentials', 'pass the cookie and token of the sign-in on to the upstream')
    .option('--trust-forwarded <cidr>', 'believe these proxies who their client is', collect)
    .addOption(
      new Option(
        '--forwarded-header <name>',
        'which header they keep (default: x-forwarded-for)',
      ).choices(['x-forwarded-for', 'forwarded']),
    )
    .option(
      '--trust-client-cert <sha256:hex>',
      'believe Client-Cert of the proxy with this certificate',
      collect,
    )
}

/**
 * Makes the proxy, where `--upstream` asks for one.
 *
 * @param ask - asks the first process, where there are several
 * @throws {@link ProgramError} `usage`; ServerError, TlsError and X509Error
 */
export async function openUpstream(
  flags: UpstreamFlags,
  output: Output,
  ask: Ask | undefined,
): Promise<ServedUpstream | undefined> {
  const { upstream: urls } = flags
  if (urls === undefined) {
    refuseAlone(flags)
    return undefined
  }
  const options = settle(flags, ask)
  checkFiles(flags, urls)
  const { proxyTo } = await import('@countersign/server')
  const handler = proxyTo(urls, { ...options, onEvent: noteOnce(output) })
  return { handler, urls, [Symbol.asyncDispose]: () => handler[Symbol.asyncDispose]() }
}

/** @throws {@link ProgramError} `usage` where both are asked for */
export function refuseFolderAndUpstream(
  dir: string | undefined,
  { upstream }: UpstreamFlags,
): void {
  if (dir === undefined || upstream === undefined) return
  throw new ProgramError('usage', `${dir} and --upstream exclude each other`, {
    hint: 'serve the folder on a port of its own',
  })
}

/** The libraries name options, and `--ca` is another one here. */
function checkFiles(flags: UpstreamFlags, urls: readonly string[]): void {
  for (const option of ['upstreamCa', 'upstreamCert', 'upstreamKey', 'loginCa'] as const) {
    const file = flags[option]
    if (file === undefined) continue
    if (option !== 'loginCa' && !urls.some((url) => url.startsWith('https:'))) {
      throw new ProgramError('usage', `${flagOf(option)} is for an https upstream, and none is`, {
        hint: 'write https:// in --upstream, or leave it out',
      })
    }
    if (existsSync(file)) continue
    throw new ProgramError('usage', `${flagOf(option)}: there is no file or folder ${file}`, {
      hint: 'give the path of a PEM file',
    })
  }
}

/** What `--rate-limit` asks for. @throws {@link ProgramError} `usage` */
export function rateOf({ rateLimit }: UpstreamFlags): RateLimitOptions | undefined {
  return rateLimit === undefined ? undefined : parseRate(rateLimit)
}

function settle(flags: UpstreamFlags, ask: Ask | undefined): ProxyOptions {
  return {
    ca: flags.upstreamCa,
    cert: flags.upstreamCert,
    key: flags.upstreamKey,
    host: flags.upstreamHost,
    balance: flags.balance,
    health: flags.health,
    trustForwarded: flags.trustForwarded,
    forwardedHeader: flags.forwardedHeader,
    trustClientCertFrom: flags.trustClientCert,
    rateLimit: countedTogether(rateOf(flags), ask),
    login: loginOf(flags),
    limits: givenLimits(flags).upstream,
  }
}

function loginOf(flags: UpstreamFlags): LoginOptions | undefined {
  const { requireLogin: url, loginCa: ca, loginPage: page, passCredentials } = flags
  if (url === undefined) {
    for (const option of ['loginCa', 'loginPage', 'passCredentials'] as const) {
      if (flags[option] === undefined) continue
      throw new ProgramError('usage', `${flagOf(option)} needs --require-login`)
    }
    return undefined
  }
  return { url, ca, page, passCredentials }
}

/** `20/s`, `600/m`, `1000/h`. */
function parseRate(text: string): RateLimitOptions {
  const [, count, unit] = /^(\d{1,9})\/(s|m|h)$/.exec(text) ?? []
  const perMs = { s: 1000, m: 60_000, h: 3_600_000 }[unit ?? '']
  if (count === undefined || perMs === undefined || Number(count) < 1) {
    throw new ProgramError('usage', `--rate-limit "${text}" is no rate`, {
      hint: 'write 20/s or 600/m',
    })
  }
  return { requests: Number(count), perMs }
}

/** An option that would be without effect is a mistake. */
function refuseAlone(flags: UpstreamFlags): void {
  if (givenLimits(flags).upstream !== undefined) {
    throw new ProgramError('usage', '--limit upstream.… needs --upstream', {
      hint: 'countersign serve --upstream http://127.0.0.1:5000',
    })
  }
  for (const option of NEED_UPSTREAM) {
    if (flags[option] === undefined) continue
    throw new ProgramError('usage', `${flagOf(option)} needs --upstream`, {
      hint: 'countersign serve --upstream http://127.0.0.1:5000',
    })
  }
}

function flagOf(option: string): string {
  return `--${option.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** The same fault of one upstream fills no log: it is told again when another came between, or after ten seconds. */
function noteOnce(output: Output): (event: ProxyEvent) => void {
  let last = ''
  let at = Number.NEGATIVE_INFINITY
  return ({ code, message }) => {
    const line = `${code}: ${message}`
    const now = performance.now()
    if (line === last && now - at < QUIET_MS) return
    last = line
    at = now
    output.note(line)
  }
}

const NEED_UPSTREAM = [
  'upstreamCa',
  'upstreamCert',
  'upstreamKey',
  'upstreamHost',
  'balance',
  'health',
  'trustForwarded',
  'forwardedHeader',
  'trustClientCert',
  'requireLogin',
  'loginCa',
  'loginPage',
  'passCredentials',
  'rateLimit',
] as const
const QUIET_MS = 10_000
