/**
 * `countersign policy`: who may ask for which certificates.
 *
 * @module
 */
import type { RequesterRule } from '@countersign/authority'
import type { Command } from 'commander'
import { addCommand, dataOption, perform, type SharedFlags } from '../command.ts'
import { readConfiguration } from '../configuration.ts'
import { requireAuthority } from '../data-folder.ts'
import { table } from '../output.ts'

/** Adds the command. */
export function addPolicy(program: Command): void {
  addCommand(program, 'policy', 'show who may ask for which certificates')
    .addOption(dataOption())
    .action(async (flags: SharedFlags) =>
      perform(flags, async ({ output, data }) => {
        requireAuthority(data)
        const { DEFAULT_RULES, checkRequesterRules } = await import('@countersign/authority')
        const { rules: written } = await readConfiguration(data)
        const rules = written ?? DEFAULT_RULES
        checkRequesterRules(rules)
        output.result(
          { source: written === undefined ? 'default' : data.configuration, rules },
          table([HEADING, ...ABOVE, ...rules.map((rule) => toRow(rule))]),
        )
        output.note(
          written === undefined
            ? `these hold without rules in ${data.configuration}`
            : `from ${data.configuration}`,
        )
      }),
    )
}

function toRow({ who, names, profiles, keyTypes, maxDays, wildcards }: RequesterRule): string[] {
  return [
    who.join(' '),
    names.join(' '),
    (profiles ?? ['server']).join(' '),
    keyTypes === undefined ? 'any' : keyTypes.join(' '),
    maxDays === undefined ? '90' : String(maxDays),
    wildcards === true ? 'yes' : 'no',
  ]
}

const HEADING = ['WHO', 'NAMES', 'PROFILES', 'KEYS', 'DAYS', 'WILDCARDS']
const ABOVE = [['operator, role:admin', 'any', 'server client', 'any', '90', 'yes']]
