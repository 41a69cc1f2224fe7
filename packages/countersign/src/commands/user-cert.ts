/**
 * `countersign user cert`: a client certificate by which a user or service is recognised, in one step; and its end in one.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Auth, CertificateInfo, User } from '@countersign/auth'
import type { Authority, IdentityFiles, Issued } from '@countersign/authority'
import { writeFileAtomic } from '@countersign/core'
import type { PrivateKey } from '@countersign/x509'
import { type Command, Option } from 'commander'
import { accountName } from '../account-name.ts'
import { certifiedName } from '../certificate-owners.ts'
import {
  addCommand,
  collect,
  type CommandContext,
  dataOption,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { ProgramError } from '../errors.ts'
import { careForIssuer } from '../issuer-care.ts'
import { readSecretFile, withAuthorityAndUsers } from '../open-data.ts'
import { table } from '../output.ts'

interface CertFlags extends SharedFlags {
  out: string
  days: number
  p12?: boolean
  passwordFile?: string
  scope?: string[]
  label?: string
  force?: boolean
  list?: boolean
  revoke?: string | true
}

/** Adds the command below `user`. */
export function addUserCert(user: Command): void {
  addCommand(
    user,
    'cert <name>',
    'make a client certificate for a user or service, list or revoke them',
  )
    .addOption(dataOption())
    .option('--out <dir>', 'folder for NAME.crt, NAME.key and roots.pem', '.')
    .addOption(
      new Option('--days <n>', 'lifetime, cut to the issuer’s own')
        .argParser(wholeNumber(1, 3650))
        .default(30),
    )
    .option('--p12', 'also NAME.p12 (PKCS#12), for browsers and key chains')
    .option(
      '--password-file <file>',
      'password of NAME.p12; without it one is made and written beside',
    )
    .option('--scope <scope>', 'what it may be used for; may be given again', collect)
    .option('--label <text>', 'what it is for, as it is listed')
    .option('--force', 'replace NAME.key where it is already there')
    .option('--list', 'list those that are good')
    .option(
      '--revoke [certificate]',
      'end one (file, id or fingerprint) or all, and what is bound to them, at once',
    )
    .action(async (name: string, flags: CertFlags) =>
      perform(flags, async (context) => {
        await withAuthorityAndUsers(context.data, async (authority, auth) => {
          if (flags.revoke !== undefined) await revoke(context, flags.revoke, name, auth)
          else if (flags.list === true) await list(context, name, auth)
          else await make(context, flags, name, auth, authority)
        })
      }),
    )
}

async function make(
  { data, output }: CommandContext,
  flags: CertFlags,
  name: string,
  auth: Auth,
  authority: Authority,
): Promise<void> {
  const owner = await knownUser(auth, name)
  const { identityFileName } = await import('@countersign/authority')
  const folder = path.resolve(flags.out)
  const base = path.join(folder, identityFileName(owner.name))
  if (flags.force !== true && existsSync(`${base}.key`)) {
    throw new ProgramError('file-exists', `${base}.key is there already`, {
      hint: 'choose another folder with --out, or replace the key with --force',
    })
  }
  await careForIssuer(authority, data, (text) => {
    output.note(text)
  })
  const { PrivateKey: Keys } = await import('@countersign/x509')
  const key = await Keys.generate('p256')
  const issued = await authority.issue({
    names: [certifiedName(owner)],
    publicKey: key.publicKey,
    profile: 'client',
    days: flags.days,
    requester: accountName(),
  })
  const files = await write(issued, { folder, name: owner.name, key, flags, authority })
  // Last: a certificate that nobody was given is good for nothing.
  const { label, scope: scopes } = flags
  const { certificate } = issued
  const added = await auth.certificates.add(owner.name, certificate.der, { label, scopes })
  const { id, fingerprint, serial } = added
  output.result(
    { id, name: owner.name, serial, fingerprint, notAfter: certificate.notAfter, files },
    Object.values(files)
      .filter((file) => file !== undefined)
      .join('\n'),
  )
  output.note(`${owner.name} is recognised by it until ${certificate.notAfter.toISOString()}`)
}

interface Writing {
  folder: string
  name: string
  key: PrivateKey
  flags: CertFlags
  authority: Authority
}

async function write(
  issued: Issued,
  { folder, name, key, flags, authority }: Writing,
): Promise<IdentityFiles & { p12Password?: string }> {
  const { identityFileName, writeIdentity } = await import('@countersign/authority')
  const given =
    flags.passwordFile === undefined ? undefined : readSecretFile(flags.passwordFile, 'password')
  const password = flags.p12 === true ? (given ?? randomBytes(18).toString('base64url')) : undefined
  const files = await writeIdentity(folder, name, issued, {
    roots: authority.roots,
    formerRoots: authority.formerRoots,
    key,
    p12Password: password,
    overwrite: flags.force === true,
  })
  if (password === undefined || given !== undefined) return files
  const p12Password = path.join(folder, `${identityFileName(name)}.p12.password`)
  await writeFileAtomic(p12Password, `${password}\n`)
  return { ...files, p12Password }
}

async function list({ output }: CommandContext, name: string, auth: Auth): Promise<void> {
  const certificates = await auth.certificates.list(name)
  output.result(
    certificates,
    certificates.length === 0 ? '' : table([HEADING, ...certificates.map(row)]),
  )
  if (certificates.length === 0) output.note('no certificate')
}

async function revoke(
  { output }: CommandContext,
  which: string | true,
  name: string,
  auth: Auth,
): Promise<void> {
  const all = await auth.certificates.list(name)
  const wanted = which === true ? undefined : await idOf(which)
  const chosen = all.filter(
    ({ id, fingerprint, serial }) =>
      wanted === undefined || [id, fingerprint, serial].includes(wanted),
  )
  if (chosen.length === 0) {
    throw new ProgramError('not-found', `${name} has no such certificate`, {
      hint: `see which there are: countersign user cert ${name} --list`,
    })
  }
  for (const { id } of chosen) await auth.certificates.revoke(id)
  output.result(
    chosen.map(({ id, serial, fingerprint }) => ({ id, serial, fingerprint, revoked: true })),
    chosen.map(({ serial }) => `revoked ${serial}`).join('\n'),
  )
  output.note('its connections, and sessions and tokens bound to it, have ended')
}

/** An identifier, a fingerprint or serial as it is listed; of a file the fingerprint of its first certificate. */
async function idOf(text: string): Promise<string> {
  if (!existsSync(text)) return /^[0-9a-f:]{95}$/i.test(text) ? plainHex(text) : text
  const { readGivenFile } = await import('../given-file.ts')
  const { Certificate } = await import('@countersign/x509')
  const [leaf] = Certificate.parseAll(readGivenFile(text), text)
  return leaf?.fingerprint ?? text
}

function plainHex(fingerprint: string): string {
  return fingerprint.replaceAll(':', '').toLowerCase()
}

async function knownUser(auth: Auth, name: string): Promise<User> {
  const owner = await auth.users.find(name)
  if (owner === undefined) {
    throw new ProgramError('not-found', `there is no user "${name}"`, {
      hint: `add them first: countersign user add NAME, or for a program countersign user add NAME --service`,
    })
  }
  if (owner.status === 'active') return owner
  throw new ProgramError('refused', `${owner.name} is disabled`, {
    hint: `let them in again first: countersign user enable ${owner.name}`,
  })
}

const HEADING = ['ID', 'SERIAL', 'LABEL', 'SCOPES', 'ENDS', 'LAST USED']

function row(certificate: CertificateInfo): string[] {
  const { id, serial, label, scopes, expires, lastUsed } = certificate
  return [
    id,
    serial,
    label,
    scopes === '*' ? 'all that the roles allow' : scopes.join(' '),
    expires === undefined ? 'never' : day(expires),
    lastUsed === undefined ? 'never' : day(lastUsed),
  ]
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10)
}
