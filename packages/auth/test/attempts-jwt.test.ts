/**
 * Access tokens, bound and unbound, in every state and over every transport: one table, read as that of `attempts.test.ts`.
 */
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { AuthPeer } from '@countersign/auth'
import { scrubProcess, temporaryFolder } from '@countersign/testkit'
import {
  assertAnswer,
  badProof,
  invalid,
  ok,
  plain,
  required,
  scope,
  two,
} from './attempt-check.ts'
import { makeJwts, makeProofs, openMint, ORIGIN, type States } from './attempt-jwts.ts'
import { type Direct, openDirect, TLS } from './direct.ts'

scrubProcess()

/** Where the address of a token is seen at all, it is refused over all but TLS. */
const ELSEWHERE: [string, AuthPeer | undefined][] = [
  ['plain HTTP', { address: '192.0.2.1', encrypted: false }],
  ['plain HTTP on this machine', { address: '127.0.0.1', encrypted: false }],
  ['a connection of which nothing is known', undefined],
]

/** `reason` is the true one, which only the log is told. */
type Row = [state: string, expected: string, reason?: string | undefined, path?: string]

const TOKENS: Row[] = [
  ['good', ok],
  ['signed by hand', ok],
  ['with a lower-case scheme', ok],
  ['a second before its end', ok],
  ['expired', invalid, 'credential-expired'],
  ['expired for a minute', invalid, 'jwt-expired'],
  ['without an end', invalid, 'jwt-claim-missing'],
  ['of tomorrow', invalid, 'jwt-not-yet-valid'],
  ['for another audience', invalid, 'jwt-audience-mismatch'],
  ['for us among others', invalid, 'jwt-audience-mismatch'],
  ['for nobody', invalid, 'jwt-claim-missing'],
  ['of another issuer', invalid, 'jwt-issuer-mismatch'],
  ['of an issuer whose name begins like ours', invalid, 'jwt-issuer-mismatch'],
  ['without an issuer', invalid, 'jwt-claim-missing'],
  ['without an identifier', invalid, 'jwt-claim-missing'],
  ['without a subject', invalid, 'jwt-claim-missing'],
  ['without a client', invalid, 'jwt-claim-missing'],
  ['of a subject that nobody is', invalid, 'user-unknown'],
  ['without scopes', invalid, 'jwt-claim-missing'],
  ['of an epoch before', invalid, 'credential-outdated'],
  ['for reports', ok, undefined, '/reports'],
  ['for something else', scope, 'scope-missing', '/reports'],
  ['for what only begins like reports', scope, 'scope-missing', '/reports'],
  ['of the type JWT', invalid, 'jwt-type-refused'],
  ['without a type', invalid, 'jwt-type-refused'],
  ['of the type of a proof', invalid, 'jwt-type-refused'],
  ['of no key', invalid, 'jwt-key-ambiguous'],
  ['of a key that nobody has', invalid, 'jwt-key-unknown'],
  ['with a critical extension', invalid, 'jwt-critical-header'],
  ['with another algorithm of the same key', invalid, 'jwt-algorithm-refused'],
  ['with a changed claim', invalid, 'jwt-signature-invalid'],
  ['with a changed signature', invalid, 'jwt-signature-invalid'],
  ['without a signature', invalid, 'jwt-malformed'],
  ['unsigned', invalid, 'jwt-malformed'],
  ['cut short', invalid, 'jwt-not-canonical'],
  ['with a character more', invalid, 'jwt-signature-invalid'],
  ['with padding', invalid, 'jwt-not-canonical'],
  ['with a fourth part', invalid, 'jwt-malformed'],
  ['longer than 8 KiB', invalid, 'authorization-unsupported'],
  ["signed by a stranger under our key's name", invalid, 'jwt-signature-invalid'],
  ['signed by a stranger who brings the key along', invalid, 'jwt-key-ambiguous'],
  ['signed with our public key as a secret', invalid, 'jwt-algorithm-refused'],
  ['signed by a key that was given up', invalid, 'jwt-key-unknown'],
  ['taken back by its client', invalid, 'token-denied'],
  ['of a session', ok],
  ['of a session that was logged out', invalid, 'session-ended'],
  ['of a session that never was', invalid, 'session-ended'],
  ['of a key that was revoked', invalid, 'credential-revoked'],
  ['of a disabled user', invalid, 'user-disabled'],
  ['from before a new password', invalid, 'credential-outdated'],
  ['as a password of Basic', invalid, 'authorization-unsupported'],
  ['without a scheme', invalid, 'authorization-unsupported'],
  ['with the scheme DPoP, bound to no key', invalid, 'dpop-unbound'],
  ['twice in one header', two, 'authorization-twice'],
  ['in the query', required],
  ['in a form', required],
  ['in a cookie', invalid, 'session-unknown'],
  ['and a session', two, 'cookie-and-authorization'],
  ['bound to a certificate, without one', invalid, 'certificate-missing'],
  ['bound to a certificate, with another', invalid, 'certificate-differs'],
  ['bound to a certificate, with it', ok],
  ['bound to a certificate, with it in a header', invalid, 'certificate-missing'],
  ['bound to what cannot be read', invalid, 'certificate-differs'],
]

const PROOFS: Row[] = [
  ['a proof', ok],
  ['a proof, and a scheme in small letters', ok],
  ['no proof', badProof, 'dpop-missing'],
  ['a proof that was used', badProof, 'dpop-replayed'],
  ['a proof by another key', invalid, 'key-differs'],
  ['a proof by another key under the name of ours', badProof, 'dpop-signature'],
  ['a proof for another method', badProof, 'dpop-method'],
  ['a proof for another address', badProof, 'dpop-address'],
  ['a proof for another host', badProof, 'dpop-address'],
  ['a proof for plain HTTP', badProof, 'dpop-address'],
  ['a proof for another token', badProof, 'dpop-token'],
  ['a proof for no token', badProof, 'dpop-token'],
  ['a proof of two minutes ago', badProof, 'dpop-time'],
  ['a proof of in two minutes', badProof, 'dpop-time'],
  ['a proof without an identifier', badProof, 'dpop-malformed'],
  ['a proof of the type JWT', badProof, 'dpop-type'],
  ['a proof that is unsigned', badProof, 'dpop-algorithm'],
  ['a proof with the private key in it', badProof, 'dpop-key'],
  ['two proofs', badProof, 'dpop-malformed'],
  ['something that is no proof', badProof, 'dpop-malformed'],
  ['the scheme Bearer and no proof', invalid, 'key-differs'],
  ['the scheme Bearer and a proof', invalid, 'key-differs'],
  ['a proof and a changed token', invalid, 'jwt-signature-invalid'],
  ['a proof, bound to a certificate as well, with it', ok],
  ['a proof, bound to a certificate as well, with another', invalid, 'certificate-differs'],
  ['a proof, bound to a certificate as well, without one', invalid, 'certificate-missing'],
  ['no proof, bound to a certificate as well, with it', badProof, 'dpop-missing'],
]

describe('an attempt to be recognised by an access token', () => {
  const folder = temporaryFolder(after)
  const hooks: (() => void | Promise<void>)[] = []
  const tokens: States = new Map()
  const proofs: States = new Map()
  let direct: Direct | undefined
  after(async () => {
    for (const hook of hooks) await hook()
  })

  before(async () => {
    const keyFile = path.join(folder, 'auth.keys')
    direct = await openDirect((hook) => hooks.push(hook), {
      issuer: ORIGIN,
      keys: { path: keyFile },
      tokens: { audiences: ['https://other.internal'] },
    })
    const early = await openMint(direct, keyFile)
    const given = await early.token()
    await direct.auth.signingKeys.rotate({ compromised: true })
    const mint = await early.again()
    await makeJwts(mint, given, tokens)
    await makeProofs(mint, proofs)
    assert.deepEqual([...tokens.keys()].toSorted(), TOKENS.map(([state]) => state).toSorted())
    assert.deepEqual([...proofs.keys()].toSorted(), PROOFS.map(([state]) => state).toSorted())
  })

  for (const [kind, rows, states] of [
    ['access token', TOKENS, tokens],
    ['token bound to a key, with', PROOFS, proofs],
  ] as const) {
    for (const [state, expected, reason, where] of rows) {
      it(`${kind}, ${state}, over TLS`, async () => {
        const { peer = TLS, ...call } = states.get(state)?.() ?? assert.fail()
        await asked({ ...call, peer }, expected, where)
        if (reason !== undefined) assert.equal(direct?.events.at(-1)?.reason, reason)
      })
      for (const [transport, peer] of ELSEWHERE) {
        it(`${kind}, ${state}, over ${transport}`, async () => {
          const call = states.get(state)?.() ?? assert.fail()
          await asked({ ...call, peer }, expected === required ? required : plain, where)
        })
      }
    }
  }

  async function asked(
    call: Parameters<Direct['call']>[1],
    expected: string,
    where = '/private',
  ): Promise<void> {
    assert.ok(direct !== undefined)
    await assertAnswer(await direct.call(where, call), expected, { offersDpop: true })
  }
})
