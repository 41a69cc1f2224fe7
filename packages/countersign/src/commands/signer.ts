/**
 * `countersign signer`: the issuer's key on a machine of its own.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import {
  addCommand,
  collectList,
  dataOption,
  perform,
  type SharedFlags,
  wholeNumber,
} from '../command.ts'
import { requireAuthority } from '../data-folder.ts'
import { ProgramError } from '../errors.ts'
import { stopSignal } from '../stop-signal.ts'

interface ServeFlags extends SharedFlags {
  listen: string
  allow: string[]
  cert?: string
  key?: string
  clients?: string
  issuers?: string
  maxDays: number
  rate: number
}

interface UseFlags extends SharedFlags {
  roots?: string
  cert: string
  key: string
}

/** Adds the command. */
export function addSigner(program: Command): void {
  const signer = program.command('signer').description('keep the issuer’s key on another machine')
  addCommand(
    signer,
    'serve',
    'sign for an authority elsewhere, with the issuer’s key in this folder',
  )
    .addOption(dataOption())
    .requiredOption('--listen <host:port>', 'address to listen on')
    .requiredOption(
      '--allow <hex>',
      'SHA-256 of a certificate that may ask, or of its key',
      collectList,
    )
    .option('--cert <file>', 'its own certificate (default: signer.crt in the folder)')
    .option('--key <file>', 'its own key (default: signer.key in the folder)')
    .option('--clients <file>', 'roots of those who ask (default: roots.pem in the folder)')
    .option('--issuers <file>', 'certificates of the issuers (default: issuers.pem in the folder)')
    .option('--max-days <n>', 'longest lifetime that is signed', wholeNumber(1, 3650), 90)
    .option('--rate <n>', 'requests a second, over a minute', wholeNumber(1, 10_000), 50)
    .action(async (flags: ServeFlags) =>
      perform(flags, async ({ output, data }) => {
        const { parseListenAddress } = await import('../service/listen-address.ts')
        const { SigningKeys } = await import('../signer/signing-keys.ts')
        const { startSigner } = await import('../signer/signer-service.ts')
        const file = (given: string | undefined, name: string): string =>
          path.resolve(given ?? path.join(data.path, name))
        const keys = SigningKeys.open(data, file(flags.issuers, 'issuers.pem'))
        const stopped = stopSignal()
        await using server = await startSigner({
          ...parseListenAddress(flags.listen),
          data,
          keys,
          cert: file(flags.cert, 'signer.crt'),
          key: file(flags.key, 'signer.key'),
          ca: file(flags.clients, 'roots.pem'),
          allow: new Set(flags.allow.map(fingerprint)),
          maxDays: flags.maxDays,
          rate: flags.rate,
          note: (text) => output.note(text),
        })
        const issuers = keys.issuers.map(({ subject }) => subject.toString())
        output.result(
          { url: server.url, issuers },
          `signing at ${server.url} for\n${issuers.map((name) => `  ${name}`).join('\n')}`,
        )
        await stopped
        await server.close()
      }),
    )
  addCommand(
    signer,
    'use <url>',
    'have a signer elsewhere sign, where the issuer’s key is not here',
  )
    .addOption(dataOption())
    .option('--roots <file>', 'roots of the signer (default: roots.pem of the data folder)')
    .requiredOption('--cert <file>', 'the certificate that the signer lets in')
    .requiredOption('--key <file>', 'its key')
    .action(async (url: string, flags: UseFlags) =>
      perform(flags, async ({ output, data }) => {
        requireAuthority(data)
        const { writeSignerSettings } = await import('../signer/settings.ts')
        const parsed = URL.canParse(url) ? new URL(url) : undefined
        if (parsed?.protocol !== 'https:') {
          throw new ProgramError('usage', `${url} is no https:// address`)
        }
        const [ca = '', cert = '', key = ''] = [
          flags.roots ?? data.roots,
          flags.cert,
          flags.key,
        ].map((name) => path.resolve(name))
        const missing = [ca, cert, key].find((name) => !existsSync(name))
        if (missing !== undefined)
          throw new ProgramError('file-unreadable', `${missing} is not there`)
        await writeSignerSettings(data, { url: parsed.origin, ca, cert, key })
        output.result(
          { url: parsed.origin },
          `${parsed.origin} signs wherever the issuer’s key is not in ${data.path}`,
        )
      }),
    )
}

/** Upper or lower case, with or without colons. */
function fingerprint(text: string): string {
  const digits = text.replaceAll(':', '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(digits)) return digits
  throw new ProgramError('usage', `"${text.slice(0, 80)}" is no SHA-256 in hex`, {
    hint: 'countersign show FILE prints that of a certificate and that of its key',
  })
}
