import { describe, it } from 'node:test'
import { contextPrimitive, integer, oid, sequence } from '../src/der-writer.ts'
import type { RawExtension, Verdict } from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  assertAccepted,
  assertRefused,
  authority,
  type Deviation,
  type Issuer,
  leafOf,
  raw,
  verify,
} from './verify-world.ts'

const GOLD = '1.2.3.1'
const SILVER = '1.2.3.2'
const FOREIGN = '1.2.9.1'
const ANY = OID.anyPolicy

const demand = (skip: number): RawExtension =>
  raw(OID.policyConstraints, sequence(contextPrimitive(0, Uint8Array.of(skip))), true)
const noMapping = (skip: number): RawExtension =>
  raw(OID.policyConstraints, sequence(contextPrimitive(1, Uint8Array.of(skip))), true)
const noAny = (skip: number): RawExtension => raw(OID.inhibitAnyPolicy, integer(skip), true)
const mapping = (from: string, to: string): RawExtension =>
  raw(OID.policyMappings, sequence(sequence(oid(from), oid(to))), true)

/** Policies and further extensions, from the first intermediate to the leaf. */
type Level = [policies: readonly string[], ...extensions: RawExtension[]]

function policyChain(levels: readonly Level[], policies?: readonly string[]): Verdict {
  const root = authority('Root')
  const above: Issuer[] = [root]
  const deviations = levels.map(
    ([certificatePolicies, ...extraExtensions]): Deviation => ({
      certificatePolicies,
      extraExtensions,
    }),
  )
  for (const [index, deviation] of deviations.slice(0, -1).entries()) {
    above.unshift(authority(`Level ${index}`, above[0], deviation))
  }
  const leaf = leafOf(above[0] ?? root, deviations.at(-1))
  return verify(leaf, above, { policies })
}

const rows: [string, readonly Level[], readonly Level[], (readonly string[])?][] = [
  ['a policy must hold', [[[GOLD], demand(0)], [[GOLD]]], [[[GOLD], demand(0)], [[SILVER]]]],
  [
    'a policy must hold and the leaf has none',
    [[[GOLD], demand(0)], [[GOLD]]],
    [[[GOLD], demand(0)], [[]]],
  ],
  [
    'the demand begins later than the chain ends',
    [[[GOLD], demand(2)], [[]]],
    [
      [[GOLD], demand(1)],
      [[], demand(0)],
    ],
  ],
  ['the leaf itself demands', [[[GOLD]], [[GOLD], demand(0)]], [[[GOLD]], [[SILVER], demand(0)]]],
  ['anyPolicy stands for all', [[[ANY], demand(0)], [[GOLD]]], [[[], demand(0)], [[GOLD]]]],
  [
    'anyPolicy is inhibited',
    [[[GOLD], demand(0), noAny(1)], [[ANY]]],
    [[[GOLD], demand(0), noAny(0)], [[ANY]]],
  ],
  [
    'a policy is mapped',
    [[[GOLD], demand(0), mapping(GOLD, FOREIGN)], [[FOREIGN]]],
    [[[GOLD], demand(0), mapping(GOLD, FOREIGN)], [[GOLD]]],
  ],
  [
    'mapping is inhibited',
    [
      [[GOLD], noMapping(1)],
      [[GOLD], mapping(GOLD, FOREIGN)],
      [[FOREIGN], demand(0)],
    ],
    [
      [[GOLD], noMapping(0)],
      [[GOLD], mapping(GOLD, FOREIGN)],
      [[FOREIGN], demand(0)],
    ],
  ],
  [
    'anyPolicy is mapped',
    [[[GOLD], mapping(GOLD, SILVER)], [[]]],
    [[[GOLD], mapping(ANY, SILVER)], [[]]],
  ],
  ['one of the wanted holds', [[[GOLD, SILVER]], [[SILVER]]], [[[GOLD]], [[GOLD]]], [SILVER]],
  [
    'the wanted one is the name before the mapping',
    [[[GOLD], mapping(GOLD, FOREIGN)], [[FOREIGN]]],
    [[[SILVER], mapping(SILVER, GOLD)], [[GOLD]]],
    [GOLD],
  ],
  ['anyPolicy all the way answers every wish', [[[ANY]], [[ANY]]], [[[ANY]], [[]]], [GOLD]],
]

describe('certificate policies', () => {
  for (const [what, accepted, refused, policies] of rows) {
    it(`accepts and refuses where ${what}`, () => {
      assertAccepted(policyChain(accepted, policies))
      assertRefused(policyChain(refused, policies), 'rejected-by-policy', {
        rule: 'certificate-policy',
      })
    })
  }

  it('stays small where mappings multiply', () => {
    const all = Array.from({ length: 40 }, (_, index) => `1.2.4.${index}`)
    const pairs = all.flatMap((from) => all.map((to) => sequence(oid(from), oid(to))))
    const level: Level = [all, raw(OID.policyMappings, sequence(...pairs), true)]
    const levels: Level[] = [...Array.from({ length: 8 }, () => level), [all, demand(0)]]
    assertAccepted(policyChain(levels))
  })
})
