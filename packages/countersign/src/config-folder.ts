/**
 * The folder of what this program keeps for whoever runs it: sessions, receipts, known authorities.
 *
 * @module
 */
import { homedir } from 'node:os'
import path from 'node:path'
import { nonEmpty } from './data-folder.ts'

/** `$COUNTERSIGN_CONFIG`, else `$XDG_CONFIG_HOME/countersign`, else `~/.config/countersign`. */
export function configFolder(): string {
  const chosen = nonEmpty(process.env['COUNTERSIGN_CONFIG'])
  if (chosen !== undefined) return chosen
  const base = nonEmpty(process.env['XDG_CONFIG_HOME']) ?? path.join(homedir(), '.config')
  return path.join(base, 'countersign')
}
