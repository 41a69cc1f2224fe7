/**
 * What a certificate is for, as flags of the commands that ask for one: a server unless they say otherwise.
 *
 * @module
 */
import type { ProfileName } from '@countersign/authority'
import { ProgramError } from './errors.ts'

/** `--client` and `--both`. */
export interface ProfileFlags {
  client?: boolean
  both?: boolean
}

/**
 * Reads the flags.
 *
 * @throws ProgramError `usage` for both of them
 */
export function profileOf({ client, both }: ProfileFlags): ProfileName {
  if (client === true && both === true) {
    throw new ProgramError('usage', '--client and --both exclude each other', {
      hint: 'leave --client out: --both is for a server that is a client as well',
    })
  }
  if (both === true) return 'both'
  return client === true ? 'client' : 'server'
}
