/**
 * What other clients would say of a chain.
 *
 * @module
 */
import { type Certificate, predictClients } from '@countersign/x509'
import { type Evidence, questionOf } from './analysis.ts'
import { shownFacts } from './chain-view.ts'
import type { ExplainedClient } from './explanation.ts'
import { plainText } from './plain-text.ts'

/** Node, curl, Python, Go, Java and browsers, each with the roots and the name of the evidence. */
export function otherClients(leaf: Certificate, evidence: Evidence): ExplainedClient[] {
  return predictClients(questionOf(leaf, evidence)).map(({ certificate, message, ...said }) => ({
    ...said,
    ...(message === undefined ? {} : { message: plainText(message) }),
    ...(certificate === undefined ? {} : { certificate: shownFacts(certificate) }),
  }))
}
