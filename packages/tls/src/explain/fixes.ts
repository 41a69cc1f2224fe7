/**
 * The way out: one for who calls, one for who owns the server. Never "do not verify".
 *
 * @module
 */
import type { Certificate, Fault } from '@countersign/x509'
import type { TlsErrorCode } from '../errors.ts'
import { hintOf } from '../reasons.ts'
import { checkServerName } from '../server-name.ts'
import type { Place } from '../trust-places.ts'
import type { TrustStore } from '../trust-store.ts'
import { DEAD_ENDS } from './analysis.ts'
import { shownTitle } from './chain-view.ts'
import {
  clientCertificateCommand,
  connectableNames,
  fetchCommand,
  getCommand,
  issueCommand,
  newAuthorityCommand,
  trustFlags,
} from './commands.ts'
import { connectionFixes } from './connection-fixes.ts'
import type { Seen } from './explain-options.ts'
import type { ExplainedTarget, Fix, Fixes } from './explanation.ts'
import { duration, plainText, shellCommand } from './plain-text.ts'

/** What a way out depends on. */
export interface FixFacts {
  code: TlsErrorCode
  fault: Fault | undefined
  leaf: Certificate | undefined
  purpose: 'server' | 'client'
  target: ExplainedTarget
  trust: TrustStore
  /** The name that was asked for. */
  name: string | undefined
  /** The time to judge by. */
  time: Date
  elsewhere: readonly Place[]
  seen: Seen
  /** What the tables say, where the certificates say nothing. */
  hint: string | undefined
}

/** One way out for each side, as far as there is one. */
export function fixesOf(facts: FixFacts): Fixes {
  const { code, hint } = facts
  const way = WAYS.get(code)
  if (way === undefined) {
    return connectionFixes(code, facts) ?? { caller: { text: (hint ?? hintOf(code)) || NO_WAY } }
  }
  const fixes = way(facts)
  const further = furtherFault(facts)
  if (fixes.caller === undefined || further === undefined) return fixes
  // Its command would end at the next fault.
  return { ...fixes, caller: { text: `${fixes.caller.text}; that alone will not do: ${further}` } }
}

/** What is wrong besides a chain that leads nowhere: no root mends a name or a date. */
function furtherFault({ code, leaf, name, time }: FixFacts): string | undefined {
  if (leaf === undefined || !DEAD_ENDS.has(code)) return undefined
  if (time > leaf.notAfter) return `the certificate ended on ${leaf.notAfter.toISOString()}`
  if (time < leaf.notBefore) return `the certificate begins on ${leaf.notBefore.toISOString()}`
  return name === undefined || checkServerName(name, leaf) === undefined
    ? undefined
    : `the certificate is not for ${name}`
}

type Way = (facts: FixFacts) => Fixes

/** An authority that the store lacks. */
function unknownAuthority(facts: FixFacts): Fixes {
  const issuer = issuerOf(facts)
  return {
    caller: foundElsewhere(facts) ?? {
      text: `get the root behind ${issuer} from its owner, compare fingerprints, and give its file as \`--ca\` (only it) or \`--extra-ca\` (it too)`,
    },
    owner: {
      text: `hand out the root behind ${issuer}, or serve a certificate of an authority that the clients know`,
    },
  }
}

function missingIntermediate(facts: FixFacts): Fixes {
  const issuer = issuerOf(facts)
  return {
    caller: foundElsewhere(facts, [...trustFlags(facts.trust), '--extra-ca']) ?? {
      text: `only the owner can mend this for everybody; with the certificate of ${issuer} in a file, give it as \`--extra-ca\``,
    },
    owner: {
      text: `let the server send its whole chain: its certificate, then that of ${issuer}, in one file; or issue it anew, into a .crt file that holds both`,
      command: issueCommand(facts),
    },
  }
}

function otherKey(facts: FixFacts): Fixes {
  return {
    caller: foundElsewhere(facts) ?? {
      text: `${issuerOf(facts)} was made again, and the trusted copy is another: fetch its new root from its owner, compare fingerprints, and replace the file`,
    },
    owner: {
      text: 'hand out the new root to every client; give an authority that is made again a name of its own',
    },
  }
}

function selfSigned(facts: FixFacts): Fixes {
  return {
    caller: foundElsewhere(facts) ?? {
      text: `${facts.target.file === undefined ? 'fetch the certificate, ' : ''}compare its fingerprint with what its owner says (here it is ${fingerprintOf(facts)}), and give the file as \`--ca\``,
      command: fetchCommand(facts.target),
    },
    owner: {
      text: 'issue the certificate from an authority, and hand out its root',
      command: newAuthorityCommand(facts),
    },
  }
}

function rootSent(facts: FixFacts): Fixes {
  return {
    caller: foundElsewhere(facts) ?? {
      text: `get the root from its owner, not from the wire; if its fingerprint is ${fingerprintOf(facts)}, give its file as \`--ca\``,
    },
    owner: { text: 'hand out the root another way: one that comes over the wire proves nothing' },
  }
}

function fingerprintOf({ fault, leaf }: FixFacts): string {
  const one = fault?.certificate ?? leaf
  return one === undefined ? 'not seen' : `sha256 ${one.fingerprint}`
}

/** Where this machine has what is missing. Only what made the signature counts: an old root of the same name helps nobody. */
function foundElsewhere(facts: FixFacts, flags: readonly string[] = ['--ca']): Fix | undefined {
  const place = facts.elsewhere.find(({ sameNameOnly }) => !sameNameOnly)
  if (place === undefined) return undefined
  const get = getCommand(facts.target, [...flags, place.ca])
  const where = place.path === undefined ? place.name : `${place.path} (${place.name})`
  return {
    text: `${plainText(place.certificate.subject)} is on this machine, in ${where}: give it as \`${flags.at(-1) ?? '--ca'}\``,
    command: get === undefined || place.command === undefined ? get : `${place.command} && ${get}`,
  }
}

function issuerOf({ fault, leaf }: FixFacts): string {
  const top = fault?.certificate ?? leaf
  return top === undefined
    ? 'the issuer'
    : plainText(top.issuer.toString()) || 'an issuer without a name'
}

function outsideLifetime(facts: FixFacts): Fixes {
  const { fault, leaf } = facts
  const clock = wrongClock(facts)
  const owner = ownerOf(facts)
  const isLeaf = fault?.certificate === undefined || fault.certificate === leaf
  const isOver = fault?.code !== 'not-yet-valid'
  return {
    caller: clock ?? {
      text: isOver
        ? `check the clock of this machine; if it is right, only ${owner} can help`
        : `check the clock of this machine; if it is right, wait, or tell ${owner} to check theirs`,
      command: 'date -u',
    },
    owner: isLeaf
      ? {
          text: isOver
            ? 'issue the certificate again'
            : 'check the clock of the authority, and issue the certificate again',
          command: issueCommand(facts),
        }
      : {
          text: `${fault.certificate === undefined ? 'an authority' : shownTitle(fault.certificate)} is at fault, so everything below it is too: renew that authority, and serve the new chain`,
          command: newAuthorityCommand(facts),
        },
  }
}

/** Where the server's clock would let it pass, ours is the likelier fault. */
function wrongClock({ fault, seen: { skewMs } }: FixFacts): Fix | undefined {
  if (skewMs === undefined || Math.abs(skewMs) < LARGEST_SKEW_MS) return undefined
  if (fault?.code !== 'expired' && fault?.code !== 'not-yet-valid') return undefined
  const there = fault.facts.time.getTime() + skewMs
  const { notBefore, notAfter } = fault.facts
  if (there < notBefore.getTime() || there > notAfter.getTime()) return undefined
  return {
    text: `set the clock of this machine: by the server's it is ${duration(skewMs)} ${skewMs > 0 ? 'slow' : 'fast'}, and with that the certificate is valid`,
    command: 'date -u',
  }
}

function otherName(facts: FixFacts): Fixes {
  const { leaf, name, target, trust, seen } = facts
  const [better] = leaf === undefined ? [] : connectableNames(leaf)
  return {
    caller:
      better === undefined
        ? {
            text: `the certificate holds no name to connect by: only ${ownerOf(facts)} can help`,
          }
        : {
            text: `connect by a name that the certificate holds, as ${seen.reachable ?? better}`,
            // A name that leads elsewhere, or nowhere, is no way out.
            command:
              seen.reachable === undefined
                ? undefined
                : getCommand(target, trustFlags(trust), seen.reachable),
          },
    owner: {
      text: `issue the certificate again, with ${name ?? 'the name'} among its subject alternative names`,
      command: issueCommand(facts),
    },
  }
}

/**
 * A certificate that has to be issued again: by the authority there is, or by a new one where an authority is at fault.
 *
 * @param elsewhere - the authority there is cannot do it
 */
function issueAgain(text: string, elsewhere = false): Way {
  return (facts) => {
    const { fault, leaf } = facts
    const at = fault?.certificate
    const isLeaf = at === undefined || leaf === undefined || at.equals(leaf)
    return {
      caller: { text: `nothing is wrong with this machine: tell ${ownerOf(facts)}` },
      owner: {
        text:
          isLeaf || at === undefined
            ? text
            : `${text}; at fault is the authority ${shownTitle(at)}`,
        command: isLeaf && !elsewhere ? issueCommand(facts) : newAuthorityCommand(facts),
      },
    }
  }
}

function missingList({ fault }: FixFacts): Fixes {
  const points =
    fault?.code === 'crl-missing' || fault?.code === 'crl-stale'
      ? fault.facts.distributionPoints
      : []
  const point = points.find((one) => /^https?:\/\/[\w.:[\]-]+\/[\w./~%-]*$/.test(one))
  return {
    caller: {
      text: 'give a fresh list of every authority of the chain, the root included, as `--crl`',
      command:
        point === undefined
          ? undefined
          : shellCommand(['countersign', 'get', point, '--download', 'issuer.crl']),
    },
    owner: {
      text: 'publish a list for every authority of the chain, and renew it before its next update',
    },
  }
}

function clientRefused({ target, trust, seen }: FixFacts): Fixes {
  const { clientCertificates, issueFrom } = seen
  const accepted = clientCertificates?.acceptedAuthorities ?? []
  const offered = clientCertificates?.offered
  const whom = accepted.length === 0 ? 'an authority that the server accepts' : listed(accepted)
  return {
    caller: {
      text:
        offered === undefined
          ? `present a certificate of ${whom} with \`--cert\` and \`--key\``
          : `the server does not take ${offered.subject || 'the certificate'}, issued by ${offered.issuer}: present a valid one of ${whom} with its intermediates`,
      command:
        issueFrom === undefined ? undefined : clientCertificateCommand(issueFrom, target, trust),
    },
    owner: {
      text:
        offered === undefined
          ? 'issue this client a certificate, or do not require one on this port'
          : 'let the server trust the root of its clients, and look into its log for the reason',
    },
  }
}

/** Who has to mend the certificate. */
function ownerOf({ purpose }: FixFacts): string {
  return purpose === 'server' ? 'the owner of the server' : 'the owner of the certificate'
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(' or ')
  return names.length > 3 ? `${shown} or ${names.length - 3} more` : shown
}

const WAYS: ReadonlyMap<TlsErrorCode, Way> = new Map<TlsErrorCode, Way>([
  ['untrusted-root', unknownAuthority],
  ['missing-intermediate', missingIntermediate],
  ['key-mismatch', otherKey],
  ['self-signed', selfSigned],
  ['untrusted-root-sent', rootSent],
  ['expired', outsideLifetime],
  ['not-yet-valid', outsideLifetime],
  ['name-mismatch', otherName],
  [
    'bad-signature',
    issueAgain('issue the certificate again: it was changed, or its issuer has another key'),
  ],
  [
    'revoked',
    issueAgain('issue a new certificate with a new key; the old one must not be used again'),
  ],
  ['crl-missing', missingList],
  ['crl-stale', missingList],
  ['wrong-purpose', issueAgain('issue the certificate again, for the use it is put to')],
  ['not-a-ca', issueAgain('issue the certificate from an authority')],
  ['path-too-long', issueAgain('issue the certificate from an authority nearer to the root')],
  ['critical-extension', issueAgain('issue the certificate again, without the critical extension')],
  [
    'name-constraint',
    issueAgain('use a name that the authority may sign for, or another authority', true),
  ],
  ['weak-crypto', issueAgain('issue the certificate again, with a stronger key or hash')],
  ['rejected-by-policy', issueAgain('issue the certificate again, by the rules of RFC 5280')],
  ['server-refused-client-cert', clientRefused],
])

const NO_WAY = 'look into the log of the server'
const LARGEST_SKEW_MS = 60_000
