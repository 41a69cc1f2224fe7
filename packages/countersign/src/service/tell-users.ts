/**
 * What users should hear of, handed to a command of the operator, who knows how to reach them: changes of what lets them in, and
 * sign-ins that somebody may have tried in their name (ASVS 6.3.5, 6.3.7).
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AuthEvent, AuthEventType } from '@countersign/auth'
import { errorMessage } from '@countersign/core'
import { hookEnvironment } from '../hook-environment.ts'

/**
 * Runs a command in the shell for each such event, one after the other: who, what, why, from where and when stand in its environment.
 *
 * @param command - `undefined` tells nobody
 * @param note - a remark for the operator, where the command fails or there are too many
 */
export function tellUsers(
  command: string | undefined,
  note: (text: string) => void,
): (event: AuthEvent) => void {
  if (command === undefined) return () => {}
  const waiting: AuthEvent[] = []
  const latest = new Map<string, number>()
  let running = false
  const work = async (): Promise<void> => {
    running = true
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      const fault = await run(command, event)
      if (fault !== undefined) note(`${event.name} was not told of ${event.type}: ${fault}`)
    }
    running = false
  }
  return (event) => {
    if (event.name === undefined || !concernsUser(event)) return
    // Whoever guesses makes many, and must not fill somebody's letter box with them.
    const now = performance.now()
    const key = `${event.type} ${event.name} ${event.reason ?? ''}`
    if (REPEATED.has(event.type) && now < (latest.get(key) ?? Number.NEGATIVE_INFINITY)) return
    if (latest.size >= MOST_KNOWN) latest.clear()
    latest.set(key, now + QUIET_MS)
    if (waiting.length >= MOST_WAITING) {
      note(`${event.name} was not told of ${event.type}: ${MOST_WAITING} others wait`)
      return
    }
    waiting.push(event)
    if (!running) void work()
  }
}

/** Whether a user would want to know. */
function concernsUser({ reason = '', subject, type }: AuthEvent): boolean {
  // The password was right, and what has to follow it was not.
  if (type === 'authn_login_fail') return /^(?:totp|recovery|webauthn)-wrong$/.test(reason)
  // An access token is made every five minutes; one of their own has a name and no other reason.
  if (type === 'authn_token_created') return subject !== undefined && reason === ''
  return TOLD.has(type)
}

/** Why it could not be run; `undefined` where it ended well. */
async function run(command: string, event: AuthEvent): Promise<string | undefined> {
  const { address = '', name = '', reason = '', time, type } = event
  try {
    const child = spawn(command, {
      shell: true,
      stdio: ['ignore', 2, 2],
      timeout: LONGEST_MS,
      env: hookEnvironment({
        COUNTERSIGN_EVENT: type,
        COUNTERSIGN_USER: name,
        COUNTERSIGN_REASON: reason,
        COUNTERSIGN_ADDRESS: address,
        COUNTERSIGN_TIME: time.toISOString(),
      }),
    })
    const [code, signal]: (number | string | null)[] = await once(child, 'close')
    return code === 0 ? undefined : `the command ended with ${code ?? signal ?? 'nothing'}`
  } catch (error) {
    return errorMessage(error)
  }
}

const TOLD: ReadonlySet<AuthEventType> = new Set<AuthEventType>([
  'authn_password_change',
  'authn_reset_created',
  'authn_login_lock',
  'user_updated',
  'privilege_permissions_changed',
])
/** What strangers can bring about as often as they like. */
const REPEATED: ReadonlySet<AuthEventType> = new Set<AuthEventType>([
  'authn_login_fail',
  'authn_login_lock',
  'authn_reset_created',
])
const QUIET_MS = 600_000
const MOST_KNOWN = 10_000
const MOST_WAITING = 100
const LONGEST_MS = 30_000
