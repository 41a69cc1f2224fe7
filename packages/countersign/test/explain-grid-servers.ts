/**
 * Rows of the grid of `explain` about servers: what comes instead of a handshake, who must show a certificate, who is revoked.
 *
 * @module
 */
import { buildCrl } from '@countersign/x509'
import { authority, clientOf, days, type Holder, leafOf } from './explain-certificates.ts'
import type { OwnAuthority, Row } from './explain-grid-row.ts'
import {
  alert,
  asking,
  banner,
  hangUp,
  http,
  https,
  nobody,
  reset,
  silent,
} from './explain-servers.ts'
import { opensslServer } from './explain-openssl-server.ts'

/**
 * The rows.
 *
 * @param folder - for files of servers of others
 */
export function serverRows(own: OwnAuthority, folder: string): Row[] {
  return [
    ...portRows(),
    ...handshakeRows(),
    ...VERSIONS.flatMap((version) => clientRows(version, own, folder)),
    ...revocationRows(),
  ]
}

const root = authority('Grid Root')
const issuing = authority('Grid Issuing', root)
const leaf = leafOf(issuing)
const chain = [leaf, issuing]
const roots = [root]

function portRows(): Row[] {
  return [
    {
      what: 'plain HTTP on the port',
      code: 'not-tls',
      start: http,
      roots,
      caller: 'trusted',
      says: [/http:\/\/localhost/],
    },
    {
      what: 'the banner of SSH',
      code: 'not-tls',
      start: banner('SSH-2.0-OpenSSH_9.2\r\n'),
      roots,
      says: [/SSH/],
    },
    {
      what: 'the banner of SMTP',
      code: 'not-tls',
      start: banner('220 mail.corp.internal ESMTP\r\n'),
      roots,
      says: [/SMTP|STARTTLS/],
    },
    {
      what: 'bytes that are no protocol',
      code: 'not-tls',
      start: banner('\u0001\u0002garbage'),
      roots,
    },
    { what: 'a connection that is reset', code: 'reset', start: reset, roots },
    { what: 'a connection that is closed', code: 'reset', start: hangUp, roots },
    { what: 'a server that says nothing', code: 'handshake-timeout', start: silent, roots },
    { what: 'a port on which nobody listens', code: 'connect-failed', start: nobody, roots },
  ]
}

function handshakeRows(): Row[] {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const rare = { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' } as const
  return [
    {
      what: 'a server of TLS 1.2',
      start: https(chain, { maxVersion: 'TLSv1.2' }),
      chain,
      roots,
      says: [/TLSv1\.2/],
    },
    { what: 'a server of TLS 1.1', code: 'protocol-mismatch', start: https(chain, old), roots },
    {
      what: 'a server that refuses the version',
      code: 'protocol-mismatch',
      start: alert(70),
      roots,
    },
    {
      what: 'a server of old ciphers alone',
      code: 'handshake-failed',
      start: https(chain, rare),
      roots,
    },
    {
      what: 'a server that finds nothing in common',
      code: 'handshake-failed',
      start: alert(40),
      roots,
    },
    {
      what: 'a server of another application protocol',
      code: 'alpn-mismatch',
      start: https(chain, { ALPNCallback: () => undefined }),
      roots,
    },
    {
      what: 'a server that refuses every application protocol',
      code: 'alpn-mismatch',
      start: alert(120),
      roots,
    },
    {
      what: 'a server that does not know the name',
      code: 'server-name-refused',
      start: alert(112),
      roots,
    },
  ]
}

/** Mutual TLS. Node closes without a word where the certificate is not good enough; OpenSSL sends an alert. */
function clientRows(version: 'TLSv1.2' | 'TLSv1.3', own: OwnAuthority, folder: string): Row[] {
  const clients = authority('Clients Root')
  const options = {
    minVersion: version,
    maxVersion: version,
    requestCert: true,
    ca: clients.certificate.pem,
  }
  const start = https(chain, options)
  const loud = opensslServer(folder, chain, clients, version)
  const old = clientOf(clients, { notAfter: days(-1) })
  const unknown = clientOf(authority('Unknown Root'))
  const server = clientOf(clients, { extendedKeyUsage: ['serverAuth'] })
  const row = (what: string, code: string | undefined, shown: readonly Holder[]): Row[] => {
    const shared = {
      ...(code === undefined ? {} : { code }),
      chain,
      roots,
      openssl: 'accepts',
    } as const
    const client = shown.length === 0 ? {} : { client: shown }
    return [
      { what: `${what}, ${version}`, start, ...shared, ...client },
      { what: `${what}, ${version}, openssl`, start: loud, needs: 'openssl', ...shared, ...client },
    ]
  }
  const refused = 'server-refused-client-cert'
  return [
    ...row('a client certificate that is good', undefined, [clientOf(clients)]),
    ...row('no client certificate', refused, []),
    ...row('a client certificate that has expired', refused, [old]),
    ...row('a client certificate of an unknown authority', refused, [unknown]),
    ...row('a client certificate for servers', refused, [server]),
    {
      what: `no client certificate, ${version}, and our own authority is accepted`,
      code: refused,
      start: https(chain, { ...options, ca: own.root.certificate.pem }),
      chain,
      roots,
      openssl: 'accepts',
      caller: 'trusted',
    },
    {
      what: `a client certificate that is asked for, not demanded, ${version}`,
      start: asking(chain, clients, version),
      chain,
      roots,
      says: [/Clients Root/],
    },
  ]
}

function revocationRows(): Row[] {
  const gone = leafOf(issuing)
  const row = (what: string, code: string | undefined, crls: string): Row => ({
    what,
    ...(code === undefined ? {} : { code }),
    start: https([gone, issuing]),
    chain: [gone, issuing],
    roots,
    crls,
  })
  return [
    row('lists of all authorities', undefined, list(root) + list(issuing)),
    row('a leaf that is revoked', 'revoked', list(root) + list(issuing, [gone])),
    row('an intermediate that is revoked', 'revoked', list(root, [issuing]) + list(issuing)),
    row('a list that is missing', 'crl-missing', list(root)),
    row('a list that is out of date', 'crl-stale', list(root) + list(issuing, [], true)),
  ]
}

/** PEM of a revocation list. */
function list(of: Holder, revoked: readonly Holder[] = [], stale = false): string {
  return buildCrl(
    {
      issuer: of.certificate,
      crlNumber: 1n,
      thisUpdate: days(-5),
      nextUpdate: days(stale ? -1 : 5),
      revoked: revoked.map(({ certificate }) => ({
        serialNumber: certificate.serialNumber,
        date: days(-5),
        reason: 'keyCompromise' as const,
      })),
    },
    of.key.signer(),
  ).pem
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
