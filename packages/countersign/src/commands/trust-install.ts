/**
 * `countersign trust install`, `uninstall` and `check`: the root in every store that programs of this machine take theirs from.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { errorMessage, systemClock } from '@countersign/core'
import { Certificate } from '@countersign/x509'
import { type Command, InvalidArgumentError } from 'commander'
import { completeUrl } from '../client-session.ts'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { configFolder } from '../config-folder.ts'
import { type DataFolder, requireAuthority } from '../data-folder.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { type Output, table } from '../output.ts'
import { check, install, type StoreReport, uninstall } from '../trust-stores/install.ts'
import { Receipt } from '../trust-stores/receipt.ts'
import type { StoreName } from '../trust-stores/store.ts'
import { STORE_NAMES, storesOf, thisMachine } from '../trust-stores/stores.ts'

interface StoreFlags extends SharedFlags {
  store?: StoreName[]
  root?: string
  url?: string
}

/** Adds the three below `trust`. */
export function addTrustInstall(trust: Command): void {
  withStores(
    addCommand(trust, 'install [file]', 'put the root into the stores of this machine'),
  ).action(async (file: string | undefined, flags: StoreFlags) =>
    perform(flags, async ({ output, data }) => {
      const roots = readRoots(file, data, systemClock())
      const reports = await install(
        storesOf(thisMachine(flags.root), names(flags)),
        roots,
        receiptOf(flags),
        systemClock(),
      )
      print(output, reports, 'there is no store here that a root could go into')
    }),
  )
  withStores(
    addCommand(trust, 'uninstall [file]', 'take out what install put in, and nothing else'),
  ).action(async (file: string | undefined, flags: StoreFlags) =>
    perform(flags, async ({ output }) => {
      const stores = storesOf(thisMachine(flags.root), names(flags))
      const roots = file === undefined ? undefined : parseRoots(file)
      const reports = await uninstall(stores, names(flags), roots, receiptOf(flags))
      print(output, reports, 'install put nothing in that is still there')
    }),
  )
  withStores(addCommand(trust, 'check [file]', 'look whether the root is in every store'))
    .option('--url <url>', 'and connect there, as the programs of each store do')
    .action(async (file: string | undefined, flags: StoreFlags) =>
      perform(flags, async ({ output, data }) => {
        const roots = readRoots(file, data, systemClock())
        const url = flags.url === undefined ? undefined : new URL(completeUrl(flags.url))
        const reports = await check(storesOf(thisMachine(flags.root), names(flags)), roots, url)
        print(output, reports, 'there is no store here that a root could be in')
        if (reports.some(({ status }) => status === 'absent')) process.exitCode ??= EXIT.failed
      }),
    )
}

function withStores(command: Command): Command {
  return command
    .addOption(dataOption())
    .option('--store <names>', `only these: ${STORE_NAMES.join(', ')}`, readNames)
    .option('--root <dir>', 'a system below this folder instead of the running one')
}

function names(flags: StoreFlags): readonly StoreName[] {
  // Below another root there is a system, and nobody's home.
  return flags.store ?? (flags.root === undefined ? STORE_NAMES : ['system'])
}

function readNames(text: string, before: StoreName[] | undefined): StoreName[] {
  const given = text.split(',').map((one) => {
    const name = STORE_NAMES.find((known) => known === one.trim())
    if (name !== undefined) return name
    throw new InvalidArgumentError(`Give some of ${STORE_NAMES.join(', ')}.`)
  })
  return [...new Set([...(before ?? []), ...given])]
}

/** Another root has a receipt of its own, in it: it may be looked at from another machine. */
function receiptOf(flags: StoreFlags): Receipt {
  const folder =
    flags.root === undefined
      ? configFolder()
      : path.join(path.resolve(flags.root), 'var', 'lib', 'countersign')
  return new Receipt(path.join(folder, 'trust-receipt.json'))
}

/** The roots to install: those of the file, else the authority's own. */
function readRoots(file: string | undefined, data: DataFolder, now: Date): Certificate[] {
  if (file === undefined) requireAuthority(data)
  const roots = parseRoots(file ?? data.roots)
  for (const root of roots) {
    const name = root.subject.toString()
    // An installed root signs for every name there is: what is none, or none any more, does not go in.
    if (!root.isCa) {
      throw new ProgramError('root-unsuitable', `${name} is not a certificate authority`, {
        hint: 'give the file of the root, not that of a server: roots.pem in the data folder',
      })
    }
    if (root.notAfter < now) throw new ProgramError('root-unsuitable', `${name} has expired`)
  }
  return roots
}

function parseRoots(file: string): Certificate[] {
  const full = path.resolve(file)
  if (!existsSync(full)) throw new ProgramError('file-unreadable', `${full} is not there`)
  try {
    return Certificate.parseAll(readFileSync(full), full)
  } catch (error) {
    throw new ProgramError('file-unreadable', errorMessage(error), { cause: error })
  }
}

function print(output: Output, reports: readonly StoreReport[], none: string): void {
  const rows = reports.map(({ store, place, status, connection, message }) => [
    store,
    connection?.ok === true ? `${status}, ${connection.by} connects` : status,
    place,
    message ?? '',
  ])
  const text = reports.length === 0 ? none : table([['STORE', 'STATUS', 'PLACE', ''], ...rows])
  output.result(reports, text)
  if (!output.json) {
    const hints = new Set(reports.flatMap(({ hint }) => hint ?? []))
    for (const hint of hints) output.note(`hint:  ${hint}`)
  }
  if (reports.some(({ status }) => status === 'failed' || status === 'unusable')) {
    process.exitCode = EXIT.failed
  }
}
