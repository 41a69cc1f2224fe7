/**
 * Chains for comparing the profile `openssl` with what is built on OpenSSL.
 *
 * @module
 */
import { integer } from '../src/der-writer.ts'
import { buildCrl, type Certificate, Name, type PrivateKey } from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  anyKey,
  authority,
  type Deviation,
  flipped,
  HOST,
  type Issuer,
  leafOf,
  raw,
  without,
} from './verify-world.ts'

/** A chain as a server sends it. */
export interface OpensslChain {
  what: string
  /** Leaf first. */
  sent: readonly Certificate[]
  /** The leaf's. */
  key: PrivateKey
  roots: readonly Certificate[]
  crls: readonly string[] | undefined
}

// The clocks of others cannot be set: these chains are of today.
const today = Date.now()
const days = (count: number): Date => new Date(today + count * 86_400_000)
const valid = { notBefore: days(-10), notAfter: days(10) }
const old = { notBefore: days(-10), notAfter: days(-1) }

const root = make('Root')
const issuing = make('Issuing', root)

function make(name: string, by?: Issuer, deviation: Deviation = {}): Issuer {
  return authority(name, by, { ...valid, ...deviation })
}

interface Case {
  what: string
  /** How the leaf below {@link issuing} deviates. */
  leaf?: Deviation
  /** What the server sends, and what the client trusts. @defaultValue {@link issuing} and {@link root} */
  by?: Issuer
  sent?: readonly Issuer[]
  roots?: readonly Issuer[]
  crls?: readonly string[]
}

function emptyList(of: Issuer): string {
  const revoked: [] = []
  const dates = { thisUpdate: days(-1), nextUpdate: days(1) }
  const template = { issuer: of.certificate, crlNumber: 1n, revoked, ...dates }
  return buildCrl(template, of.key.signer()).pem
}

const expiredRoot = make('Expired', undefined, old)
const expired = make('Expired Issuing', root, old)
const silent = make('No Key Id', undefined, { change: without(OID.subjectKeyIdentifier) })
const lax = make('Lax', undefined, { change: flipped(OID.basicConstraints) })
const short = make('Short', root, { ca: { pathLength: 0 } })
const tooLow = make('Too Low', short)
const none = make('No CA', root, { change: without(OID.basicConstraints) })
const noCa = make('No CA Root', undefined, { change: without(OID.basicConstraints) })
const clients = make('Clients', root, { extendedKeyUsage: ['clientAuth'] })
const hosts = { permitted: [{ type: 'dns', value: 'corp.internal' } as const] }
const constrained = make('Constrained', root, { nameConstraints: hosts })
const elsewhere = { permitted: [{ type: 'dns', value: 'other.example' } as const] }
const foreign = make('Foreign', root, { nameConstraints: elsewhere })
const renewed = make('Root')
const commonName = { subject: Name.from({ commonName: HOST }), change: without(OID.subjectAltName) }
const named = (value: string): Deviation => ({ subjectAltNames: [{ type: 'dns', value }] })

const CASES: readonly Case[] = [
  { what: 'a plain chain' },
  { what: 'an expired leaf', leaf: old },
  { what: 'a leaf of tomorrow', leaf: { notBefore: days(1), notAfter: days(2) } },
  { what: 'an expired intermediate', by: expired },
  { what: 'an expired root', by: expiredRoot, sent: [], roots: [expiredRoot] },
  { what: 'a missing intermediate', sent: [] },
  { what: 'a root that is sent and not trusted', sent: [issuing, root], roots: [renewed] },
  { what: 'a root that is unknown', roots: [silent] },
  { what: 'a root that was made anew', roots: [renewed] },
  { what: 'old and new root', roots: [renewed, root] },
  { what: 'a trusted intermediate alone', sent: [], roots: [issuing] },
  { what: 'a trusted intermediate and the root', sent: [], roots: [issuing, root] },
  { what: 'another name', leaf: named('other.corp.internal') },
  { what: 'a wildcard', leaf: named('*.corp.internal') },
  { what: 'a partial wildcard', leaf: named('a*i.corp.internal') },
  { what: 'a common name alone', leaf: commonName },
  { what: 'a leaf for clients', leaf: { extendedKeyUsage: ['clientAuth'] } },
  { what: 'a leaf for anything', leaf: { extendedKeyUsage: ['any'] } },
  { what: 'a leaf without extended usages', leaf: { extendedKeyUsage: [] } },
  { what: 'an intermediate for clients', by: clients },
  { what: 'an intermediate that is no authority', by: none },
  { what: 'a root with a key usage alone', by: noCa, sent: [], roots: [noCa] },
  { what: 'a path that is too long', by: tooLow, sent: [tooLow, short] },
  { what: 'a path that is long enough', by: short },
  { what: 'a host within constraints', by: constrained },
  {
    what: 'an address beside constraints of hosts',
    by: constrained,
    leaf: {
      subjectAltNames: [
        { type: 'dns', value: HOST },
        { type: 'ip', value: '10.0.0.1' },
      ],
    },
  },
  { what: 'a host outside constraints', by: foreign },
  { what: 'a root without key identifier', by: silent, sent: [], roots: [silent] },
  { what: 'a root without critical constraints', by: lax, sent: [], roots: [lax] },
  { what: 'no authority key identifier', leaf: { change: without(OID.authorityKeyIdentifier) } },
  { what: 'another authority key identifier', leaf: { authorityKeyId: Buffer.alloc(20, 1) } },
  {
    what: 'a critical authority key identifier',
    leaf: { change: flipped(OID.authorityKeyIdentifier) },
  },
  {
    what: 'an unknown critical extension',
    leaf: { extraExtensions: [raw('1.2.3.4', integer(1), true)] },
  },
  { what: 'lists of all authorities', crls: [emptyList(root), emptyList(issuing)] },
  { what: 'the list of the issuer alone', crls: [emptyList(issuing)] },
]

/** Every chain. */
export const OPENSSL_CHAINS: readonly OpensslChain[] = CASES.map(
  ({ what, leaf: deviation, by = issuing, sent = [by], roots = [root], crls }) => {
    const key = anyKey()
    const leaf = leafOf(by, { ...valid, key, ...deviation })
    return {
      what,
      sent: [leaf, ...sent.map(({ certificate }) => certificate)],
      key,
      roots: roots.map(({ certificate }) => certificate),
      crls,
    }
  },
)
