/**
 * `countersign lint`: what strict clients would refuse in the certificates of a file, and how to mend it.
 *
 * @module
 */
import type { Certificate, Finding, LintProfile } from '@countersign/x509'
import { type Command, Option } from 'commander'
import { addCommand, perform, type SharedFlags } from '../command.ts'
import { EXIT } from '../errors.ts'
import { readGivenFile } from '../given-file.ts'

interface LintFlags extends SharedFlags {
  profile?: LintProfile
}

/** One certificate of the file and what was found in it. */
interface Linted {
  /** From 1, in the order of the file. */
  readonly number: number
  readonly profile: LintProfile | undefined
  /** What it is called, where that can be read. */
  readonly label: string
  readonly findings: readonly Finding[]
}

/** Adds the command. */
export function addLint(program: Command): void {
  addCommand(program, 'lint <file>', 'say what clients will refuse in the certificates of a file')
    .addOption(
      new Option('--profile <kind>', 'what they are meant to be, if they do not say it').choices([
        'root',
        'issuer',
        'server',
        'client',
        'leaf',
      ]),
    )
    .addHelpText('after', '\nEnds with 1 where a finding is an error, else with 0.')
    .action(async (file: string, flags: LintFlags) =>
      perform(flags, async ({ output }) => {
        const linted = await lintFile(file, flags.profile)
        const value = linted.flatMap(({ number, findings }) =>
          findings.map((finding) => ({ certificate: number, ...finding })),
        )
        output.result(value, linted.map(describe).join('\n'))
        if (value.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.failed
      }),
    )
}

async function lintFile(file: string, asked: LintProfile | undefined): Promise<Linted[]> {
  const {
    Certificate: Reader,
    lint,
    lintProfile,
    parsePem,
    X509Error,
  } = await import('@countersign/x509')
  const bytes = readGivenFile(file)
  const isDer = bytes[0] === 0x30
  const ders = isDer
    ? [bytes]
    : parsePem(bytes.toString('latin1'), file)
        .filter(({ label }) => /^(?:X\.?509 )?CERTIFICATE$/.test(label))
        .map(({ der }) => der)
  // The parser has the right words for a file without any.
  if (ders.length === 0) Reader.parseAll(bytes, file)
  const time = new Date()
  return ders.map((der, index) => {
    const findings = lint(der, { profile: asked, time })
    const certificate = readable(() => Reader.parse(der, file), X509Error)
    return {
      number: index + 1,
      profile: asked ?? (certificate && lintProfile(certificate)),
      label: (certificate && readable(() => labelOf(certificate), X509Error)) ?? 'unreadable',
      findings,
    }
  })
}

/** What cannot be read is among the findings. */
function readable<T>(part: () => T, kind: new (...given: never[]) => Error): T | undefined {
  try {
    return part()
  } catch (error) {
    if (!(error instanceof kind)) throw error
    return undefined
  }
}

function labelOf(certificate: Certificate): string {
  const [name] = certificate.subjectAltNames
  if (!certificate.subject.isEmpty) return certificate.subject.toString()
  return name !== undefined && typeof name.value === 'string' ? name.value : 'without a name'
}

function describe({ number, profile, label, findings }: Linted): string {
  const what = profile === undefined ? '' : ` (${profile})`
  const head = `${number}. ${label}${what}: ${count(findings)}`
  const gravest = findings.toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  )
  return [head, ...gravest.flatMap(describeFinding)].join('\n')
}

function describeFinding({ id, severity, message, citation, fix, refusedBy }: Finding): string[] {
  return [
    `   ${severity}  ${message} [${id}]`,
    `      ${fix} (${citation})`,
    ...(refusedBy.length === 0 ? [] : [`      refused by: ${refusedBy.join(', ')}`]),
  ]
}

/** `1 error, 2 notices`. */
function count(findings: readonly Finding[]): string {
  const parts = SEVERITIES.flatMap((severity) => {
    const number = findings.filter((finding) => finding.severity === severity).length
    return number === 0 ? [] : [`${number} ${severity}${number === 1 ? '' : 's'}`]
  })
  return parts.length === 0 ? 'nothing found' : parts.join(', ')
}

/** The gravest first. */
const SEVERITIES = ['error', 'warning', 'notice'] as const
