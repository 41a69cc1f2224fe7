/**
 * Runs the cases of x509-limbo (C2SP) through `verifyChain` with the profile `strict` and prints the score.
 *
 * Usage: node --conditions=@countersign/source tools/limbo.ts FILE      FILE: limbo.json of https://x509-limbo.com
 *
 * Fails where a case differs that `limbo-differences.ts` does not know, or where a known one no longer differs.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { CountersignError } from '@countersign/core'
import { Certificate, type VerifyOptions, verifyChain } from '@countersign/x509'
import { LIMBO_DIFFERENCES } from './limbo-differences.ts'

interface PeerName {
  kind: 'DNS' | 'IP' | 'RFC822'
  value: string
}

interface LimboCase {
  id: string
  trusted_certs: string[]
  untrusted_intermediates: string[]
  peer_certificate: string
  validation_kind: 'SERVER' | 'CLIENT'
  validation_time: string | null
  expected_result: 'SUCCESS' | 'FAILURE'
  expected_peer_name: PeerName | null
  expected_peer_names: PeerName[]
  extended_key_usage: string[]
  max_chain_depth: number | null
  crls: string[]
}

const [file] = process.argv.slice(2)
if (file === undefined) {
  console.error('usage: node --conditions=@countersign/source tools/limbo.ts FILE')
  process.exit(2)
}
const { testcases }: { testcases: LimboCase[] } = JSON.parse(readFileSync(file, 'utf8'))
const differing: string[] = []
const score = { SUCCESS: [0, 0], FAILURE: [0, 0] }
let failed = false

for (const testcase of testcases) {
  const { accepted, why } = run(testcase)
  const expected = testcase.expected_result
  const agrees = accepted === (expected === 'SUCCESS')
  score[expected][1] = (score[expected][1] ?? 0) + 1
  if (agrees) score[expected][0] = (score[expected][0] ?? 0) + 1
  else differing.push(testcase.id)
  if (process.argv.includes('--all'))
    console.log(`${agrees ? 'ok ' : 'DIFFERS'} ${testcase.id}: ${why}`)
  if (agrees) continue
  const sentence = LIMBO_DIFFERENCES.get(testcase.id)
  console.log(`${testcase.id}: ${accepted ? 'accepted' : 'refused'}, expected ${expected} (${why})`)
  console.log(`  ${sentence ?? 'UNEXPLAINED'}`)
  failed ||= sentence === undefined
}
for (const id of LIMBO_DIFFERENCES.keys()) {
  if (differing.includes(id)) continue
  console.log(`${id}: listed as a difference, and there is none`)
  failed = true
}
const [good = 0, goodAll = 0] = score.SUCCESS
const [bad = 0, badAll = 0] = score.FAILURE
console.log(
  `${good + bad} of ${testcases.length} as expected: SUCCESS ${good} of ${goodAll} (${goodAll - good} good ones refused), ` +
    `FAILURE ${bad} of ${badAll} (${badAll - bad} bad ones accepted), none skipped`,
)
if (failed) process.exitCode = 1

function run(testcase: LimboCase): { accepted: boolean; why: string } {
  const name = testcase.expected_peer_name ?? testcase.expected_peer_names[0]
  const options: VerifyOptions = {
    leaf: testcase.peer_certificate,
    intermediates: testcase.untrusted_intermediates,
    roots: testcase.trusted_certs,
    purpose: testcase.validation_kind === 'SERVER' ? 'server' : 'client',
    name: name && reference(name),
    time: testcase.validation_time === null ? undefined : new Date(testcase.validation_time),
    maxDepth: testcase.max_chain_depth ?? undefined,
    crls: testcase.crls.length > 0 ? testcase.crls : undefined,
  }
  try {
    const verdict = verifyChain(options)
    if (!verdict.ok) return { accepted: false, why: `${verdict.code}: ${verdict.message}` }
    // The others that the case wants on the leaf beside the first.
    const leaf = Certificate.parse(testcase.peer_certificate)
    const accepted = testcase.expected_peer_names.every((one) => leaf.matchesName(reference(one)))
    return { accepted, why: 'a chain was found' }
  } catch (error) {
    // What cannot even be parsed is refused; anything else is a fault of ours.
    if (error instanceof CountersignError) return { accepted: false, why: error.message }
    throw error
  }
}

function reference({
  kind,
  value,
}: PeerName): { dns: string } | { ip: string } | { email: string } {
  if (kind === 'IP') return { ip: value }
  return kind === 'DNS' ? { dns: value } : { email: value }
}
