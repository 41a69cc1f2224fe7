/**
 * Where certificates are taken from, before anything is read.
 *
 * @module
 */
import { type CaSources, TrustStore } from '@countersign/tls'
import { Certificate } from '@countersign/x509'
import { OptionError } from './errors.ts'

/** Whether a source is the path of a file rather than what would be in it. */
export function isPath(source: unknown): source is string {
  return typeof source === 'string' && !source.includes('-----BEGIN ')
}

/** One source or several, as a list. */
export function listed<Source>(sources: Source | readonly Source[]): readonly Source[] {
  return isList(sources) ? sources : [sources]
}

/** @throws {@link OptionError} `option-invalid` for what can hold no certificates */
export function checkSources(sources: CaSources | undefined, option: string): void {
  if (sources === undefined) return
  for (const source of listed<unknown>(sources)) {
    if (
      typeof source === 'string' ||
      source instanceof Uint8Array ||
      source instanceof Certificate ||
      source instanceof TrustStore
    ) {
      continue
    }
    throw new OptionError(
      'option-invalid',
      `${option} must be a path, PEM text, DER bytes, a certificate or a TrustStore, or a list of these`,
    )
  }
}

function isList<Source>(sources: Source | readonly Source[]): sources is readonly Source[] {
  return Array.isArray(sources)
}
