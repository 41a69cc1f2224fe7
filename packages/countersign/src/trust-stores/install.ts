/**
 * Putting roots into stores, taking them out again, and looking whether they are there: one report for every root and store.
 *
 * @module
 */
import { CountersignError, errorMessage } from '@countersign/core'
import { Certificate } from '@countersign/x509'
import type { Receipt } from './receipt.ts'
import type { ConnectResult, Store, StoreName } from './store.ts'

/** What is so, or was done, with a root and a store. */
export interface StoreReport {
  readonly store: StoreName
  readonly place: string
  readonly root: string
  readonly fingerprint: string
  /**
   * `installed`, `already-there`, `removed`; `gone` (somebody else removed it, or put something else in its place); `present`,
   * `absent`; `unusable` (its tool is not there), `failed`.
   */
  readonly status:
    | 'installed'
    | 'already-there'
    | 'removed'
    | 'gone'
    | 'present'
    | 'absent'
    | 'unusable'
    | 'failed'
  readonly message?: string | undefined
  readonly hint?: string | undefined
  readonly connection?: ConnectResult | undefined
}

/** Puts roots into stores; what is there already is left alone and not written down. */
export async function install(
  stores: readonly Store[],
  roots: readonly Certificate[],
  receipt: Receipt,
  now: Date,
): Promise<StoreReport[]> {
  return each(stores, roots, async (store, root) => {
    if (await store.holds(root)) return { status: 'already-there' }
    const { name, place } = store
    const { fingerprint, pem } = root
    const entry = { store: name, place, pem, fingerprint, at: now.toISOString() }
    await receipt.add(entry)
    try {
      await store.add(root)
    } catch (error) {
      // It may have done half of it: then the entry stays, and uninstall finishes.
      if (!(await store.holds(root).catch(() => true))) await receipt.remove(entry)
      throw error
    }
    if (await store.holds(root)) return { status: 'installed' }
    return { status: 'failed', message: 'the store took it and does not show it' }
  })
}

/** Undoes what the receipt says, in these stores, for these roots; `undefined` for all of them. */
export async function uninstall(
  stores: readonly Store[],
  names: readonly StoreName[],
  roots: readonly Certificate[] | undefined,
  receipt: Receipt,
): Promise<StoreReport[]> {
  const wanted = roots === undefined ? undefined : new Set(roots.map((root) => root.fingerprint))
  const reports: StoreReport[] = []
  for (const entry of receipt.entries) {
    if (!names.includes(entry.store) || wanted?.has(entry.fingerprint) === false) continue
    const root = Certificate.parse(entry.pem)
    const store = stores.find(({ name, place }) => name === entry.store && place === entry.place)
    const report = await reportOf(entry.store, entry.place, root, async () => {
      // A store that is gone holds nothing any more.
      if (store === undefined) return { status: 'gone' }
      if (store.unusable !== undefined) return unusable(store.unusable)
      return { status: (await store.remove(root)) ? 'removed' : 'gone' }
    })
    if (report.status === 'removed' || report.status === 'gone') await receipt.remove(entry)
    reports.push(report)
  }
  return reports
}

/** Looks whether roots are in stores, and connects where a URL is given. */
export async function check(
  stores: readonly Store[],
  roots: readonly Certificate[],
  url: URL | undefined,
): Promise<StoreReport[]> {
  return each(stores, roots, async (store, root) => {
    if (!(await store.holds(root))) return { status: 'absent' }
    const connection = url === undefined ? undefined : await store.connect?.(url)
    if (connection?.ok === false) {
      const message = `${connection.by} does not connect: ${connection.message ?? ''}`
      return { status: 'failed', connection, message }
    }
    return { status: 'present', connection }
  })
}

type Outcome = Pick<StoreReport, 'status' | 'message' | 'hint' | 'connection'>

async function each(
  stores: readonly Store[],
  roots: readonly Certificate[],
  act: (store: Store, root: Certificate) => Promise<Outcome>,
): Promise<StoreReport[]> {
  const reports: StoreReport[] = []
  for (const store of stores) {
    for (const root of roots) {
      reports.push(
        await reportOf(store.name, store.place, root, async () =>
          store.unusable === undefined ? act(store, root) : unusable(store.unusable),
        ),
      )
    }
  }
  return reports
}

async function reportOf(
  store: StoreName,
  place: string,
  root: Certificate,
  act: () => Promise<Outcome>,
): Promise<StoreReport> {
  const facts = { store, place, root: root.subject.toString(), fingerprint: root.fingerprint }
  try {
    return { ...facts, ...(await act()) }
  } catch (error) {
    const hint = error instanceof CountersignError ? error.hint : undefined
    // One store that refuses does not keep the others from theirs.
    return { ...facts, status: 'failed', message: errorMessage(error), hint }
  }
}

function unusable({ fault, hint }: { fault: string; hint?: string }): Outcome {
  return { status: 'unusable', message: fault, hint }
}
