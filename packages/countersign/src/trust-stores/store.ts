/**
 * What every place that programs take their roots from has in common: the system's store, NSS databases, Java's, Firefox's.
 *
 * @module
 */
import type { Certificate } from '@countersign/x509'

/** The kinds of stores, as `--store` names them. */
export type StoreName = 'system' | 'nss' | 'firefox' | 'java'

/** One store on this machine. */
export interface Store {
  readonly name: StoreName
  /** A file or folder: where the root goes, or the database it goes into. */
  readonly place: string
  /** Why nothing can be done with it; `undefined` where it can be used. */
  readonly unusable?: { readonly fault: string; readonly hint?: string } | undefined
  /** Whether that very certificate is there and trusted for servers. */
  holds(root: Certificate): Promise<boolean>
  /** Puts it in. What was there stays. */
  add(root: Certificate): Promise<void>
  /**
   * Takes out what {@link Store.add} put in.
   *
   * @returns `false` where it is not there any more, or something else stands in its place
   */
  remove(root: Certificate): Promise<boolean>
  /** Connects as the programs of that store do; `undefined` where this cannot be tried here. */
  connect?: ((url: URL) => Promise<ConnectResult | undefined>) | undefined
}

/** What came of a connection. */
export interface ConnectResult {
  readonly ok: boolean
  /** Which program tried. */
  readonly by: string
  /** Its own words where it failed. */
  readonly message?: string | undefined
}

/** Where stores are looked for. */
export interface Machine {
  readonly platform: NodeJS.Platform
  /** Put before every path of the system; '/' is the machine itself. */
  readonly root: string
  readonly home: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** What a root is called where a name is needed: unlike any other's, and the same every time. */
export function nickname(root: Certificate): string {
  const words = (root.subject.get('commonName') ?? 'root').replaceAll(/[^\w .-]/g, '').slice(0, 60)
  return `countersign ${words} ${root.fingerprint.slice(0, 12)}`
}
