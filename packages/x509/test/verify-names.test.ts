import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type GeneralName,
  type GeneralSubtree,
  Name,
  parseGeneralName,
  type Verdict,
} from '../src/index.ts'
import { OID } from '../src/oid.ts'
import {
  assertAccepted,
  assertRefused,
  authority,
  flipped,
  leafOf,
  type Options,
  verify,
} from './verify-world.ts'

const root = authority('Example Root')

interface Constraints {
  permitted?: GeneralSubtree[]
  excluded?: GeneralSubtree[]
}

/** A leaf with names below an authority with constraints. */
function constrained(
  nameConstraints: Constraints,
  names: readonly GeneralName[],
  options: Options = {},
  subject: Name = Name.from({}),
): Verdict {
  const middle = authority('Constrained', root, { nameConstraints })
  const leaf = leafOf(middle, { subjectAltNames: names, subject })
  return verify(leaf, [middle, root], { name: undefined, ...options })
}

const dns = (value: string): GeneralName => ({ type: 'dns', value })
const ip = (value: string): GeneralName => ({ type: 'ip', value })
const email = (value: string): GeneralName => ({ type: 'email', value })
const uri = (value: string): GeneralName => ({ type: 'uri', value })
const other = (last: number): GeneralName => ({
  type: 'other',
  oid: `1.2.3.${last}`,
  value: Uint8Array.of(5, 0),
})
const directory = (organization: string, commonName?: string): GeneralName => ({
  type: 'directory',
  value: Name.from(commonName === undefined ? { organization } : { organization, commonName }),
})

/** Kind of name, tree, inside it, outside it. */
const trees: [GeneralSubtree, GeneralName, GeneralName][] = [
  [dns('corp.internal'), dns('corp.internal'), dns('corp.external')],
  [dns('corp.internal'), dns('a.b.corp.internal'), dns('notcorp.internal')],
  [dns('Corp.Internal'), dns('API.corp.internal'), dns('internal')],
  [dns('corp.internal'), dns('*.corp.internal'), dns('*.internal')],
  [ip('10.0.0.0/8'), ip('10.255.255.255'), ip('11.0.0.0')],
  [ip('10.1.2.0/23'), ip('10.1.3.4'), ip('10.1.4.1')],
  [ip('fd00::/8'), ip('fd12::1'), ip('fe80::1')],
  [ip('10.0.0.0/8'), ip('10.0.0.1'), ip('::ffff:10.0.0.1')],
  [email('ada@corp.internal'), email('ada@CORP.internal'), email('Ada@corp.internal')],
  [email('corp.internal'), email('bob@corp.internal'), email('bob@a.corp.internal')],
  [email('.corp.internal'), email('bob@a.corp.internal'), email('bob@corp.internal')],
  [uri('corp.internal'), uri('https://corp.internal/x'), uri('https://a.corp.internal/')],
  [uri('.corp.internal'), uri('spiffe://a.corp.internal/x'), uri('spiffe://corp.internal/x')],
  [
    uri('corp.internal'),
    uri('https://ada@corp.internal:8443'),
    uri('https://corp.internal@evil.example'),
  ],
  [directory('Example'), directory('example', 'a'), directory('Example2', 'a')],
]

describe('name constraints', () => {
  for (const [tree, inside, outside] of trees) {
    const words = [tree, inside, outside].map((one) =>
      one.type === 'directory' ? one.value.toString() : 'value' in one ? String(one.value) : '',
    )
    it(`${tree.type} ${words[0]}: covers ${words[1]}, not ${words[2]}`, () => {
      const names = [inside]
      assertAccepted(constrained({ permitted: [tree] }, names))
      assertRefused(constrained({ excluded: [tree] }, names), 'name-constraint', {
        rule: 'excluded',
        constrainedBy: 'CN=Constrained',
      })
      assertRefused(constrained({ permitted: [tree] }, [outside]), 'name-constraint', {
        rule: 'not-permitted',
      })
      // Another kind of name is not concerned; a wildcard above the tree holds hosts that are.
      if (words[2] !== '*.internal') assertAccepted(constrained({ excluded: [tree] }, [outside]))
    })
  }

  it('refuses a wildcard that covers an excluded host, and one that goes beyond a permitted tree', () => {
    const excluded = [dns('secret.corp.internal')]
    assertRefused(constrained({ excluded }, [dns('*.corp.internal')]), 'name-constraint', {
      rule: 'excluded',
      name: 'DNS:*.corp.internal',
      constraints: ['DNS:secret.corp.internal'],
    })
    assertAccepted(constrained({ excluded }, [dns('*.other.corp.internal')]))
    assertAccepted(
      constrained({ excluded: [dns('a.secret.corp.internal')] }, [dns('*.corp.internal')]),
    )
    assertRefused(constrained({ permitted: excluded }, [dns('*.corp.internal')]), 'name-constraint')
    // OpenSSL compares the wildcard as the text it is.
    assertAccepted(constrained({ excluded }, [dns('*.corp.internal')], { profile: 'openssl' }))
  })

  it('lets no address through where only hosts are permitted, though OpenSSL does', () => {
    const permitted = [dns('corp.internal')]
    const names = [dns('a.corp.internal'), ip('10.0.0.1')]
    assertRefused(constrained({ permitted }, names), 'name-constraint', {
      rule: 'address-not-permitted',
      name: 'IP:10.0.0.1',
    })
    assertAccepted(constrained({ permitted }, names, { profile: 'openssl' }))
    assertAccepted(constrained({ permitted: [...permitted, ip('10.0.0.0/8')] }, names))
    assertAccepted(constrained({ permitted: [ip('10.0.0.0/8')] }, names))
  })

  it('holds the subject and its mailboxes against the trees', () => {
    const permitted = [directory('Example')]
    const names = [dns('a.corp.internal')]
    const subject = Name.from({ organization: 'Other' })
    assertAccepted(constrained({ permitted }, names))
    assertRefused(constrained({ permitted }, names, {}, subject), 'name-constraint', {
      name: 'DirName:O=Other',
    })
    const mailbox = Name.from({ emailAddress: 'ada@other.example' })
    const domain = { permitted: [email('corp.internal')] }
    assertRefused(constrained(domain, names, { purpose: 'client' }, mailbox), 'name-constraint')
    assertAccepted(constrained(domain, names))
  })

  it('refuses what it cannot check only where there is such a name', () => {
    const excluded = [other(1)]
    assertRefused(constrained({ excluded }, [dns('a.b'), other(1)]), 'name-constraint', {
      rule: 'unsupported',
    })
    assertAccepted(constrained({ excluded }, [dns('a.b'), other(2)]))
  })

  it('refuses malformed trees, which OpenSSL reads in its own way', () => {
    const leading = { permitted: [dns('.corp.internal')] }
    const names = [dns('a.corp.internal')]
    assertRefused(constrained(leading, names), 'name-constraint', {
      rule: 'malformed-constraint',
      constraints: ['DNS:.corp.internal'],
    })
    assertAccepted(constrained(leading, names, { profile: 'openssl' }))
    const above = constrained(leading, [dns('corp.internal')], { profile: 'openssl' })
    assertRefused(above, 'name-constraint')
    const twoSigns = { permitted: [email('a@b@corp.internal')] }
    assertRefused(constrained(twoSigns, names), 'name-constraint', { rule: 'malformed-constraint' })
  })

  it('refuses a URI without a host, or with an address as one, under a constraint of URIs', () => {
    const permitted = [uri('corp.internal')]
    for (const name of ['urn:x:y', 'https://10.0.0.1/', 'https://[::1]/']) {
      const refused = constrained({ permitted }, [uri(name)])
      assertRefused(refused, 'name-constraint', { rule: 'malformed-name' })
      assertAccepted(constrained({ permitted: [dns('corp.internal')] }, [uri(name)]))
    }
  })

  it('narrows from authority to authority, and never widens', () => {
    const wide = { permitted: [dns('corp.internal')] }
    const narrow = { permitted: [dns('a.corp.internal')] }
    for (const [upper, lower] of [
      [wide, narrow],
      [narrow, wide],
    ] as const) {
      const first = authority('First', root, { nameConstraints: upper })
      const second = authority('Second', first, { nameConstraints: lower })
      const chain = [second, first, root]
      const check = (host: string): Verdict =>
        verify(leafOf(second, { subjectAltNames: [dns(host)] }), chain, { name: undefined })
      assertAccepted(check('x.a.corp.internal'))
      assertRefused(check('b.corp.internal'), 'name-constraint')
    }
  })

  it('spares self-issued authorities, not leaves', () => {
    const nameConstraints = { permitted: [dns('corp.internal')] }
    const foreign = [parseGeneralName('other.example')]
    for (const [name, accepted] of [
      ['Same', true],
      ['Another', false],
    ] as const) {
      const upper = authority('Same', root, { nameConstraints })
      const lower = authority(name, upper, { subjectAltNames: foreign })
      const verdict = verify(leafOf(lower), [lower, upper, root])
      if (accepted) assertAccepted(verdict)
      else assertRefused(verdict, 'name-constraint', { name: 'DNS:other.example' })
    }
  })

  it('holds for the constraints of a root, and wants them critical', () => {
    const nameConstraints = { permitted: [dns('other.example')] }
    const top = authority('Constrained Root', undefined, { nameConstraints })
    assertRefused(verify(leafOf(top), [top]), 'name-constraint')
    const own = { permitted: [dns('corp.internal')] }
    const good = authority('Good', undefined, { nameConstraints: own })
    assertAccepted(verify(leafOf(good), [good]))
    const change = flipped(OID.nameConstraints)
    const lax = authority('Lax', undefined, { nameConstraints: own, change })
    assertRefused(verify(leafOf(lax), [lax]), 'rejected-by-policy', { rule: 'critical-flag' })
    assertAccepted(verify(leafOf(lax), [lax], { profile: 'openssl' }))
  })

  it('stops comparing where there are too many names', () => {
    const permitted = Array.from({ length: 700 }, (_, index) => dns(`x${index}.internal`))
    const names = Array.from({ length: 700 }, (_, index) => dns(`a.x${index}.internal`))
    assertRefused(constrained({ permitted }, names), 'name-constraint', { rule: 'too-many' })
    assertAccepted(constrained({ permitted: permitted.slice(0, 50) }, names.slice(0, 50)))
    assert.equal(names.length, 700)
  })
})
