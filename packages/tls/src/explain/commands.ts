/**
 * The commands of an explanation: our own program, every word quoted, nothing in it that a stranger wrote unchecked.
 *
 * @module
 */
import { isIP } from 'node:net'
import type { Certificate } from '@countersign/x509'
import { checkServerName, normalHost } from '../server-name.ts'
import type { TrustStore } from '../trust-store.ts'
import type { ExplainedTarget } from './explanation.ts'
import { shellCommand } from './plain-text.ts'

/** `countersign get https://api.corp.internal:8443/ --ca roots.pem`. */
export function getCommand(
  target: ExplainedTarget,
  flags: readonly string[],
  host: string | undefined = target.host,
): string | undefined {
  const { port } = target
  if (host === undefined || port === undefined) return undefined
  return shellCommand(['countersign', 'get', `https://${authorityOf(host, port)}/`, ...flags])
}

/** `countersign get http://127.0.0.1:8080/`. */
export function plainGetCommand({ host, port }: ExplainedTarget): string | undefined {
  if (host === undefined || port === undefined) return undefined
  return shellCommand(['countersign', 'get', `http://${authorityOf(host, port)}/`])
}

/** Fetches the certificate of the server into `server.pem`, and shows its fingerprint; nothing is believed yet. */
export function fetchCommand({ host, port }: ExplainedTarget): string | undefined {
  if (host === undefined || port === undefined) return undefined
  const show = shellCommand(['countersign', 'show', authorityOf(host, port), '--pem'])
  return show === undefined ? undefined : `${show} > server.pem`
}

/** What is issued again. */
export interface Reissued {
  leaf: Certificate | undefined
  /** The name that was asked for. */
  name: string | undefined
  purpose: 'server' | 'client'
}

/** Issues the certificate again: its own usable names, and the one that was asked for. */
export function issueCommand(reissued: Reissued): string | undefined {
  const words = issueWords(reissued)
  return words && shellCommand([...words, '--out', '.'])
}

/** Makes an authority afresh and issues from it: where an authority of the chain is at fault. */
export function newAuthorityCommand(reissued: Reissued): string | undefined {
  const words = issueWords(reissued)
  const data = ['--data', './authority']
  const init = shellCommand(['countersign', 'init', ...data])
  const issue = words && shellCommand([...words, ...data, '--out', '.'])
  return issue === undefined ? undefined : `${init} && ${issue}`
}

function issueWords({ leaf, name, purpose }: Reissued): string[] | undefined {
  const own = leaf === undefined ? [] : [...leaf.dnsNames, ...leaf.ipAddresses].map(normalHost)
  const common = purpose === 'client' ? leaf?.subject.get('commonName') : undefined
  const names = [name, ...own, common].flatMap((one) =>
    one !== undefined && isIssuable(one) ? [one] : [],
  )
  if (names.length === 0) return undefined
  const kind = purpose === 'client' ? ['--client'] : []
  return ['countersign', 'issue', ...new Set(names.slice(0, MOST_NAMES)), ...kind]
}

/**
 * Issues a client certificate and uses it.
 *
 * @param data - the folder of the authority
 */
export function clientCertificateCommand(
  data: string,
  target: ExplainedTarget,
  trust: TrustStore,
): string | undefined {
  const files = ['--cert', 'client.crt', '--key', 'client.key']
  const get = getCommand(target, [...trustFlags(trust), ...files])
  const words = ['countersign', 'issue', 'client', '--client', '--data', data, '--out', '.']
  const issue = shellCommand(words)
  return get === undefined || issue === undefined ? undefined : `${issue} && ${get}`
}

/** The flags that say what `trust` says, where it came from files that options named; the environment speaks for itself. */
export function trustFlags(trust: TrustStore): string[] {
  return trust.describe().sources.flatMap(({ name, path }) => {
    if (path === undefined) return []
    if (name === 'option ca') return ['--ca', path]
    return name === 'option extraCa' ? ['--extra-ca', path] : []
  })
}

/** The names of a certificate that a client can connect by; no wildcards, and nothing that it would refuse afterwards. */
export function connectableNames(certificate: Certificate): string[] {
  return [...certificate.dnsNames.map(normalHost), ...certificate.ipAddresses]
    .filter((name) => isIssuable(name) && !name.startsWith('*'))
    .filter((name) => checkServerName(name, certificate) === undefined)
    .slice(0, MOST_NAMES)
}

/** What an authority signs, and what no shell and no command line takes for something else. */
function isIssuable(name: string): boolean {
  if (isIP(name) !== 0) return true
  // Nobody takes a wildcard for a whole top level.
  return name.length <= 253 && HOST.test(name) && !/^\*\.[^.]+$/.test(name)
}

function authorityOf(host: string, port: number): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

const MOST_NAMES = 10
const HOST =
  /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i
