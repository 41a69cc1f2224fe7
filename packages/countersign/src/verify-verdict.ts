/**
 * Our own verdict on a chain, and what others would say of it.
 *
 * @module
 */
import {
  certificateFacts,
  certificateTitle,
  type Explanation,
  explainChain,
  type Fix,
} from '@countersign/tls'
import {
  type Acceptance,
  type CertificateRevocationList,
  type OcspResponse,
  predictClients,
  type RevocationProof,
  type Verdict,
  verifyChain,
} from '@countersign/x509'
import { lintFix, refusalFix } from './verify-fix.ts'
import type { Question } from './verify-question.ts'
import type { ListFacts, OcspFacts, ProofFacts, VerifyReport } from './verify-report.ts'

/** Verifies with the profile `strict`, which is that of everything here. */
export function verifyQuestion(question: Question): { report: VerifyReport; fix: Fix | undefined } {
  const { file, leaf, intermediates, name, purpose, time, crls, answers, trust } = question
  const options = {
    leaf,
    intermediates,
    roots: trust.anchors,
    purpose,
    name,
    time,
    crls: crls.length === 0 ? undefined : crls,
    ocsp: answers.length === 0 ? undefined : answers,
  }
  const verdict = verifyChain(options)
  const explanation = explainVerdict(question, verdict)
  const clients = predictClients(options)
  const refuser = clients.find(({ ok }) => !ok)
  const fix = verdict.ok
    ? refuser && lintFix(refuser.certificate, question)
    : refusalFix(verdict, explanation, question)
  const shared = {
    hint: fix && [fix.text, fix.command].filter((part) => part !== undefined).join(': '),
    chain: explanation.chain,
    revocation: {
      checked: whoseRevocation(question),
      lists: crls.map(listFacts),
      ...(answers.length === 0 ? {} : { answers: answers.map(answerFacts) }),
      proofs: verdict.ok ? (verdict.revocation ?? []).map(proofFacts) : [],
    },
    clients: clients.map(({ certificate, ...client }) => ({
      ...client,
      ...(certificate === undefined ? {} : { certificate: certificateFacts(certificate) }),
    })),
    file,
    name: name && Object.values(name).join(''),
    purpose,
    time: time.toISOString(),
    trust: trust.describe(),
  }
  if (verdict.ok) return { report: { ok: true, message: trustedWords(verdict), ...shared }, fix }
  const { code, message, certificate, facts } = verdict
  const about = certificate && certificateFacts(certificate)
  return { report: { ok: false, code, message, certificate: about, facts, ...shared }, fix }
}

/** The same chain as `explain` shows it, with its ways out. */
function explainVerdict(question: Question, verdict: Verdict): Explanation {
  const { file, leaf, intermediates, name, purpose, time, crls, trust } = question
  const shared = {
    chain: [leaf, ...intermediates].map(({ der }) => der),
    trust,
    purpose,
    time,
    target: { file },
  }
  if (verdict.ok) {
    const explanation = explainChain(shared)
    // What only OpenSSL minds is the business of the other clients.
    const chain = explanation.chain.map((one): (typeof explanation.chain)[number] =>
      one.superfluous ? one : { ...one, link: 'ok', problem: undefined },
    )
    return { ...explanation, chain }
  }
  return explainChain({
    ...shared,
    name: name === undefined || 'email' in name ? undefined : Object.values(name).join(''),
    crls: crls.map(({ der }) => der),
    code: verdict.code,
    message: verdict.message,
  })
}

function trustedWords({ chain }: Acceptance): string {
  const [leaf, ...above] = chain.map(certificateTitle)
  const anchor = above.at(-1)
  const why = anchor === undefined ? 'it is in the store itself' : `its chain ends at ${anchor}`
  return `${leaf} is trusted: ${why}`
}

/** As `verifyChain` has it: lists are there for every authority, answers for one certificate each. */
function whoseRevocation({ crls, answers }: Question): 'off' | 'leaf' | 'chain' {
  if (crls.length > 0) return 'chain'
  return answers.length > 0 ? 'leaf' : 'off'
}

function proofFacts(proof: RevocationProof): ProofFacts {
  const { certificate, source, by, thisUpdate, nextUpdate } = proof
  return { subject: certificateTitle(certificate), source, by, thisUpdate, nextUpdate }
}

function answerFacts({ status, basic }: OcspResponse): OcspFacts {
  const says = (basic?.answers ?? []).map((one) => ({
    serialNumber: one.id.serialNumber,
    status: one.status,
  }))
  return { status, producedAt: basic?.producedAt, says }
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
