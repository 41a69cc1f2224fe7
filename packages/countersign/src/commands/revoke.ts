/**
 * `countersign revoke`: takes back a certificate; the next revocation list has it.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { addCommand, collect, dataOption, perform, type SharedFlags } from '../command.ts'
import { ProgramError } from '../errors.ts'
import { withAuthorityAndUsers } from '../open-data.ts'

interface RevokeFlags extends SharedFlags {
  reason?: string
  acme?: string
  ca?: string[]
  extraCa?: string[]
}

/** Adds the command. */
export function addRevoke(program: Command): void {
  addCommand(
    program,
    'revoke <certificate>',
    'revoke a certificate, by its file, serial or fingerprint',
  )
    .addOption(dataOption())
    .option('--reason <reason>', 'as in keyCompromise, superseded, cessationOfOperation')
    .option('--acme <url>', 'at the ACME server with this directory, which issued the file')
    .option('--ca <file>', 'with --acme: trust only the roots of this file', collect)
    .option('--extra-ca <file>', 'with --acme: trust the roots of this file as well', collect)
    .action(async (certificate: string, flags: RevokeFlags) =>
      perform(flags, async ({ output, data }) => {
        if (flags.acme !== undefined) {
          const { parseRevocationReason } = await import('@countersign/authority')
          const reason =
            flags.reason === undefined ? undefined : parseRevocationReason(flags.reason)
          const { revokeByAcme } = await import('../acme-client/revoke.ts')
          await revokeByAcme(certificate, { ...flags, acme: flags.acme }, reason, { output, data })
          return
        }
        if (flags.ca !== undefined || flags.extraCa !== undefined) {
          throw new ProgramError('usage', '--ca and --extra-ca need --acme')
        }
        // Whoever was recognised by it is not any more, nor by what is bound to it or was renewed from it.
        const entry = await withAuthorityAndUsers(data, async (authority) => {
          const { parseRevocationReason } = await import('@countersign/authority')
          const reason =
            flags.reason === undefined ? undefined : parseRevocationReason(flags.reason)
          return await authority.revoke(await serialOf(certificate), reason)
        })
        output.result(
          entry,
          `revoked ${entry.names.join(', ')} (serial ${entry.serial}) at ${entry.revokedAt?.toISOString() ?? ''}`,
        )
      }),
    )
}

/** The serial in a certificate's file, or what was given, taken for a serial or a fingerprint. */
async function serialOf(certificate: string): Promise<string> {
  if (!existsSync(certificate)) return certificate
  const { Certificate } = await import('@countersign/x509')
  const [leaf] = Certificate.parseAll(readFileSync(certificate), certificate)
  return leaf?.serialNumber ?? certificate
}
