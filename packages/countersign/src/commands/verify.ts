/**
 * `countersign verify`: whether a certificate leads to a trusted root, and which other clients would say otherwise.
 *
 * @module
 */
import { styleText } from 'node:util'
import { type Command, Option } from 'commander'
import { addCommand, collect, dataOption, perform, type SharedFlags } from '../command.ts'
import { EXIT } from '../errors.ts'
import { readName, readTime } from '../verify-input.ts'
import { readQuestion, type VerifyFlags } from '../verify-question.ts'
import { reportText } from '../verify-report.ts'

/** Adds the command. */
export function addVerify(program: Command): void {
  addCommand(
    program,
    'verify <file>',
    'verify a certificate, and say which clients would refuse it',
  )
    .addOption(dataOption())
    .option('--roots <file>', 'trust only the roots of this file or folder', collect)
    .option('--intermediates <file>', 'authorities between, beside those in the file', collect)
    .option('--name <name>', 'the host, address or e-mail address it must be for', readName)
    .addOption(
      new Option('--purpose <kind>', 'what it is for (default: server)').choices([
        'server',
        'client',
      ]),
    )
    .option('--time <iso>', 'the time to judge by (default: now)', readTime)
    .option('--crl <file>', 'revocation lists; one is needed for every authority', collect)
    .option(
      '--ocsp <file>',
      'OCSP answers; one about the certificate is enough without lists',
      collect,
    )
    .option('--password-file <file>', 'password of the file, where it is PKCS#12')
    .addHelpText(
      'after',
      `
The file is PEM, DER or PKCS#12: a certificate, and the intermediates it needs.
Without --roots the usual roots are trusted, and those of the data folder.
For an e-mail address the purpose is client unless it is given.
Ends with 0 where it is trusted, 3 where it is not, whatever other clients say.`,
    )
    .action(async (file: string, flags: SharedFlags & VerifyFlags) =>
      perform(flags, async ({ output, data }) => {
        const { verifyQuestion } = await import('../verify-verdict.ts')
        const { report, fix } = verifyQuestion(await readQuestion(file, flags, data))
        const text = reportText(report, fix, (style, words) =>
          styleText(style, words, { stream: process.stdout }),
        )
        output.page(report, text)
        if (!report.ok) process.exitCode = EXIT.trust
      }),
    )
}
