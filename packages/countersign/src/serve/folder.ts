/**
 * How `serve` serves a folder.
 *
 * @module
 */
import type { FolderOptions } from '@countersign/server'
import type { Command } from 'commander'

/** The options of {@link addFolderOptions}. */
export interface FolderFlags {
  listing?: boolean
  hidden?: boolean
  hsts: boolean
}

/** Adds them. */
export function addFolderOptions(command: Command): void {
  command
    .option('--listing', 'list the files of a folder that has no index.html')
    .option('--hidden', 'serve names that begin with a dot')
    .option('--no-hsts', 'do not tell browsers to come by HTTPS alone')
}

/** What they say to `serveFolder`; a certificate made for one run binds no browser for two years. */
export function folderOptions(
  { listing, hidden, hsts }: FolderFlags,
  { adhoc }: { readonly adhoc: boolean },
): FolderOptions {
  return { listing, hidden, hsts: hsts && !adhoc }
}
