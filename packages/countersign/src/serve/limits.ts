/**
 * `countersign serve --limit name=value` and `--block`: how much and how long a client may take.
 *
 * @module
 */
import { closest, parseDuration } from '@countersign/core'
import type { LimitOptions, ProxyLimitOptions } from '@countersign/server'
import type { Command } from 'commander'
import { collect } from '../command.ts'
import { ProgramError } from '../errors.ts'

/** The options as commander reads them. */
export interface LimitFlags {
  limit?: string[]
  block?: string[]
}

/** Adds them. */
export function addLimitOptions(command: Command): void {
  command
    .option(
      '--limit <name=value>',
      'how much and how long a client may take: bodyBytes=100M, idleMs=30s…',
      collect,
    )
    .option('--block <cidr>', 'close connections from these addresses at once', collect)
}

/** What they say, to the server and to a proxy behind it. */
export interface GivenLimits {
  readonly server: LimitOptions | undefined
  readonly upstream: ProxyLimitOptions | undefined
}

/**
 * Reads them.
 *
 * @throws {@link ProgramError} `usage` for a name that is none, and for what is no size, number or duration
 */
export function givenLimits({ limit = [], block }: LimitFlags): GivenLimits {
  const server = new Map<string, number>()
  const upstream = new Map<string, number>()
  for (const given of limit) {
    const [word = '', ...values] = given.split('=')
    const name = NAMES.find((one) => one === word)
    if (name === undefined) {
      const near = closest(word, NAMES)
      throw new ProgramError('usage', `--limit "${given}" names no limit`, {
        hint: near === undefined ? `there are ${NAMES.join(', ')}` : `did you mean ${near}?`,
      })
    }
    const value = valueOf(name, values.join('='))
    if (name.startsWith(UPSTREAM)) upstream.set(name.slice(UPSTREAM.length), value)
    else server.set(name, value)
  }
  const isGiven = server.size > 0 || block !== undefined
  return {
    server: isGiven ? { ...Object.fromEntries(server), blockList: block } : undefined,
    upstream: upstream.size > 0 ? Object.fromEntries(upstream) : undefined,
  }
}

function valueOf(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  const isSize = /Bytes/.test(name)
  const [, count, unit = ''] = /^(\d{1,9})([KMG])$/i.exec(text) ?? []
  const factor = UNITS.get(unit.toUpperCase())
  if (isSize && count !== undefined && factor !== undefined) return Number(count) * factor
  if (name.endsWith('Ms') && /^\d{1,9}[a-z]+$/.test(text)) return parseDuration(text)
  const shape = isSize
    ? 'a number, or one with K, M or G'
    : name.endsWith('Ms')
      ? 'a time as in 30s'
      : 'a number'
  throw new ProgramError('usage', `--limit ${name} is "${text}"`, { hint: `it takes ${shape}` })
}

/** Those of `serve`, in the order of docs/reference/limits.md. */
const LIMITS = [
  'handshakeMs',
  'headersMs',
  'requestMs',
  'idleMs',
  'headerBytes',
  'bodyBytes',
  'bodyBytesPerSecond',
  'bodyPaceMs',
  'connections',
  'connectionsPerAddress',
  'requestsPerConnection',
  'streams',
] as const satisfies readonly (keyof LimitOptions)[]

const UPSTREAM = 'upstream.'

/** Those of `proxyTo`. */
const UPSTREAM_LIMITS = [
  'connectMs',
  'headersMs',
  'idleMs',
  'upgradeIdleMs',
  'continueMs',
  'connections',
  'headerBytes',
  'headers',
] as const satisfies readonly (keyof ProxyLimitOptions)[]

const NAMES = [...LIMITS, ...UPSTREAM_LIMITS.map((name) => `${UPSTREAM}${name}`)]

const UNITS = new Map([
  ['K', 2 ** 10],
  ['M', 2 ** 20],
  ['G', 2 ** 30],
])
