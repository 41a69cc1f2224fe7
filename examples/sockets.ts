/**
 * TLS sockets by hand: a listener with an accept loop, a client that reads the certificate and speaks HTTP itself.
 *
 * Run: node examples/sockets.ts
 */
import { connect, createDefaultContext, listen, type TlsSocket } from '@countersign/tls'
import { buildCertificate, Name, PrivateKey } from '@countersign/x509'

// A self-signed certificate for localhost; the client trusts exactly this one.
const key = await PrivateKey.generate('p256')
const name = Name.from({ commonName: 'localhost' })
const certificate = buildCertificate(
  {
    subject: name,
    issuer: name,
    publicKey: key.publicKey,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    subjectAltNames: [{ type: 'dns', value: 'localhost' }],
  },
  key.signer(),
)

const context = createDefaultContext({ purpose: 'client-auth', cert: certificate, key })
await using listener = await listen({ context })
const served = acceptLoop()

const trusted = createDefaultContext({ ca: certificate })
await using socket = await connect({ host: 'localhost', port: listener.port, context: trusted })
console.log(socket.protocol, socket.cipher?.name)
console.log(socket.peer.certificate?.toPythonDict())

await socket.write('HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n')
for await (const line of socket.reader().lines()) console.log(line)
await socket.close()
await listener.close()
await served

/** Accepts until the listener closes; a bad handshake never ends the loop. */
async function acceptLoop(): Promise<void> {
  for await (const client of listener) await dealWith(client)
}

/** Reads the head of a request, answers it and closes in order. */
async function dealWith(client: TlsSocket): Promise<void> {
  await using _ = client
  for await (const line of client.reader().lines()) if (line === '') break
  await client.write('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n')
}
