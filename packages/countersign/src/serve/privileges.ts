/**
 * Giving up the rights of root for good, once the port is open.
 *
 * @module
 */
import { errorMessage } from '@countersign/core'
import { ProgramError } from '../errors.ts'

/** Who the process becomes. */
export interface ServiceUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Of which it is a member. */
  readonly groups: readonly number[]
}

/**
 * Looks up who `--user NAME[:GROUP]` means, before anything is opened.
 *
 * @throws {@link ProgramError} `usage` for a user or group that is none, or that is root; `not-root` where nothing can be given up
 */
export function serviceUser(text: string): ServiceUser {
  const [, name, group] =
    /^([A-Za-z_][\w.-]{0,31}\$?)(?::([A-Za-z_][\w.-]{0,31}\$?))?$/.exec(text) ?? []
  if (name === undefined) {
    throw new ProgramError('usage', `--user ${JSON.stringify(text)} is no name of a user`, {
      hint: 'write NAME or NAME:GROUP, as in www-data:www-data',
    })
  }
  if (process.geteuid?.() !== 0) {
    throw new ProgramError('not-root', 'only root can become another user', {
      hint: 'leave --user out: the server runs as whoever starts it',
    })
  }
  const uid = idOf(['-u', name], `there is no user ${name}`)
  const gid = group === undefined ? idOf(['-g', name], `there is no user ${name}`) : groupId(group)
  if (uid === 0 || gid === 0) {
    throw new ProgramError('usage', '--user names root, who has nothing to give up', {
      hint: 'name a user of its own: useradd --system --no-create-home countersign',
    })
  }
  return { name, uid, gid, groups: [...new Set([gid, ...memberships(name)])] }
}

/**
 * Becomes that user, and proves that there is no way back.
 *
 * @throws {@link ProgramError} `privileges-kept`
 */
export function becomeUser({ name, uid, gid, groups }: ServiceUser): void {
  try {
    // In this order: who is no longer root may change neither groups nor group.
    process.setgroups?.([...groups])
    process.setgid?.(gid)
    process.setuid?.(uid)
  } catch (error) {
    throw kept(name, errorMessage(error), error)
  }
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid) throw kept(name, 'still root')
  if (
    process.getgid?.() !== gid ||
    process.getegid?.() !== gid ||
    process.getgroups?.().includes(0)
  ) {
    throw kept(name, 'still in a group of root')
  }
  for (const back of [
    () => process.setuid?.(0),
    () => process.seteuid?.(0),
    () => process.setgid?.(0),
  ]) {
    let isBack = true
    try {
      back()
    } catch {
      isBack = false
    }
    if (isBack) throw kept(name, 'the rights of root could be taken back')
  }
}

function idOf(args: readonly string[], fault: string): number {
  const [id] = idsOf(args, fault)
  if (id === undefined) throw unknown(fault, undefined)
  return id
}

function memberships(name: string): number[] {
  return idsOf(['-G', name], `there is no user ${name}`)
}

function idsOf(args: readonly string[], fault: string): number[] {
  try {
    // It knows what the C library knows: LDAP and the like as well as /etc/passwd.
    const text = output('id', args)
    return text.trim().split(' ').map(Number).filter(Number.isSafeInteger)
  } catch (cause) {
    throw unknown(fault, cause)
  }
}

/** What a program says; the module that starts it is loaded here, since most servers keep the rights that they have. */
function output(program: string, args: readonly string[]): string {
  const { execFileSync } = process.getBuiltinModule('node:child_process')
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

function groupId(group: string): number {
  try {
    const text = output('getent', ['group', group])
    const id = text.split(':')[2] ?? ''
    if (/^\d+$/.test(id)) return Number(id)
  } catch (cause) {
    throw unknown(`there is no group ${group}`, cause)
  }
  throw unknown(`there is no group ${group}`, undefined)
}

function unknown(fault: string, cause: unknown): ProgramError {
  return new ProgramError('usage', `--user: ${fault}`, {
    cause,
    hint: 'make one: useradd --system --no-create-home countersign',
  })
}

function kept(name: string, why: string, cause?: unknown): ProgramError {
  return new ProgramError('privileges-kept', `could not become ${name}: ${why}`, {
    cause,
    hint: 'start it as root and with the capabilities SETUID and SETGID, or leave --user out',
  })
}
