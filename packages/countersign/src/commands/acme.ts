/**
 * `countersign acme`: who may order by ACME.
 *
 * @module
 */
import type { AcmeData, ExternalAccountKey } from '@countersign/authority'
import type { Command } from 'commander'
import { accountName } from '../account-name.ts'
import {
  addCommand,
  collectList,
  dataOption,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { openExistingStore } from '../open-data.ts'
import { table } from '../output.ts'

interface CreateFlags extends SharedFlags {
  allow?: string[]
  uses?: number
  days?: number
}

/** Adds the command and what is below it. */
export function addAcme(program: Command): void {
  const acme = program
    .command('acme')
    .summary('who may order by ACME')
    .description('Keys for external accounts, and the accounts, of the ACME server that up runs.')
  const eab = acme
    .command('eab')
    .summary('keys for external account binding')
    .description('Keys with which ACME clients make their accounts.')
  addCommand(eab, 'create <label>', 'make a key; its secret is shown once')
    .addOption(dataOption())
    .option('--allow <names>', 'the only names it may order: .web.corp.internal', collectList)
    .option('--uses <n>', 'accounts that can be made with it (default: 1)', wholeNumber(1, 10_000))
    .option('--days <n>', 'days in which they can be made (default: 7)', wholeNumber(1, 3650))
    .action(async (label: string, flags: CreateFlags) =>
      perform(flags, async ({ output, data }) => {
        const { allow, uses, days } = flags
        const key = await withAcme(data, async ({ externalAccounts }) =>
          externalAccounts.create({ label, allow, uses, days }),
        )
        output.result(
          { kid: key.id, hmacKey: key.hmacKey, expiresAt: key.expiresAt },
          `kid       ${key.id}\nhmac key  ${key.hmacKey}`,
        )
        output.note(
          `the key is shown once; accounts can be made with it until ${key.expiresAt.toISOString()}`,
        )
      }),
    )
  addCommand(eab, 'list', 'list the keys')
    .addOption(dataOption())
    .action(async (flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const keys = await withAcme(data, async ({ externalAccounts }) => externalAccounts.list())
        const rows = keys.map((key) => [
          key.id,
          key.label,
          key.allow?.join(',') ?? 'all',
          statusOf(key),
          String(key.usesLeft),
          String(key.accounts),
          key.expiresAt.toISOString().slice(0, 16),
        ])
        const head = ['KID', 'LABEL', 'NAMES', 'STATUS', 'USES LEFT', 'ACCOUNTS', 'UNTIL']
        output.result(keys, rows.length === 0 ? '' : table([head, ...rows]))
        if (rows.length === 0) output.note('no key')
      }),
    )
  addCommand(eab, 'revoke <kid>', 'take a key back, and end the accounts that were made with it')
    .addOption(dataOption())
    .action(async (kid: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const accounts = await withAcme(data, async ({ externalAccounts }) =>
          externalAccounts.revoke(kid),
        )
        if (accounts === undefined) throw unknown(`there is no key ${kid}`, 'eab list')
        output.result({ kid, accounts }, `revoked ${kid}; accounts that ended: ${accounts}`)
        output.note('their certificates are valid as before: countersign revoke ends them')
      }),
    )
  const accounts = acme
    .command('accounts')
    .summary('the accounts of ACME clients')
    .description('The accounts of ACME clients.')
  addCommand(accounts, 'list', 'list the accounts')
    .addOption(dataOption())
    .action(async (flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const list = await withAcme(data, async (opened) => opened.accounts.list())
        const rows = list.map((account) => [
          account.id,
          account.status,
          account.externalAccount ?? '',
          String(account.certificates),
          account.contact.map((one) => one.replace(/^mailto:/i, '')).join(','),
          account.createdAt.toISOString().slice(0, 16),
        ])
        const head = ['ACCOUNT', 'STATUS', 'KEY OF', 'CERTIFICATES', 'CONTACT', 'MADE']
        output.result(list, rows.length === 0 ? '' : table([head, ...rows]))
        if (rows.length === 0) output.note('no account')
      }),
    )
  addCommand(accounts, 'revoke <account>', 'let an account order nothing more')
    .addOption(dataOption())
    .action(async (account: string, flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        const ended = await withAcme(data, async (opened) => opened.accounts.revoke(account))
        if (!ended) throw unknown(`there is no account ${account} in use`, 'accounts list')
        output.result({ account, status: 'revoked' }, `revoked ${account}`)
        output.note('its certificates are valid as before: countersign revoke ends them')
      }),
    )
}

function statusOf(key: ExternalAccountKey): string {
  if (key.revokedAt !== undefined) return 'revoked'
  if (key.usesLeft === 0) return 'used'
  return key.expiresAt > new Date() ? 'usable' : 'expired'
}

/** Runs work on what an operator looks after, beside a running service or without one. */
async function withAcme<T>(data: DataFolder, work: (opened: AcmeData) => Promise<T>): Promise<T> {
  await using store = await openExistingStore(data)
  const { openAcme } = await import('@countersign/authority')
  return await work(await openAcme({ store, folder: data.path, actor: accountName() }))
}

function unknown(message: string, list: string): ProgramError {
  return new ProgramError('not-found', message, { hint: `countersign acme ${list}` })
}
