/**
 * Who is in front of the page: being found out, setting up, signed out, or signed in.
 *
 * @module
 */
import { signal } from '@preact/signals'
import { ApiError, sentence, toApiError } from './api-error.ts'
import { fetchSession, postLogout, type SignedIn } from './api.ts'
import {
  fetchSetupNeeded,
  postLogin,
  postPasskeyLogin,
  postSecondStep,
  postSetup,
  type ProofWay,
  type SecondStep,
} from './entry-api.ts'
import { goTo, START } from './route.ts'

/** Where the page stands. */
export type Phase =
  | { readonly name: 'starting' }
  | { readonly name: 'failed'; readonly error: ApiError }
  | { readonly name: 'set-up' }
  | { readonly name: 'signed-out'; readonly notice?: string | undefined }
  | { readonly name: 'second-step'; readonly step: SecondStep }
  | { readonly name: 'signed-in'; readonly who: SignedIn }

/** Where the page stands now. */
export const phase = signal<Phase>({ name: 'starting' })

/** Whether the service asks for a second factor that is not there, or not proved: nothing else is open until then. */
export const secondFactorWanted = signal(false)

/** Finds out which screen comes first; `notice` is said where that is the sign-in. */
export async function start(notice?: string): Promise<void> {
  phase.value = { name: 'starting' }
  try {
    enter(await fetchSession())
  } catch (error) {
    const fault = toApiError(error)
    if (fault.status === 401) await startSignedOut(notice)
    else phase.value = { name: 'failed', error: fault }
  }
}

async function startSignedOut(notice: string | undefined): Promise<void> {
  try {
    phase.value = (await fetchSetupNeeded()) ? { name: 'set-up' } : { name: 'signed-out', notice }
  } catch (error) {
    phase.value = { name: 'failed', error: toApiError(error) }
  }
}

/** Signs in, or goes on to the second step; throws what the service says against it. */
export async function signIn(username: string, password: string): Promise<void> {
  const answer = await postLogin(username, password)
  if ('challenge' in answer) phase.value = { name: 'second-step', step: answer }
  else enter(answer)
}

/** The second step; throws what the service says against it. */
export async function completeSignIn(step: SecondStep, way: ProofWay, code: string): Promise<void> {
  try {
    enter(await postSecondStep(step, way, code))
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'challenge-invalid') throw error
    leave(`${sentence(error.message)} Begin again.`)
  }
}

/** Signs in with a passkey alone. */
export async function signInWithPasskey(): Promise<void> {
  enter(await postPasskeyLogin())
}

/** From the second step back to the first. */
export function beginAgain(): void {
  leave()
}

/** Makes the first administrator, who is signed in with it. */
export async function setUp(code: string, username: string, password: string): Promise<void> {
  enter(await postSetup(code, username, password))
}

/** Leaves; throws where the service could not be told, because the session then still stands. */
export async function signOut(): Promise<void> {
  try {
    await postLogout()
  } catch (error) {
    if (toApiError(error).status !== 401) throw error
  }
  // Whoever signs in next may be somebody else; only a session that ended by itself goes on where it was.
  goTo(START, true)
  leave()
}

/** Called when the session goes on under another name, with other limits. */
export async function renewed(): Promise<void> {
  enter(await fetchSession())
}

/**
 * Called by every screen with what its requests threw: an ended session leads to the sign-in, a second factor that the service asks for
 * to the account.
 *
 * @returns whether the screen is left by that
 */
export function endedBy(error: unknown): boolean {
  if (error instanceof ApiError && error.code === 'second-factor-required') {
    secondFactorWanted.value = true
    goTo({ screen: 'account', task: undefined }, true)
    return true
  }
  if (!(error instanceof ApiError) || error.status !== 401 || WRONG_PROOF.has(error.code)) {
    return false
  }
  if (phase.value.name === 'signed-in') leave('Your session has ended. Sign in to go on.')
  return true
}

/** Called after every answer: the service counts idle time from there. */
export function noteActivity(): void {
  if (phase.value.name === 'signed-in') watchIdle()
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') void lookAgain()
})

/** In another tab somebody may have signed out meanwhile, or somebody else in: nothing here is theirs. */
async function lookAgain(): Promise<void> {
  const before = phase.value
  if (before.name !== 'signed-in') return
  try {
    const who = await fetchSession()
    if (phase.value !== before) return
    if (who.id === before.who.id) noteActivity()
    else {
      goTo(START, true)
      enter(who)
    }
  } catch (error) {
    // Anything but an ended session is told by what is asked for next.
    endedBy(error)
  }
}

let idleMs = 0
let endsAt = 0
let timer: ReturnType<typeof setTimeout> | undefined

function enter(who: SignedIn): void {
  idleMs = Math.max(0, who.idleExpires.getTime() - Date.now())
  endsAt = who.expires.getTime()
  secondFactorWanted.value = false
  phase.value = { name: 'signed-in', who }
  watchIdle()
}

/**
 * Leaves by the page's own clock: asking the service whether the session still stands would keep it alive, and a
 * page that was left open would never be signed out.
 */
function watchIdle(): void {
  clearTimeout(timer)
  const wait = Math.min(idleMs, endsAt - Date.now())
  timer = setTimeout(() => leave(IDLE_NOTICE), Math.min(Math.max(wait, 0) + 1000, LONGEST_TIMER_MS))
}

function leave(notice?: string): void {
  clearTimeout(timer)
  phase.value = { name: 'signed-out', notice }
}

/** What is answered with 401 as well, to somebody whose session stands. */
const WRONG_PROOF: ReadonlySet<string> = new Set([
  'invalid-code',
  'invalid-credentials',
  'step-up-required',
])
const IDLE_NOTICE = 'You were signed out because the session reached its time limit.'
/** Anything longer would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647
