/**
 * Every store on a machine that programs take their roots from.
 *
 * @module
 */
import { homedir } from 'node:os'
import path from 'node:path'
import { firefoxStores } from './firefox.ts'
import { javaStores } from './java.ts'
import { nssStores } from './nss.ts'
import type { Machine, Store, StoreName } from './store.ts'
import { systemStores } from './system.ts'

/** This machine, or another root of a system below a folder. */
export function thisMachine(root: string | undefined): Machine {
  const { env, platform } = process
  const home = env['HOME'] || homedir()
  return { platform, root: path.resolve(root ?? path.parse(home).root), home, env }
}

/** The stores of these kinds that are there. */
export function storesOf(machine: Machine, names: readonly StoreName[]): Store[] {
  return names.flatMap((name) => FINDERS[name](machine))
}

/** Every kind of store. */
export const STORE_NAMES: readonly StoreName[] = ['system', 'nss', 'firefox', 'java']

const FINDERS: Readonly<Record<StoreName, (machine: Machine) => Store[]>> = {
  system: systemStores,
  nss: nssStores,
  firefox: firefoxStores,
  java: javaStores,
}
