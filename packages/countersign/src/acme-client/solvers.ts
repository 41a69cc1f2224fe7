/**
 * The proof that a name is ours, put where an ACME server looks for it: on a port for HTTP, on a port for TLS, or in the DNS by a
 * command of the user.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:net'
import { createSecureContext, createServer as createTlsServer, type SecureContext } from 'node:tls'
import { errorMessage } from '@countersign/core'
import { buildCertificate, ipToBytes, Name, parseGeneralName, PrivateKey } from '@countersign/x509'
import { ProgramError } from '../errors.ts'
import { type ListenAddress, parseListenAddress } from '../service/listen-address.ts'

/** One way of proving names. */
export interface Solver extends AsyncDisposable {
  readonly type: 'http-01' | 'dns-01' | 'tls-alpn-01'
  /** Puts the proof of a name in place. */
  present(proof: Proof): Promise<void>
  /** Takes it away. */
  cleanUp(proof: Proof): Promise<void>
}

/** What proves a name. */
interface Proof {
  /** A host name without a star, or an address. */
  readonly name: string
  readonly token: string
  readonly keyAuthorization: string
}

/** Which way is used: one of these, HTTP on port 80 where none is given. */
interface SolverFlags {
  /** Where names are proven by HTTP, `[HOST:]PORT`. */
  readonly httpPort?: string | undefined
  /** The same by TLS. */
  readonly tlsPort?: string | undefined
  /** The command that writes a record. */
  readonly dnsHook?: string | undefined
}

/** Opens it. @throws ProgramError `usage`, `port-unusable` */
export async function openSolver({ httpPort, tlsPort, dnsHook }: SolverFlags): Promise<Solver> {
  const given = [httpPort, tlsPort, dnsHook].filter((one) => one !== undefined)
  if (given.length > 1) {
    throw new ProgramError('usage', 'give one of --http-port, --tls-port and --dns-hook')
  }
  if (dnsHook !== undefined) return dnsSolver(dnsHook)
  if (tlsPort !== undefined) return await tlsSolver(parseListenAddress(tlsPort, EVERY_ADDRESS))
  return await httpSolver(parseListenAddress(httpPort ?? '80', EVERY_ADDRESS))
}

/** Answers HTTP itself (RFC 8555 §8.3). @throws ProgramError `port-unusable` */
async function httpSolver(address: ListenAddress): Promise<Solver> {
  const tokens = new Map<string, string>()
  const server = createServer((incoming, outgoing) => {
    const [, token = ''] =
      /^\/\.well-known\/acme-challenge\/([\w-]+)$/.exec(incoming.url ?? '') ?? []
    const answer = tokens.get(token)
    outgoing.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'text/plain' })
    outgoing.end(answer)
  })
  await listen(server, address)
  return {
    type: 'http-01',
    present: async ({ token, keyAuthorization }) => {
      tokens.set(token, keyAuthorization)
    },
    cleanUp: async ({ token }) => {
      tokens.delete(token)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Answers TLS itself, with a certificate for each name that is asked for (RFC 8737). @throws ProgramError `port-unusable` */
async function tlsSolver(address: ListenAddress): Promise<Solver> {
  const contexts = new Map<string, SecureContext>()
  const key = await PrivateKey.generate('p256')
  const server = createTlsServer({
    ALPNProtocols: ['acme-tls/1'],
    SNICallback: (asked, done) => {
      done(null, contexts.get(asked.toLowerCase()))
    },
  })
  // Whoever looks hangs up once the certificate is seen, or asks for something else.
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    socket.end()
  })
  await listen(server, address)
  return {
    type: 'tls-alpn-01',
    present: async (proof) => {
      contexts.set(askedName(proof.name), challengeContext(proof, key))
    },
    cleanUp: async ({ name }) => {
      contexts.delete(askedName(name))
    },
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

/** Has a command write the record (RFC 8555 §8.4): `CMD present|cleanup NAME VALUE`. */
function dnsSolver(command: string): Solver {
  const run = async (action: string, { name, keyAuthorization }: Proof): Promise<void> => {
    const value = hash('sha256', keyAuthorization, 'base64url')
    const child = spawn(
      'sh',
      ['-c', `${command} "$@"`, 'sh', action, `_acme-challenge.${name}`, value],
      {
        // What it prints is none of our result.
        stdio: ['ignore', 2, 2],
        timeout: LONGEST_HOOK_MS,
      },
    )
    const [code]: (number | string | null)[] = await once(child, 'close').catch(
      (error: unknown) => {
        throw hookFailed(command, `could not be started: ${errorMessage(error)}`)
      },
    )
    if (code !== 0) throw hookFailed(command, `ended with ${code ?? 'a signal'}`)
  }
  return {
    type: 'dns-01',
    present: (proof) => run('present', proof),
    cleanUp: (proof) => run('cleanup', proof),
    async [Symbol.asyncDispose]() {},
  }
}

function challengeContext({ name, keyAuthorization }: Proof, key: PrivateKey): SecureContext {
  const digest = hash('sha256', keyAuthorization, 'buffer')
  const subject = Name.from({ commonName: 'acme challenge' })
  const now = Date.now()
  const certificate = buildCertificate(
    {
      subject,
      issuer: subject,
      publicKey: key.publicKey,
      notBefore: new Date(now - 3_600_000),
      notAfter: new Date(now + 86_400_000),
      subjectAltNames: [parseGeneralName(name)],
      extraExtensions: [
        {
          oid: ACME_IDENTIFIER,
          critical: true,
          // An octet string of 32 bytes.
          value: new Uint8Array(Buffer.concat([Buffer.of(0x04, 0x20), digest])),
        },
      ],
    },
    key.signer(),
  )
  return createSecureContext({ cert: certificate.pem, key: key.toPem() })
}

/** The name that a server asks for: of an address, its name in the reverse zone (RFC 8738 §6). */
function askedName(name: string): string {
  const bytes = ipToBytes(name)
  if (bytes === undefined) return name
  if (bytes.length === 4) return `${[...bytes].toReversed().join('.')}.in-addr.arpa`
  const digits = Buffer.from(bytes).toString('hex').split('')
  return `${digits.toReversed().join('.')}.ip6.arpa`
}

async function listen(server: Server, { host, port }: ListenAddress): Promise<void> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    throw new ProgramError(
      'port-unusable',
      `cannot listen on ${host}:${port}: ${errorMessage(error)}`,
      { hint: 'stop what listens there, or prove the names by DNS: --dns-hook CMD', cause: error },
    )
  }
}

function hookFailed(command: string, what: string): ProgramError {
  return new ProgramError('exec-failed', `"${command}" ${what}`, {
    hint: 'it is called as: CMD present|cleanup _acme-challenge.NAME VALUE',
  })
}

/** id-pe-acmeIdentifier (RFC 8737 §6.1). */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31'
const EVERY_ADDRESS = '0.0.0.0'
const LONGEST_HOOK_MS = 300_000
