/**
 * The way out where the certificates are not to blame: another protocol, nothing in common, a name that is not served.
 *
 * @module
 */
import { isIP } from 'node:net'
import type { TlsErrorCode } from '../errors.ts'
import { hintOf } from '../reasons.ts'
import { plainGetCommand } from './commands.ts'
import type { Seen } from './explain-options.ts'
import type { ExplainedTarget, Fixes } from './explanation.ts'
import { plainText } from './plain-text.ts'

/** What such a way out depends on. */
export interface ConnectionFacts {
  target: ExplainedTarget
  /** The name that was asked for. */
  name: string | undefined
  seen: Seen
  /** What the tables say; absent where the fault stands in none. */
  hint: string | undefined
}

/** At most one way out for each side; `undefined` for what is not about the connection. */
export function connectionFixes(code: TlsErrorCode, facts: ConnectionFacts): Fixes | undefined {
  return WAYS.get(code)?.(facts)
}

type Way = (facts: ConnectionFacts) => Fixes

function notTls({ target, seen: { speaks } }: ConnectionFacts): Fixes {
  if (speaks === undefined || speaks === 'HTTP') {
    return {
      caller: {
        text: `the port ${speaks === undefined ? 'probably speaks' : 'speaks'} plain HTTP: use http://, or the port that speaks https`,
        command: plainGetCommand(target),
      },
      owner: { text: 'serve HTTPS on this port (countersign serve --https)' },
    }
  }
  return {
    caller: {
      text: `the port speaks ${plainText(speaks)}, not TLS: connect to the port that speaks https`,
    },
  }
}

function nothingInCommon({ name = 'this name', hint }: ConnectionFacts): Fixes {
  // Whatever else ends a handshake with this code says nothing of ciphers.
  if (hint === undefined) return { caller: { text: LOOK_INTO_LOG } }
  return {
    caller: { text: 'nothing is wrong with this machine: tell the owner of the server' },
    owner: {
      text: `let the server offer TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, and see that it has a certificate for ${name}`,
    },
  }
}

function otherVersions({ hint }: ConnectionFacts): Fixes {
  return {
    caller: { text: hint ?? hintOf('protocol-mismatch') },
    owner: { text: 'enable TLS 1.2 or 1.3; what is older can be read and changed on the way' },
  }
}

function otherApplication(): Fixes {
  return {
    caller: { text: 'use a client that speaks what the server speaks, HTTP/2 perhaps' },
    owner: { text: 'let the server speak HTTP/1.1 as well (http/1.1 among its ALPN protocols)' },
  }
}

function unknownName({ name }: ConnectionFacts): Fixes {
  const isName = name !== undefined && isIP(name) === 0
  return {
    caller: {
      text: isName
        ? `connect by a name that the server knows; ${plainText(name)} is none`
        : 'connect by a name that the server knows, not by its address',
    },
    owner: {
      text: isName
        ? `give the server a certificate for ${plainText(name)}`
        : 'give the server a certificate for whoever asks for no name',
    },
  }
}

const LOOK_INTO_LOG = 'look into the log of the server'

const WAYS: ReadonlyMap<TlsErrorCode, Way> = new Map<TlsErrorCode, Way>([
  ['not-tls', notTls],
  ['protocol-mismatch', otherVersions],
  ['alpn-mismatch', otherApplication],
  ['server-name-refused', unknownName],
  ['handshake-failed', nothingInCommon],
  [
    'handshake-timeout',
    () => ({
      caller: { text: 'check that the port speaks TLS; a busy server may need a longer time-out' },
      owner: { text: `${LOOK_INTO_LOG}: it took the connection and did not go on` },
    }),
  ],
])
