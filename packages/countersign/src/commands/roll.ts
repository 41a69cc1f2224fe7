/**
 * `countersign roll`: the next root or issuer, how far its rollover has come, and the end of the former one.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Authority, Generation, RolloverStatus } from '@countersign/authority'
import type { Certificate, KeyType } from '@countersign/x509'
import { Argument, type Command, Option } from 'commander'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { dataFlag } from '../data-flag.ts'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { KEY_TYPES } from '../key-types.ts'
import { withAuthority } from '../open-data.ts'
import { type Output, table } from '../output.ts'
import { readRootKey } from '../root-key.ts'

type Kind = RolloverStatus['kind']

interface RollFlags extends SharedFlags {
  status?: boolean
  retire?: boolean
  force?: boolean
  sameKey?: boolean
  rootKey?: string
  passphraseFile?: string
  keyType?: KeyType
}

/** Adds the command. */
export function addRoll(program: Command): void {
  addCommand(program, 'roll', 'replace the root or the issuer, while clients of both verify')
    .addArgument(new Argument('<kind>', 'which of the two').choices(['root', 'issuer']))
    .addOption(dataOption())
    .option('--status', 'how far it has come, and who still uses the former one')
    .option('--retire', 'end it: the former one is trusted no more, and its key is deleted')
    .option('--force', 'with --retire: also where certificates still depend on it')
    .option('--same-key', 'with issuer: only another certificate for the key that it has')
    .option('--root-key <file>', 'the key of the root, where it is not in the data folder')
    .option(
      '--passphrase-file <file>',
      'the passphrase of --root-key, where that does not lie beside it',
    )
    .addOption(
      new Option('--key-type <type>', 'type of the new key (default: that of the former)').choices(
        KEY_TYPES,
      ),
    )
    .action(async (kind: Kind, flags: RollFlags) =>
      perform(flags, async ({ output, data }) => {
        refuseWrongUse(kind, flags)
        await withAuthority(data, async (authority) => {
          if (flags.status === true) {
            printStatus(output, kind, await authority.rollover(kind))
          } else if (flags.retire === true) {
            const status = await authority.retire(kind, { force: flags.force })
            printRetired(output, data, status)
          } else if (flags.sameKey === true) {
            await renewIssuer(output, authority, data, flags)
          } else {
            await roll(output, authority, data, kind, flags)
          }
        })
      }),
    )
}

async function roll(
  output: Output,
  authority: Authority,
  data: DataFolder,
  kind: Kind,
  flags: RollFlags,
): Promise<void> {
  const rootKey = await readRootKey(flags, data)
  const status = await authority.roll(kind, { rootKey, keyType: flags.keyType })
  const made = status.new?.certificate
  output.result(
    document(status),
    [
      `made ${describe(made)}`,
      kind === 'root'
        ? `clients trust  ${data.roots}, which has ${authority.roots.length} roots now`
        : `signs everything from now on, beside ${describe(status.old.certificate)}, which signs its list until its last certificate ends`,
    ].join('\n'),
  )
  if (kind === 'issuer' && isWithSigner(data, `${status.new?.id}.key`)) {
    output.note('the signer has made its key, and keeps it')
  }
  if (kind === 'root') {
    const base = `${data.path}/${status.new?.id}`
    output.note(
      `the root is needed once a year: move ${base}.key and ${base}.passphrase to another medium`,
    )
    output.note('next: hand out roots.pem to every client, and renew every server’s certificate')
    output.note(`then: countersign roll root --retire${dataFlag(data)}`)
  }
  output.note(`who is left: countersign roll ${kind} --status${dataFlag(data)}`)
}

async function renewIssuer(
  output: Output,
  authority: Authority,
  data: DataFolder,
  flags: RollFlags,
): Promise<void> {
  const rootKey = await readRootKey(flags, data)
  const { overdue } = await authority.upkeep({ rootKey, force: true })
  if (overdue?.reason === 'root') {
    throw new ProgramError('root-ends', `${describe(overdue.issuer)} ends together with its root`, {
      hint: `make the next root: countersign roll root${dataFlag(data)}`,
    })
  }
  const { issuer } = authority
  output.result(
    { kind: 'issuer', certificate: facts(issuer) },
    `renewed ${describe(issuer)}, valid until ${issuer.notAfter.toISOString()}`,
  )
}

function printRetired(output: Output, data: DataFolder, status: RolloverStatus): void {
  const { kind, old } = status
  output.result(document(status), `retired ${describe(old.certificate)}; its key is deleted here`)
  if (kind === 'issuer' && isWithSigner(data, `${status.new?.id}.key`)) {
    output.note('where the signer holds it, remove it there, with its certificate in issuers.pem')
  }
  if (kind === 'root') {
    output.note(`clients trust ${data.roots}: hand it out again, without the former root`)
    output.note('copies of its key on other media are yours to destroy')
  }
}

/** Whether a key of an issuer is not here, because a signer has it. */
function isWithSigner({ path: folder }: DataFolder, keyFile: string): boolean {
  return existsSync(path.join(folder, 'signer.json')) && !existsSync(path.join(folder, keyFile))
}

function printStatus(output: Output, kind: Kind, status: RolloverStatus | undefined): void {
  if (status === undefined) {
    output.result({ kind, step: 'none' }, `the ${kind} has not been rolled over`)
    return
  }
  const { step, old, notRenewed, notRenewedCount } = status
  const since = status.retiredAt ?? status.publishedAt ?? status.startedAt
  const lines = [
    `${step} ${since.toISOString().slice(0, 19).replace('T', ' ')} UTC`,
    generationLine('old', old),
    ...(status.new === undefined ? [] : [generationLine('new', status.new)]),
  ]
  if (step === 'begun') {
    lines.push(`nothing has changed yet; go on with: countersign roll ${kind}`)
  } else if (notRenewedCount > 0) {
    const rows = notRenewed.map(({ names, profile, notAfter, requester, serial }) => [
      names.length > 1 ? `${names[0]} +${names.length - 1}` : (names[0] ?? ''),
      profile,
      notAfter.toISOString().slice(0, 16).replace('T', ' '),
      requester,
      serial,
    ])
    lines.push('', `not renewed under the new one yet: ${notRenewedCount}`)
    lines.push(table([['NAMES', 'PROFILE', 'ENDS', 'REQUESTER', 'SERIAL'], ...rows]))
    if (notRenewedCount > rows.length) lines.push(`and ${notRenewedCount - rows.length} more`)
  }
  output.result(document(status), lines.join('\n'))
}

function generationLine(which: string, { certificate, live, lastEnds }: Generation): string {
  const users =
    live === 0
      ? `no certificate${which === 'old' ? ' depends on it' : ' yet'}`
      : `${live} certificate${live === 1 ? '' : 's'}, the last until ${lastEnds?.toISOString().slice(0, 10)}`
  return `${which}  ${describe(certificate)}  ${users}`
}

/** The status as JSON: certificates as their facts. */
function document(status: RolloverStatus): unknown {
  return {
    ...status,
    old: generationFacts(status.old),
    ...(status.new === undefined ? {} : { new: generationFacts(status.new) }),
  }
}

function generationFacts({ certificate, ...rest }: Generation): Record<string, unknown> {
  return { ...rest, ...facts(certificate) }
}

function facts({ subject, notAfter, fingerprint }: Certificate): Record<string, unknown> {
  return { subject: subject.toString(), notAfter, fingerprint }
}

function describe(certificate: Certificate | undefined): string {
  return certificate?.subject.get('commonName') ?? certificate?.subject.toString() ?? ''
}

function refuseWrongUse(kind: Kind, flags: RollFlags): void {
  const { status, retire, force, sameKey, rootKey, keyType, passphraseFile } = flags
  const actions = [status, retire, sameKey].filter((one) => one === true)
  if (actions.length > 1) {
    throw new ProgramError('usage', 'give one of --status, --retire and --same-key')
  }
  if (sameKey === true && kind === 'root') {
    throw new ProgramError('usage', '--same-key is for the issuer: clients trust the root itself', {
      hint: 'countersign roll issuer --same-key',
    })
  }
  if (force === true && retire !== true) {
    throw new ProgramError('usage', '--force goes with --retire')
  }
  if (keyType !== undefined && actions.length > 0) {
    throw new ProgramError('usage', '--key-type is for a new key')
  }
  if (rootKey !== undefined && (status === true || retire === true)) {
    throw new ProgramError('usage', 'neither --status nor --retire needs --root-key')
  }
  if (passphraseFile !== undefined && rootKey === undefined) {
    throw new ProgramError('usage', '--passphrase-file is that of --root-key')
  }
}
