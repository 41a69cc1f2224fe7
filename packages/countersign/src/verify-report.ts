/**
 * What `countersign verify` answers, as facts for `--json` and as text.
 *
 * @module
 */
import type { CertificateFacts, Explanation, Fix, TrustDescription } from '@countersign/tls'
import type { ClientPrediction, OcspStatus, Refusal } from '@countersign/x509'
import { wrapped } from './columns.ts'
import { chainLines, fixLines, type Paint, verdictLines } from './explanation-text.ts'

/** One client that was predicted. */
interface ClientReport extends Omit<ClientPrediction, 'certificate'> {
  readonly certificate?: CertificateFacts
}

/** The answer; `JSON.stringify` makes ISO strings of its dates. */
export interface VerifyReport {
  ok: boolean
  code?: Refusal['code'] | undefined
  message: string
  /** One sentence, with one command where there is one. */
  hint?: string | undefined
  /** The certificate the fault is about. */
  certificate?: CertificateFacts | undefined
  /** From the leaf up to where it ends. */
  chain: Explanation['chain']
  /** Behind the code: which name, which date, which key. */
  facts?: Refusal['facts'] | undefined
  /** Whose revocation was checked, and with which lists and answers. */
  revocation: {
    checked: 'off' | 'leaf' | 'chain'
    lists: ListFacts[]
    /** Absent where none was given. */
    answers?: OcspFacts[] | undefined
    /** Which list or answer spoke for which certificate, where the chain is trusted. */
    proofs: ProofFacts[]
  }
  clients: ClientReport[]
  file: string
  name?: string | undefined
  purpose: 'server' | 'client'
  time: string
  trust: TrustDescription
}

/** A list that was given. */
export interface ListFacts {
  issuer: string
  number?: bigint | undefined
  thisUpdate: Date
  nextUpdate?: Date | undefined
  revoked: number
}

/** A response of an OCSP responder that was given. */
export interface OcspFacts {
  status: OcspStatus
  producedAt?: Date | undefined
  /** What it says of which serial number; empty where the responder refused. */
  says: { serialNumber: string; status: 'good' | 'revoked' | 'unknown' }[]
}

/** What said that a certificate is not revoked. */
export interface ProofFacts {
  subject: string
  source: 'crl' | 'ocsp'
  by: string
  thisUpdate: Date
  nextUpdate?: Date | undefined
}

/** The answer as a page of text: verdict, chain, who else would refuse, one way out. */
export function reportText(report: VerifyReport, fix: Fix | undefined, paint: Paint): string {
  const sections = [
    verdictLines(report, paint),
    chainLines({ ...report, chain: marked(report) }, paint),
    clientLines(report, paint),
    fix === undefined ? [] : fixLines('Fix', fix, paint),
  ]
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** A link may hold and the certificate still be at fault: the mark says both. */
function marked({ chain, certificate }: VerifyReport): VerifyReport['chain'] {
  return chain.map((one) =>
    one.fingerprint === certificate?.fingerprint ? { ...one, link: 'broken' } : one,
  )
}

function clientLines({ clients, message }: VerifyReport, paint: Paint): string[] {
  const refusing = clients.filter(({ ok }) => !ok)
  const accepting = clients.filter(({ ok }) => ok).map(({ name }) => name)
  const lines = refusing.flatMap((one) => {
    const why = one.message === message ? 'the same' : `${one.message} [${one.code}]`
    const [first = '', ...rest] = wrapped(`${one.name}: ${why}`, 4)
    return [`  ${paint('red', '✗')} ${first.trimStart()}`, ...rest]
  })
  if (accepting.length > 0) {
    const [first = '', ...rest] = wrapped(accepting.join(', '), 4)
    lines.push(`  ${paint('green', '✓')} ${first.trimStart()}`, ...rest)
  }
  return [paint('bold', 'Other clients'), ...lines]
}
