/**
 * `countersign verify`: whether a certificate leads to a trusted root, and which other clients would say otherwise.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { styleText } from 'node:util'
import type { Explanation, Fix, TrustStore } from '@countersign/tls'
import type {
  Certificate,
  CertificateRevocationList,
  ReferenceName,
  Refusal,
  Verdict,
} from '@countersign/x509'
import { type Command, Option } from 'commander'
import { addCommand, collect, dataOption, perform, type SharedFlags } from '../command.ts'
import type { DataFolder } from '../data-folder.ts'
import { EXIT, ProgramError } from '../errors.ts'
import { shellWord } from '../shell.ts'
import {
  type GivenChain,
  readCertificates,
  readChain,
  readLimited,
  readName,
  readTime,
} from '../verify-input.ts'
import { type ListFacts, reportText, type VerifyReport } from '../verify-report.ts'

interface VerifyFlags extends SharedFlags {
  roots?: string[]
  intermediates?: string[]
  name?: ReferenceName
  purpose?: 'server' | 'client'
  time?: Date
  crl?: string[]
  passwordFile?: string
}

/** Adds the command. */
export function addVerify(program: Command): void {
  addCommand(
    program,
    'verify <file>',
    'verify a certificate, and say which clients would refuse it',
  )
    .addOption(dataOption())
    .option('--roots <file>', 'trust only the roots of this file or folder', collect)
    .option('--intermediates <file>', 'authorities between, beside those in the file', collect)
    .option('--name <name>', 'the host, address or e-mail address it must be for', readName)
    .addOption(
      new Option('--purpose <kind>', 'what it is for (default: server)').choices([
        'server',
        'client',
      ]),
    )
    .option('--time <iso>', 'the time to judge by (default: now)', readTime)
    .option('--crl <file>', 'revocation lists; one is needed for every authority', collect)
    .option('--password-file <file>', 'password of the file, where it is PKCS#12')
    .addHelpText(
      'after',
      `
The file is PEM, DER or PKCS#12: a certificate, and the intermediates it needs.
Without --roots the usual roots are trusted, and those of the data folder.
For an e-mail address the purpose is client unless it is given.
Ends with 0 where it is trusted, 3 where it is not, whatever other clients say.`,
    )
    .action(async (file: string, flags: VerifyFlags) =>
      perform(flags, async ({ output, data }) => {
        const { report, fix } = await verifyFile(file, flags, data)
        const text = reportText(report, fix, (style, words) =>
          styleText(style, words, { stream: process.stdout }),
        )
        output.page(report, text)
        if (!report.ok) process.exitCode = EXIT.trust
      }),
    )
}

async function verifyFile(
  file: string,
  flags: VerifyFlags,
  data: DataFolder,
): Promise<{ report: VerifyReport; fix: Fix | undefined }> {
  const { certificateFacts } = await import('@countersign/tls')
  const { predictClients, verifyChain } = await import('@countersign/x509')
  const question = await readQuestion(file, flags, data)
  const { name, purpose, time, crls, trust } = question
  const { trust: _, ...options } = {
    ...question,
    roots: trust.anchors,
    crls: crls.length === 0 ? undefined : crls,
  }
  const verdict = verifyChain(options)
  const explanation = await explainVerdict(question, verdict, file)
  const clients = predictClients(options).map(({ certificate, ...client }) => ({
    ...client,
    ...(certificate === undefined ? {} : { certificate: certificateFacts(certificate) }),
  }))
  const refuser = clients.find(({ ok }) => !ok)
  const fix = verdict.ok ? refuser && lintFix(file) : refusalFix(verdict, explanation, file)
  const shared = {
    hint: fix && [fix.text, fix.command].filter((part) => part !== undefined).join(': '),
    chain: explanation.chain,
    revocation: {
      checked: crls.length === 0 ? ('off' as const) : ('chain' as const),
      lists: crls.map(listFacts),
    },
    clients,
    file,
    name: name && Object.values(name).join(''),
    purpose,
    time: time.toISOString(),
    trust: trust.describe(),
  }
  if (verdict.ok) return { report: { ok: true, message: explanation.message, ...shared }, fix }
  const { code, message, certificate, facts } = verdict
  const about = certificate && certificateFacts(certificate)
  return { report: { ok: false, code, message, certificate: about, facts, ...shared }, fix }
}

/** All that is asked about. */
interface Question extends GivenChain {
  intermediates: readonly Certificate[]
  crls: readonly CertificateRevocationList[]
  trust: TrustStore
  name: ReferenceName | undefined
  purpose: 'server' | 'client'
  time: Date
}

async function readQuestion(file: string, flags: VerifyFlags, data: DataFolder): Promise<Question> {
  const { CertificateRevocationList: Reader } = await import('@countersign/x509')
  const { leaf, intermediates } = await readChain(file, flags.passwordFile)
  const { name, time = new Date() } = flags
  return {
    leaf,
    intermediates: [...intermediates, ...(await readCertificates(flags.intermediates ?? []))],
    crls: (flags.crl ?? []).flatMap((one) => Reader.parseAll(readLimited(one), one)),
    trust: await readRoots(flags.roots, data),
    name,
    purpose: flags.purpose ?? (name !== undefined && 'email' in name ? 'client' : 'server'),
    time,
  }
}

async function readRoots(
  roots: readonly string[] | undefined,
  data: DataFolder,
): Promise<TrustStore> {
  const { TlsError, TrustStore: Store } = await import('@countersign/tls')
  if (roots === undefined) {
    return Store.resolve({ extraCa: existsSync(data.roots) ? [data.roots] : undefined })
  }
  try {
    return Store.resolve({ ca: roots })
  } catch (error) {
    if (!(error instanceof TlsError)) throw error
    const message = error.message.replace(/^option ca\b/, '--roots')
    throw new ProgramError('file-unreadable', message, {
      hint: 'give a PEM or DER file of roots, or a folder of them',
      cause: error,
    })
  }
}

/** The same chain as `explain` shows it, with its ways out. */
async function explainVerdict(
  question: Question,
  verdict: Verdict,
  file: string,
): Promise<Explanation> {
  const { explainChain } = await import('@countersign/tls')
  const { leaf, intermediates, name, purpose, time, crls, trust } = question
  return explainChain({
    chain: [leaf, ...intermediates].map(({ der }) => der),
    trust,
    name: name === undefined || 'email' in name ? undefined : Object.values(name).join(''),
    purpose,
    time,
    crls: crls.map(({ der }) => der),
    target: { file },
    ...(verdict.ok ? { believed: true } : { code: verdict.code, message: verdict.message }),
  })
}

/** Where the chain ends too early, the rest is to be found; anything else is for whoever issued the certificate. */
function refusalFix(
  { code }: Refusal,
  { fixes, chain }: Explanation,
  file: string,
): Fix | undefined {
  const issuer = chain.findLast(({ superfluous }) => !superfluous)?.issuer || 'the issuer'
  const text = ENDS_EARLY.get(code)?.replace('ISSUER', () => issuer)
  if (text !== undefined) return { text, command: `countersign explain ${shellWord(file)}` }
  const { owner, caller } = fixes
  return owner?.command === undefined && caller?.command !== undefined ? caller : (owner ?? caller)
}

function lintFix(file: string): Fix {
  return {
    text: 'this says what to change so that every client takes it',
    command: `countersign lint ${shellWord(file)}`,
  }
}

function listFacts(list: CertificateRevocationList): ListFacts {
  return {
    issuer: list.issuer.toString(),
    number: list.number,
    thisUpdate: list.thisUpdate,
    nextUpdate: list.nextUpdate,
    revoked: list.size,
  }
}

const TRUST =
  'compare the fingerprint of ISSUER with what its owner says, and name its file with --roots'
const SEARCH = '; this looks for it on this machine'
/** What to do where a certificate above is not known; the command looks for it. */
const ENDS_EARLY: ReadonlyMap<string, string> = new Map<Refusal['code'], string>([
  ['untrusted-root', TRUST + SEARCH],
  ['missing-intermediate', `name the file of ISSUER with --intermediates${SEARCH}`],
  ['key-mismatch', TRUST + SEARCH],
  ['self-signed', TRUST + SEARCH],
  ['untrusted-root-sent', TRUST + SEARCH],
])
