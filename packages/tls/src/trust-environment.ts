/**
 * What the environment says about trust. The first group that is set decides; an empty variable counts as unset.
 *
 * @module
 */
import path from 'node:path'
import { empty, readFile, readFolder, readPath, type TrustPart } from './trust-source.ts'

/** Environment variables; `false` reads none. */
export type Environment = Readonly<Record<string, string | undefined>> | false

/** What an environment names: the parts of the group that won, and every variable that is set. */
export interface EnvironmentTrust {
  /** Whether any variable is set. */
  readonly isSet: boolean
  /** Variables of the winning group, in order; none where nothing is set. */
  readonly winners: readonly string[]
  /** Variables that are set but were beaten. */
  readonly beaten: readonly string[]
  /** The files and folders that the winners and `NODE_EXTRA_CA_CERTS` name. */
  readonly paths: readonly string[]
  readonly parts: () => TrustPart[]
  /** `NODE_EXTRA_CA_CERTS`, which only ever adds. */
  readonly extra: (() => TrustPart) | undefined
}

/** Looks at the variables; reads no file until `parts` or `extra` is called. */
export function environmentTrust(environment: Environment): EnvironmentTrust {
  const variables = environment === false ? {} : environment
  const valueOf = (name: string): string | undefined => {
    const value = variables[name]
    return value === undefined || value === '' ? undefined : value
  }
  const groups = GROUPS.map((group) => group.filter(({ name }) => valueOf(name) !== undefined))
  const winners = groups.find((group) => group.length > 0) ?? []
  const extraPath = valueOf(EXTRA)
  return {
    isSet: winners.length > 0 || extraPath !== undefined,
    winners: winners.map(({ name }) => name),
    beaten: groups
      .filter((group) => group !== winners)
      .flat()
      .map(({ name }) => name),
    paths: [
      ...winners.flatMap(({ name, paths = (value) => [value] }) => paths(valueOf(name) ?? '')),
      ...(extraPath === undefined ? [] : [extraPath]),
    ],
    parts: () => winners.flatMap(({ name, read }) => read(valueOf(name) ?? '', name)),
    extra: extraPath === undefined ? undefined : () => readFile(extraPath, EXTRA),
  }
}

interface Variable {
  readonly name: string
  readonly read: (value: string, name: string) => TrustPart[]
  /** @defaultValue the value is one path */
  readonly paths?: ((value: string) => string[]) | undefined
}

function onePath(value: string, name: string): TrustPart[] {
  return [readPath(value, name)]
}

function folderList(value: string, name: string): TrustPart[] {
  const folders = splitFolders(value)
  if (folders.length === 0) throw empty(name, value)
  return folders.map((folder) => readFolder(folder, name))
}

function splitFolders(value: string): string[] {
  return value.split(path.delimiter).filter((folder) => folder !== '')
}

/** The names of the variables that {@link environmentTrust} reads. */
export const EXTRA = 'NODE_EXTRA_CA_CERTS'

const GROUPS: readonly (readonly Variable[])[] = [
  [{ name: 'COUNTERSIGN_CA', read: onePath }],
  [
    { name: 'SSL_CERT_FILE', read: onePath },
    { name: 'SSL_CERT_DIR', read: folderList, paths: splitFolders },
  ],
  [{ name: 'REQUESTS_CA_BUNDLE', read: onePath }],
  [{ name: 'CURL_CA_BUNDLE', read: onePath }],
]
