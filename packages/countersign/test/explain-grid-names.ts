/**
 * Rows of the grid of `explain` about names: the one that was asked for, and those that an authority may sign.
 *
 * @module
 */
import { type GeneralName, Name, type NameConstraints } from '@countersign/x509'
import {
  authority,
  type Deviation,
  flipped,
  type Holder,
  instead,
  leafOf,
  OID,
  without,
} from './explain-certificates.ts'
import { chainRow as row, type OwnAuthority, type Row } from './explain-grid-row.ts'
import { https } from './explain-servers.ts'

/**
 * The rows.
 *
 * @param constrained - an authority of ours that may sign for names below corp.internal only
 */
export function nameRows(own: OwnAuthority, constrained: OwnAuthority): Row[] {
  return [...hostRows(own), ...constraintRows(), ...constrainedRows(constrained)]
}

const root = authority('Grid Root')
const issuing = authority('Grid Issuing', root)
const API = 'api.corp.internal'

function hostRows(own: OwnAuthority): Row[] {
  const only = (...names: GeneralName[]): readonly Holder[] => [
    leafOf(issuing, { subject: NOBODY, subjectAltNames: names }),
    issuing,
  ]
  const ours = (...names: GeneralName[]): readonly Holder[] => [
    leafOf(own.issuer, { subject: NOBODY, subjectAltNames: names }),
    own.issuer,
  ]
  const commonName: Deviation = { change: without(OID.subjectAltName) }
  const nameless: Deviation = { subject: Name.from({ organization: 'Grid' }), ...commonName }
  return [
    row('an address as it should be', undefined, only(ip('127.0.0.1')), [root], {
      host: '127.0.0.1',
    }),
    row('a wildcard of the right depth', undefined, only(dns('*.corp.internal')), [root], {
      name: API,
    }),
    row(
      'an empty subject whose names are not critical',
      undefined,
      [leafOf(issuing, { subject: NOBODY, change: flipped(OID.subjectAltName) }), issuing],
      [root],
      { openssl: 'accepts' },
    ),
    row('a certificate for another host', 'name-mismatch', only(dns(API)), [root], {
      says: [/api\.corp\.internal/],
    }),
    row(
      'a certificate for another host of our own authority',
      'name-mismatch',
      ours(dns(API)),
      [own.root],
      {
        owner: 'trusted',
      },
    ),
    row(
      'a certificate for the host, asked for by address',
      'name-mismatch',
      only(dns('localhost')),
      [root],
      {
        host: '127.0.0.1',
        caller: 'trusted',
        says: [/localhost/],
      },
    ),
    row('an address that is written as a host', 'name-mismatch', only(dns('127.0.0.1')), [root], {
      host: '127.0.0.1',
      says: [/DNS name/],
    }),
    row(
      'an address that is written as a host, of our own authority',
      'name-mismatch',
      ours(dns('127.0.0.1')),
      [own.root],
      {
        host: '127.0.0.1',
        owner: 'trusted',
      },
    ),
    row(
      'a wildcard of one label, and two are needed',
      'name-mismatch',
      only(dns('*.corp.internal')),
      [root],
      {
        name: 'a.api.corp.internal',
        says: [/\*\.corp\.internal/, /one label/],
      },
    ),
    row(
      'a wildcard, and the name below it',
      'name-mismatch',
      only(dns('*.corp.internal')),
      [root],
      {
        name: 'corp.internal',
      },
    ),
    row('a wildcard of a top-level name', 'name-mismatch', only(dns('*.internal')), [root], {
      name: 'api.internal',
    }),
    row('a partial wildcard', 'name-mismatch', only(dns('a*.corp.internal')), [root], {
      name: API,
      openssl: 'accepts',
      python: 'refuses',
    }),
    row('a common name alone', 'name-mismatch', [leafOf(issuing, commonName), issuing], [root], {
      openssl: 'accepts',
      says: [/common name/],
    }),
    row(
      'a common name alone, of our own authority',
      'name-mismatch',
      [leafOf(own.issuer, commonName), own.issuer],
      [own.root],
      {
        openssl: 'accepts',
        owner: 'trusted',
      },
    ),
    row(
      'a certificate of version 1',
      'name-mismatch',
      [leafOf(issuing, { change: { versionOne: true } }), issuing],
      [root],
      {
        openssl: 'accepts',
      },
    ),
    row('no name at all', 'name-mismatch', [leafOf(issuing, nameless), issuing], [root]),
  ]
}

function constraintRows(): Row[] {
  const under = (
    constraints: NameConstraints,
    names: readonly GeneralName[] = [dns('localhost')],
    deviation: Deviation = {},
  ): readonly Holder[] => {
    const middle = authority('Constrained', root, { nameConstraints: constraints })
    return [leafOf(middle, { subject: NOBODY, subjectAltNames: [...names], ...deviation }), middle]
  }
  const permitted = constrainedRoot({ permitted: [dns('corp.internal')], excluded: [] })
  const excluded = constrainedRoot({ permitted: [], excluded: [dns('localhost')] })
  const fits = constrainedRoot({ permitted: [dns('localhost')], excluded: [] })
  const corp = { permitted: [dns('corp.internal')], excluded: [] }
  const here = { permitted: [dns('localhost')], excluded: [] }
  const both = [dns('localhost'), ip('127.0.0.1')]
  const escape: Deviation = {
    subject: Name.from({ commonName: 'localhost' }),
    change: without(OID.subjectAltName),
  }
  const onLeaf = leafOf(issuing, { change: instead(constraintsOf(permitted)) })
  return [
    row('a name that its intermediate permits', undefined, under(here), [root]),
    row(
      'a name that its root permits',
      undefined,
      [leafOf(fits, { subjectAltNames: [dns('localhost')] })],
      [fits],
    ),
    row('a name that its intermediate does not permit', 'name-constraint', under(corp), [root], {
      says: [/corp\.internal/, /localhost/, /Constrained/],
    }),
    row(
      'a name that its intermediate excludes',
      'name-constraint',
      under({ permitted: [], excluded: [dns('localhost')] }),
      [root],
    ),
    row(
      'a name that its root does not permit',
      'name-constraint',
      [leafOf(permitted)],
      [permitted],
      { says: [/Constrained Root/] },
    ),
    row('a name that its root excludes', 'name-constraint', [leafOf(excluded)], [excluded]),
    row(
      'an address outside the permitted range',
      'name-constraint',
      under({ permitted: [ip('10.0.0.0/8')], excluded: [] }, both),
      [root],
    ),
    row(
      'an address in the excluded range',
      'name-constraint',
      under({ permitted: [], excluded: [ip('127.0.0.0/8')] }, both),
      [root],
    ),
    row('an address beside constraints of hosts alone', undefined, under(here, both), [root], {
      openssl: 'accepts',
    }),
    row(
      'a wildcard over an excluded name',
      'name-constraint',
      under({ permitted: [], excluded: [dns('corp.internal')] }, [
        dns('localhost'),
        dns('*.corp.internal'),
      ]),
      [root],
    ),
    row(
      'a common name that escapes the constraints',
      'name-mismatch',
      under(corp, undefined, escape),
      [root],
      {
        openssl: 'accepts',
      },
    ),
    row('constraints on the leaf itself', undefined, [onLeaf, issuing], [root], {
      openssl: 'accepts',
    }),
  ]
}

/** An authority that the program has made: what it may not sign, it does not sign when a command is pasted either. */
function constrainedRows({ folder, root: top, issuer }: OwnAuthority): Row[] {
  const chain = [leafOf(issuer, { subject: NOBODY, subjectAltNames: [dns('localhost')] }), issuer]
  return [
    {
      what: 'a name that our own authority may not sign for',
      code: 'name-constraint',
      start: https(chain),
      chain,
      roots: [top],
      data: folder,
    },
  ]
}

/** A root that may sign for some names only. */
function constrainedRoot(nameConstraints: NameConstraints): Holder {
  return authority('Constrained Root', undefined, { nameConstraints })
}

function constraintsOf({ certificate }: Holder): {
  oid: string
  critical: boolean
  value: Uint8Array
} {
  const found = certificate.extensions.get(OID.nameConstraints)
  if (found === undefined) throw new Error('no constraints')
  return found
}

function dns(value: string): { type: 'dns'; value: string } {
  return { type: 'dns', value }
}

function ip(value: string): { type: 'ip'; value: string } {
  return { type: 'ip', value }
}

const NOBODY = Name.from({})
