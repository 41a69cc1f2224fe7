/**
 * What other programs would say of a chain: that it works with one client proves little about the next.
 *
 * The rules of each client are in `verify/client-rules.ts`.
 *
 * @module
 */
import type { Certificate } from './certificate.ts'
import { Budget } from './verify/budget.ts'
import { buildPath } from './verify/build-path.ts'
import { CLIENT_RULES, type ClientRules } from './verify/client-rules.ts'
import type { ClientId } from './verify/client-support.ts'
import { readSettings, type Settings, type VerifyOptions } from './verify/options.ts'
import type { PolicyRule, ReasonCode } from './verify/verdict.ts'

/** What one client would say. */
export interface ClientPrediction {
  readonly client: ClientId
  /** For people, with the version whose behaviour was measured: `Python 3.13`. */
  readonly name: string
  readonly ok: boolean
  /** Why it refuses; absent where it does not. */
  readonly code?: ReasonCode
  /** The fault with its facts; no capital, no full stop. */
  readonly message?: string
  /** The certificate the fault is about. */
  readonly certificate?: Certificate
  /** The client's rule behind `rejected-by-policy`. */
  readonly rule?: PolicyRule
}

/**
 * Predicts who would accept a chain: Node, curl, Python up to 3.12 and from 3.13 on, Go, Java, Chromium, Firefox.
 *
 * Each is taken as it comes: its own defaults, with the roots given as what it trusts. `profile`, `policies` and `maxDepth` are
 * ours and do not count. Where revocation is checked, the clients on OpenSSL are taken to have been given the same lists, and
 * check every certificate with them; the others take none. OCSP answers change nothing: none of these reads them by itself. For
 * the purpose `client` the answer is that of servers which ask for certificates; curl and browsers are none. The common bound of
 * verifyChain on signatures holds for each client.
 *
 * @returns one prediction a client, always in the same order
 * @throws as {@link verifyChain}
 */
export function predictClients(options: VerifyOptions): ClientPrediction[] {
  const settings = readSettings(options)
  const known = new Budget()
  return CLIENT_RULES.filter(
    ({ verifiesClients }) => settings.purpose !== 'client' || verifiesClients,
  ).map((rules) => predict(rules, settings, new Budget(known)))
}

function predict(rules: ClientRules, settings: Settings, budget: Budget): ClientPrediction {
  const { client, name, isOpenssl } = rules
  const verdict = buildPath(
    {
      ...settings,
      strict: !isOpenssl,
      maxDepth: MAX_DEPTH,
      policies: undefined,
      acceptStale: false,
      revocation: isOpenssl && takesLists(settings) ? 'chain' : 'off',
    },
    rules,
    budget,
  )
  if (verdict.ok) return { client, name, ok: true }
  const { code, message, certificate, facts } = verdict
  return {
    client,
    name,
    ok: false,
    code,
    message,
    ...(certificate === undefined ? {} : { certificate }),
    ...(code === 'rejected-by-policy' ? { rule: facts.rule } : {}),
  }
}

/** Whoever gives OCSP answers and no lists says nothing of lists. */
function takesLists({ revocation, crls, ocsp }: Settings): boolean {
  return revocation !== 'off' && (crls.length > 0 || ocsp.length === 0)
}

/** OpenSSL's; the others have none, or one that no honest chain reaches. */
const MAX_DEPTH = 100
