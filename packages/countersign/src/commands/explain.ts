/**
 * `countersign explain`: why a server or a chain of certificates is trusted, or why not, and what mends it.
 *
 * @module
 */
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { readSeconds } from '../client-options.ts'
import { addCommand, collect, dataOption, perform, type SharedFlags } from '../command.ts'
import { reasonExitCode } from '../exit-code.ts'
import { type ExplainFlags, explainSource } from '../explain-source.ts'
import { explanationText } from '../explanation-text.ts'

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
        const explanation = await explainSource(source, flags, data)
        const text = explanationText(explanation, (style, words) =>
          styleText(style, words, { stream: process.stdout }),
        )
        output.page(explanation, text)
        if (!explanation.ok) process.exitCode = reasonExitCode(explanation.code)
      }),
    )
}
