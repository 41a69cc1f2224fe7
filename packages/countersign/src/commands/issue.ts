/**
 * `countersign issue`: a certificate by names or for a request, its files written in one folder.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Issued } from '@countersign/authority'
import { errorMessage, writeFileAtomic } from '@countersign/core'
import type { CertificateRequest, KeyType } from '@countersign/x509'
import { type Command, Option } from 'commander'
import { accountName } from '../account-name.ts'
import type { AcmeIssueFlags } from '../acme-client/issue.ts'
import {
  addCommand,
  collect,
  dataOption,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { ProgramError } from '../errors.ts'
import { KEY_TYPES } from '../key-types.ts'
import { careForIssuer } from '../issuer-care.ts'
import { readSecretFile, withAuthority } from '../open-data.ts'
import { type ProfileFlags, profileOf } from '../profile-flags.ts'

interface IssueFlags
  extends SharedFlags,
    ProfileFlags,
    Partial<Omit<AcmeIssueFlags, 'keyType' | 'out'>> {
  csr?: string
  batch?: string
  keyType: KeyType
  days?: number
  out: string
  p12?: boolean
  legacy?: boolean
  passwordFile?: string
  force?: boolean
  dual?: boolean
  from?: string
  tokenFile?: string
}

/** Adds the command. */
export function addIssue(program: Command): void {
  addCommand(
    program,
    'issue [name...]',
    'issue a certificate for host names, addresses or a client',
  )
    .addOption(dataOption())
    .option('--client', 'for a client instead of a server')
    .option('--both', 'for a server that is a client as well')
    .option('--dual', 'also NAME.ml-dsa.crt and its key, under the second authority of init --dual')
    .option('--csr <file>', 'sign the key of this request; its extensions are not copied')
    .option(
      '--batch <file>',
      'a certificate for each line of names in this file; - is standard input',
    )
    .addOption(
      new Option('--key-type <type>', 'type of the new key').choices(KEY_TYPES).default('p256'),
    )
    .option(
      '--days <n>',
      'lifetime (default: 7, of a client 1), cut to the issuer’s own',
      wholeNumber(1, 3650),
    )
    .option('--out <dir>', 'folder for NAME.crt, NAME.key and roots.pem', '.')
    .option('--p12', 'also NAME.p12 (PKCS#12)')
    .option(
      '--legacy',
      'with --p12: for programs that know nothing newer than triple DES and SHA-1',
    )
    .option(
      '--password-file <file>',
      'password of NAME.p12; without it one is made and written beside',
    )
    .option('--force', 'replace NAME.key where it is already there')
    .option('--acme <url>', 'from the ACME server with this directory, instead of the data folder')
    .option('--http-port <port>', 'with --acme: where names are proven by HTTP (default: 80)')
    .option('--tls-port <port>', 'with --acme: prove names by TLS on this port')
    .option('--dns-hook <cmd>', 'with --acme: prove names by DNS; CMD present|cleanup NAME VALUE')
    .option('--acme-eab-kid <id>', 'with --acme: id of the key for a new account')
    .option('--acme-eab-key-file <file>', 'with --acme: file with that key, in base64url')
    .option('--acme-profile <name>', 'with --acme: which of the server’s profiles')
    .option('--acme-agree', 'with --acme: agree to the terms of the server')
    .option('--from <url>', 'from the authority on another machine, with an enrolment token')
    .option('--token-file <file>', 'with --from: file with the token of enroll-token')
    .option('--ca <file>', 'with --acme or --from: trust only the roots of this file', collect)
    .option('--extra-ca <file>', 'with --acme or --from: trust these roots as well', collect)
    .action(async (names: string[], flags: IssueFlags) =>
      perform(flags, async ({ output, data }) => {
        if (flags.batch !== undefined) {
          const { issueBatch } = await import('../issue-batch.ts')
          await issueBatch({ ...flags, batch: flags.batch }, names, { output, data })
          return
        }
        refuseWrongUse(names, flags)
        if (flags.acme !== undefined) {
          if (flags.force !== true) await refuseExistingKey(path.resolve(flags.out), names)
          const { issueByAcme } = await import('../acme-client/issue.ts')
          await issueByAcme(names, { ...flags, acme: flags.acme }, { output, data })
          return
        }
        if (flags.from !== undefined) {
          if (flags.force !== true) await refuseExistingKey(path.resolve(flags.out), names)
          const { issueFrom } = await import('../from-authority.ts')
          await issueFrom(names, { ...flags, from: flags.from }, { output, data })
          return
        }
        if (flags.dual === true) {
          const { issueDual } = await import('../issue-dual.ts')
          await issueDual(names, flags, { output, data })
          return
        }
        const request = flags.csr === undefined ? undefined : await readRequest(flags.csr)
        if (flags.force !== true) await refuseExistingKey(path.resolve(flags.out), names)
        const { PrivateKey } = await import('@countersign/x509')
        const key = request === undefined ? PrivateKey.generateSync(flags.keyType) : undefined
        const written = await withAuthority(data, async (authority) => {
          await careForIssuer(authority, data, (text) => {
            output.note(text)
          })
          const issued = await authority.issue({
            names: names.length > 0 ? names : undefined,
            csr: request,
            publicKey: key?.publicKey,
            profile: profileOf(flags),
            days: flags.days,
            requester: accountName(),
          })
          const { identityFileName, writeIdentity } = await import('@countersign/authority')
          const folder = path.resolve(flags.out)
          const name = nameOf(names, issued)
          const bundle = flags.p12 === true ? bundlePassword(flags) : undefined
          const files = await writeIdentity(folder, name, issued, {
            roots: authority.roots,
            formerRoots: authority.formerRoots,
            key,
            p12Password: bundle?.password,
            p12Legacy: flags.legacy,
            overwrite: flags.force === true,
          })
          if (bundle?.made !== true) return { issued, files }
          const p12Password = path.join(folder, `${identityFileName(name)}.p12.password`)
          await writeFileAtomic(p12Password, `${bundle.password}\n`)
          return { issued, files: { ...files, p12Password } }
        })
        const { certificate, serialNumber } = written.issued
        output.result(
          {
            serial: serialNumber,
            names: certificate.subjectAltNames,
            notAfter: certificate.notAfter,
            fingerprint: certificate.fingerprint,
            files: written.files,
          },
          Object.values(written.files)
            .filter((file) => file !== undefined)
            .join('\n'),
        )
        output.note(`serial ${serialNumber}, valid until ${certificate.notAfter.toISOString()}`)
      }),
    )
}

/** Before anything is issued: what cannot be handed over should not be in the ledger. */
async function refuseExistingKey(folder: string, names: readonly string[]): Promise<void> {
  const [name] = names
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new ProgramError('usage', `--out: ${folder} is no folder`, {
      hint: 'give a folder; the names of the files in it are those of the certificate',
    })
  }
  if (name === undefined) return
  const { identityFileName } = await import('@countersign/authority')
  const file = path.join(folder, `${identityFileName(name)}.key`)
  if (!existsSync(file)) return
  throw new ProgramError('file-exists', `${file} is there already`, {
    hint: 'choose another folder with --out, or replace the key with --force',
  })
}

/** The first name as it was given, or as the certificate has it. */
function nameOf(names: readonly string[], { certificate }: Pick<Issued, 'certificate'>): string {
  const [first] = certificate.subjectAltNames
  const own = first !== undefined && typeof first.value === 'string' ? first.value : undefined
  return names[0] ?? own ?? certificate.serialNumber
}

interface BundlePassword {
  password: string
  /** True where it was made here, and has to be written down. */
  made: boolean
}

/** The password of the PKCS #12 file: the given one, else one that is made and written beside it. */
function bundlePassword(flags: IssueFlags): BundlePassword {
  if (flags.passwordFile !== undefined) {
    return { password: readSecretFile(flags.passwordFile, 'password'), made: false }
  }
  return { password: randomBytes(18).toString('base64url'), made: true }
}

function refuseWrongUse(names: readonly string[], flags: IssueFlags): void {
  profileOf(flags)
  refuseWrongAcme(names, flags)
  refuseWrongFrom(names, flags)
  if (names.length === 0 && flags.csr === undefined) {
    throw new ProgramError('usage', 'give a name, or a request with --csr', {
      hint: 'countersign issue api.corp.internal',
    })
  }
  const url = names.find((name) => /^https?:\/\//i.test(name))
  if (url !== undefined) {
    throw new ProgramError('usage', `"${url}" is a URL, and a certificate is for a host name`, {
      hint: `countersign issue ${URL.parse(url)?.hostname ?? 'HOST'}`,
    })
  }
  const beside = NEVER_DUAL.find((name) => Reflect.get(flags, name) !== undefined)
  if (flags.dual === true && (beside !== undefined || flags.keyType.startsWith('ml-dsa'))) {
    const other = beside === undefined ? `--key-type ${flags.keyType}` : `--${beside}`
    throw new ProgramError('usage', `--dual and ${other} exclude each other`)
  }
  if (flags.legacy === true && flags.p12 !== true) {
    throw new ProgramError('usage', '--legacy needs --p12')
  }
  if (flags.csr !== undefined && flags.p12 === true) {
    throw new ProgramError('usage', '--p12 needs the private key, and --csr does not give it')
  }
}

/** What goes with `--acme` only, and what does not go with it. */
function refuseWrongAcme(names: readonly string[], flags: IssueFlags): void {
  const isGiven = (name: string): boolean => Reflect.get(flags, name) !== undefined
  if (flags.acme === undefined) {
    const lone = Object.entries(ONLY_ACME).find(
      ([name]) => isGiven(name) && !(flags.from !== undefined && TRUST.has(name)),
    )
    if (lone === undefined) return
    throw new ProgramError('usage', `${lone[1]} needs --acme`)
  }
  const other = Object.entries(NEVER_ACME).find(([name]) => isGiven(name))
  if (other !== undefined) throw new ProgramError('usage', `${other[1]} does not go with --acme`)
  if (names.length === 0) throw new ProgramError('usage', 'give a name to be certified')
}

/** What goes with `--from` only, and what does not go with it. */
function refuseWrongFrom(names: readonly string[], flags: IssueFlags): void {
  if (flags.from === undefined) {
    if (flags.tokenFile === undefined) return
    throw new ProgramError('usage', '--token-file needs --from')
  }
  const other = Object.entries(NEVER_FROM).find(([name]) => Reflect.get(flags, name) !== undefined)
  if (other !== undefined) throw new ProgramError('usage', `${other[1]} does not go with --from`)
  if (names.length === 0) throw new ProgramError('usage', 'give a name to be certified')
}

const NEVER_DUAL = ['acme', 'from', 'csr', 'p12'] as const
const NEVER_FROM = {
  acme: '--acme',
  csr: '--csr',
  p12: '--p12',
  passwordFile: '--password-file',
  data: '--data',
} as const
const TRUST: ReadonlySet<string> = new Set(['ca', 'extraCa'])
const ONLY_ACME = {
  httpPort: '--http-port',
  tlsPort: '--tls-port',
  dnsHook: '--dns-hook',
  acmeEabKid: '--acme-eab-kid',
  acmeEabKeyFile: '--acme-eab-key-file',
  acmeProfile: '--acme-profile',
  acmeAgree: '--acme-agree',
  ca: '--ca',
  extraCa: '--extra-ca',
} as const
const NEVER_ACME = {
  client: '--client',
  both: '--both',
  csr: '--csr',
  days: '--days',
  p12: '--p12',
  passwordFile: '--password-file',
} as const

async function readRequest(file: string): Promise<CertificateRequest> {
  const { CertificateRequest: Reader } = await import('@countersign/x509')
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
  return Reader.parse(bytes, file)
}
