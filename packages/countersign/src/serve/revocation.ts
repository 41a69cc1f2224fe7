/**
 * The options of `countersign serve` about revocation: whose lists are wanted, where they are fetched, and what is stapled.
 *
 * @module
 */
import { parseDuration } from '@countersign/core'
import type { CrlFetchOptions, RevocationOptions } from '@countersign/server'
import type { Command } from 'commander'
import { collect } from '../command.ts'
import { ProgramError } from '../errors.ts'

/** What they say. */
export interface RevocationFlags {
  crl?: string[]
  crlLeafOnly?: boolean
  crlGrace?: string
  crlEvery?: string
  crlFolder?: string
  crlFrom?: string[]
  crlLater?: boolean
  staple?: boolean
}

/** What `serve` of the server room is given about it. */
export interface RevocationSettings {
  crl?: string[] | undefined
  revocation?: RevocationOptions | undefined
  crlFetch?: CrlFetchOptions | undefined
  staple?: boolean | undefined
}

/** Adds the options. */
export function addRevocationOptions(command: Command): void {
  command
    .option(
      '--crl <file|url>',
      'revocation list of the clients’ authority; a URL is followed',
      collect,
    )
    .option('--crl-leaf-only', 'want the list of who signed the client, not of every authority')
    .option('--crl-grace <duration>', 'go on with a list so long after its next is due: 24h')
    .option('--crl-every <duration>', 'ask a URL at least so often (default: 5m)')
    .option('--crl-folder <dir>', 'keep fetched lists there, so that a start needs no authority')
    .option('--crl-from <host>', 'follow the URLs that certificates name, to this host', collect)
    .option('--crl-later', 'start without a list that cannot be fetched; nobody gets in until then')
    .option('--staple', 'send the OCSP answer about the own certificate with each handshake')
}

/**
 * @param serves - whether HTTPS is served at all, and whether clients are asked for certificates
 * @throws {@link ProgramError} `usage` where nobody would be judged by the lists
 */
export function revocationSettings(
  flags: RevocationFlags,
  { https, asks }: { readonly https: boolean; readonly asks: boolean },
): RevocationSettings {
  const { crl, crlLeafOnly, crlGrace, crlFrom, staple } = flags
  if (crlFrom !== undefined && !asks) {
    throw new ProgramError('usage', '--crl-from is for servers that ask for client certificates', {
      hint: 'add --https --verify-user',
    })
  }
  if (staple === true && !https) {
    throw new ProgramError('usage', '--staple needs HTTPS', { hint: 'add --https' })
  }
  const isSaid = crlLeafOnly !== undefined || crlGrace !== undefined
  return {
    crl,
    revocation:
      asks && isSaid
        ? {
            depth: crlLeafOnly === true ? 'leaf' : 'chain',
            stale: crlGrace === undefined ? 'fail-closed' : parseDuration(crlGrace),
          }
        : undefined,
    crlFetch: asks ? fetchOptions(flags) : undefined,
    staple,
  }
}

/** The lists that are files. */
export function listFiles(crl: readonly string[] = []): string[] {
  return crl.filter((one) => !/^https?:\/\//i.test(one))
}

function fetchOptions(flags: RevocationFlags): CrlFetchOptions {
  const { crlEvery, crlFolder, crlFrom, crlLater } = flags
  return {
    everyMs: crlEvery === undefined ? undefined : parseDuration(crlEvery),
    folder: crlFolder,
    fromCertificates: crlFrom,
    atStart: crlLater === true ? 'refuse-clients' : 'fail',
  }
}
