/**
 * Explains a chain from what is in hand: no file is read and nobody is asked.
 *
 * @module
 */
import { checkOptions } from '@countersign/core'
import type { Explanation } from '../errors.ts'
import { explainEvidence } from './explain-evidence.ts'
import type { ExplainChainOptions } from './explain-options.ts'

/**
 * Explains why a chain is believed or not: the chain, its broken link, the names, the dates, and one way out for each side.
 *
 * It does no I/O, and reads no clock where `time` is given. Without `code` it predicts what a context of this package does.
 *
 * @throws CoreError `option-unknown`
 */
export function explainChain(options: ExplainChainOptions): Explanation {
  checkOptions(options, OPTIONS, 'explainChain')
  return explainEvidence(options)
}

const OPTIONS: readonly (keyof ExplainChainOptions)[] = [
  'chain',
  'trust',
  'name',
  'purpose',
  'time',
  'crls',
  'code',
  'message',
  'hint',
  'nodeCode',
  'own',
  'target',
  'elsewhere',
]
