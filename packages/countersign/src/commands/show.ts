/**
 * `countersign show`: what a certificate says, from a file or from a server.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import type { Certificate } from '@countersign/x509'
import type { Command } from 'commander'
import {
  addCommand,
  collect,
  type CommandContext,
  dataOption,
  perform,
  type SharedFlags,
} from '../command.ts'
import { exitCodeOf } from '../exit-code.ts'
import { readGivenFile } from '../given-file.ts'
import { ownRoots } from '../own-roots.ts'
import { parseTarget, type Target } from '../target.ts'

interface ShowFlags extends SharedFlags {
  python?: boolean
  pem?: boolean
  ca?: string[]
}

/** Adds the command. */
export function addShow(program: Command): void {
  addCommand(program, 'show <source>', 'show the certificates of a file, a URL or a HOST:PORT')
    .addOption(dataOption())
    .option('--ca <file>', 'trust only these roots when asking a server', collect)
    .option('--pem', 'the certificates themselves, as PEM')
    .option('--python', "the dictionary that Python's getpeercert() gives")
    .action(async (source: string, flags: ShowFlags) =>
      perform(flags, async (context) => {
        const { output } = context
        const { describeCertificate } = await import('@countersign/x509')
        const certificates = existsSync(source)
          ? await readFile(source)
          : await askServer(parseTarget(source), flags, context)
        const [leaf] = certificates
        if (flags.python === true) {
          const value = leaf?.toPythonDict()
          output.result(value, JSON.stringify(value, undefined, 2))
          return
        }
        if (flags.pem === true) {
          const pem = certificates.map((certificate) => certificate.pem).join('')
          output.result({ pem }, pem)
          for (const { fingerprint } of certificates) output.note(`sha256 ${fingerprint}`)
          return
        }
        output.result(
          certificates.map((certificate) => toJson(certificate)),
          certificates.map((certificate) => describeCertificate(certificate)).join('\n\n'),
        )
      }),
    )
}

async function readFile(file: string): Promise<Certificate[]> {
  const { Certificate: Reader } = await import('@countersign/x509')
  return Reader.parseAll(readGivenFile(file), file)
}

/**
 * What a server presents to a client that verifies it. Where it is not believed its own certificate is shown all the same, so
 * that its fingerprint can be compared; the reason goes to stderr and into the exit code.
 */
async function askServer(
  target: Target,
  flags: ShowFlags,
  { output, data }: CommandContext,
): Promise<Certificate[]> {
  const { connect, createDefaultContext, getServerCertificate, isReasonCode, TlsError } =
    await import('@countersign/tls')
  const own = ownRoots(data, flags.ca)
  const context = createDefaultContext({
    ca: flags.ca,
    extraCa: own.length === 0 ? undefined : own,
  })
  try {
    await using socket = await connect({ ...target, context, timeoutMs: 10_000 })
    return [...socket.peer.chain]
  } catch (error) {
    const isPresented = error instanceof TlsError && error.chain !== undefined
    if (!isPresented || !isReasonCode(error.code)) throw error
    const certificate = await getServerCertificate({ ...target, timeoutMs: 10_000 })
    output.note(`not verified: ${error.message}`)
    process.exitCode = exitCodeOf(error)
    return [certificate]
  }
}

function toJson(certificate: Certificate): Record<string, unknown> {
  return {
    subject: certificate.subject.toString(),
    issuer: certificate.issuer.toString(),
    serial: certificate.serialNumber,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    names: certificate.subjectAltNames,
    key: certificate.publicKey.description,
    signatureAlgorithm: certificate.signatureAlgorithm,
    ca: certificate.isCa,
    subjectKeyId: certificate.subjectKeyId,
    authorityKeyId: certificate.authorityKeyId,
    fingerprint: certificate.fingerprint,
  }
}
