/**
 * `countersign explain`: why a server or a chain of certificates is trusted, or why not, and what mends it.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { styleText } from 'node:util'
import { errorMessage } from '@countersign/core'
import type { Explanation } from '@countersign/tls'
import type { Command } from 'commander'
import { readSeconds } from '../client-options.ts'
import {
  addCommand,
  type CommandContext,
  collect,
  dataOption,
  perform,
  type SharedFlags,
} from '../command.ts'
import type { DataFolder } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { reasonExitCode } from '../exit-code.ts'
import { explanationText } from '../explanation-text.ts'
import { distrustedServer } from '../learn-more.ts'
import { parseTarget } from '../target.ts'

/** What decides whom it trusts, as whom it asks, and for which name. */
export interface ExplainFlags {
  ca?: string[] | undefined
  extraCa?: string[] | undefined
  crl?: string[] | undefined
  cert?: string | undefined
  key?: string | undefined
  /** Milliseconds. */
  timeout?: number | undefined
  name?: string | undefined
}

/** Adds the command. */
export function addExplain(program: Command): void {
  addCommand(
    program,
    'explain <source>',
    'say why a server or a file of certificates is trusted, or not',
  )
    .addOption(dataOption())
    .option('--ca <file>', 'trust only the roots of this file or folder', collect)
    .option('--extra-ca <file>', 'trust the roots of this file or folder as well', collect)
    .option('--crl <file>', 'revocation lists; one is needed for every authority', collect)
    .option('--cert <file>', 'our own certificate; may hold its key')
    .option('--key <file>', 'the key of --cert')
    .option('--name <name>', 'the name to ask for, where it is another than that of the address')
    .option('--timeout <seconds>', 'for all of it (default: 10)', readSeconds)
    .addHelpText(
      'after',
      `
The source is a URL, HOST:PORT, or a file of certificates, leaf first. A server
is asked over a connection of its own, which carries nothing but a bare HEAD.
Ends with 0 where it is trusted, 3 where it is not, 4 where it refuses our
certificate, 5 where there is no TLS to talk about.`,
    )
    .action(async (source: string, flags: SharedFlags & ExplainFlags) =>
      perform(flags, async ({ output, data }) => {
        printExplanation(output, await explainSource(source, flags, data))
      }),
    )
}

/** Prints an explanation as the result of a command, and sets the exit code by it. */
export function printExplanation(output: CommandContext['output'], explanation: Explanation): void {
  const text = output.json
    ? ''
    : explanationText(explanation, (style, words) =>
        styleText(style, words, { stream: process.stdout }),
      )
  output.page(explanation, text)
  if (!explanation.ok) process.exitCode = reasonExitCode(explanation.code)
}

/** Asks the server that an error is about, and says on stderr what there is to say; nothing where the error is not about trust. */
export async function explainFailure(
  error: unknown,
  flags: ExplainFlags,
  data: DataFolder,
): Promise<void> {
  const server = distrustedServer(error)
  if (server === undefined) return
  const explanation = await explainSource(server, flags, data)
  const text = explanationText(explanation, (style, words) =>
    styleText(style, words, { stream: process.stderr }),
  )
  process.stderr.write(`${text}\n\n`)
}

/**
 * Explains a file of certificates, or what a server shows.
 *
 * @throws TlsError for options that cannot be used; {@link ProgramError} `not-found`, `file-unreadable`
 */
export async function explainSource(
  source: string,
  flags: ExplainFlags,
  data: DataFolder,
): Promise<Explanation> {
  const own = existsSync(data.roots) && flags.ca === undefined ? [data.roots] : []
  const extra = [...(flags.extraCa ?? []), ...own]
  const trust = { ca: flags.ca, extraCa: extra.length === 0 ? undefined : extra }
  // The folder of --data is one more place where a missing root may lie.
  const env = { ...process.env, COUNTERSIGN_DATA: data.path }
  if (existsSync(source)) return await explainFile(source, flags, { ...trust, env })
  const { explain } = await import('@countersign/tls')
  const target = parseTarget(source)
  return await explain(target, {
    ...trust,
    env,
    crl: flags.crl,
    cert: flags.cert,
    key: flags.key,
    serverName: flags.name,
    timeoutMs: flags.timeout,
    // What the client offers: a server may refuse it.
    alpn: ['http/1.1'],
  })
}

/** The chain of a file against the trust store; no connection is made. */
async function explainFile(
  file: string,
  flags: ExplainFlags,
  trustOptions: { ca: string[] | undefined; extraCa: string[] | undefined; env: NodeJS.ProcessEnv },
): Promise<Explanation> {
  if (flags.cert !== undefined || flags.key !== undefined) {
    throw new ProgramError('usage', '--cert and --key are for servers, and this is a file')
  }
  const { Certificate, CertificateRevocationList } = await import('@countersign/x509')
  const { explainChain, TrustStore } = await import('@countersign/tls')
  const certificates = Certificate.parseAll(readBytes(file), file)
  const lists = (flags.crl ?? []).flatMap((one) =>
    CertificateRevocationList.parseAll(readBytes(one), one).map(({ der }) => der),
  )
  return explainChain({
    chain: certificates.map(({ der }) => der),
    trust: TrustStore.resolve(trustOptions),
    name: flags.name,
    crls: lists.length === 0 ? undefined : lists,
    target: { file },
  })
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ProgramError('file-unreadable', `cannot read ${file}: ${errorMessage(error)}`, {
      cause: error,
    })
  }
}
