/**
 * Firefox keeps a database of certificates in every profile; `profiles.ini` says where the profiles are.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { nssStore } from './nss.ts'
import type { Machine, Store } from './store.ts'

/** The databases of every profile that has been started once. */
export function firefoxStores(machine: Machine): Store[] {
  const profiles = firefoxFolders(machine).flatMap((folder) => profilesOf(folder))
  return [...new Set(profiles)]
    .filter((profile) => existsSync(path.join(profile, 'cert9.db')))
    .map((profile) => nssStore('firefox', profile, machine))
}

/** Where `profiles.ini` may be: since version 147 below XDG_CONFIG_HOME, and as ever in `~/.mozilla`; snaps and flatpaks apart. */
function firefoxFolders({ platform, home, env }: Machine): string[] {
  if (platform === 'darwin') {
    return [path.join(home, 'Library', 'Application Support', 'Firefox')]
  }
  if (platform === 'win32') {
    const { APPDATA: data = path.join(home, 'AppData', 'Roaming') } = env
    return [path.join(data, 'Mozilla', 'Firefox')]
  }
  const config = env['XDG_CONFIG_HOME'] || path.join(home, '.config')
  const flatpak = path.join(home, '.var', 'app', 'org.mozilla.firefox')
  return [
    path.join(config, 'mozilla', 'firefox'),
    path.join(home, '.mozilla', 'firefox'),
    path.join(home, 'snap', 'firefox', 'common', '.mozilla', 'firefox'),
    path.join(flatpak, '.mozilla', 'firefox'),
    path.join(flatpak, 'config', 'mozilla', 'firefox'),
  ]
}

/** The folders of the profiles that a `profiles.ini` names. */
function profilesOf(folder: string): string[] {
  const file = path.join(folder, 'profiles.ini')
  if (!existsSync(file)) return []
  const profiles: string[] = []
  for (const section of readFileSync(file, 'utf8')
    .split(/^\s*\[/m)
    .slice(1)) {
    const [head = '', ...lines] = section.split(/\r?\n/)
    if (!/^Profile\d+\]/.test(head)) continue
    const values = new Map(
      lines.map((line): [string, string] => {
        const at = line.indexOf('=')
        return [line.slice(0, Math.max(at, 0)).trim(), line.slice(at + 1).trim()]
      }),
    )
    const where = values.get('Path') ?? ''
    if (where === '') continue
    const isRelative = values.get('IsRelative') !== '0' && !path.isAbsolute(where)
    profiles.push(isRelative ? path.resolve(folder, where) : path.resolve(where))
  }
  return profiles
}
