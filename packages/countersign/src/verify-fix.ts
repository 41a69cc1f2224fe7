/**
 * The one way out that `countersign verify` names.
 *
 * @module
 */
import type { Explanation, Fix } from '@countersign/tls'
import type { Certificate, Refusal } from '@countersign/x509'
import { shellWord } from './shell.ts'
import type { Question } from './verify-question.ts'

/** Where the chain ends too early, the rest is to be found; anything else is for whoever issued the certificate. */
export function refusalFix(
  { code }: Refusal,
  { fixes, chain }: Explanation,
  { file }: Question,
): Fix | undefined {
  const issuer = chain.findLast(({ superfluous }) => !superfluous)?.issuer || 'the issuer'
  const text = ENDS_EARLY.get(code)?.replace('ISSUER', () => issuer)
  if (text !== undefined) return { text, command: `countersign explain ${shellWord(file)}` }
  const { owner, caller } = fixes
  return owner?.command === undefined && caller?.command !== undefined ? caller : (owner ?? caller)
}

/** Where only another client refuses: the linter knows what it wants, of the file that holds the certificate it is about. */
export function lintFix(
  about: Certificate | undefined,
  { file, trustFile, leaf, intermediates }: Question,
): Fix {
  const isSent = about === undefined || [leaf, ...intermediates].some((one) => one.equals(about))
  const where = isSent || trustFile === undefined ? file : trustFile
  return {
    text: 'this says what to change so that every client takes it',
    command: `countersign lint ${shellWord(where)}`,
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
