/** Where one is signed in, and how to end it. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { type ApiError, toApiError } from '../api-error.ts'
import { deleteSession, fetchSessions, postLogoutOthers, type SessionEntry } from '../api.ts'
import { deviceText } from '../device.ts'
import { Confirm } from '../parts/confirm.tsx'
import { Heading } from '../parts/heading.tsx'
import { useLoaded } from '../parts/loading.ts'
import { ErrorNotice, PlainNotice } from '../parts/notice.tsx'
import { TimeOf } from '../parts/time-of.tsx'
import { endedBy, noteActivity, signOut } from '../session.ts'
import { distanceText } from '../time.ts'

type Question =
  | { readonly kind: 'one'; readonly session: SessionEntry }
  | { readonly kind: 'others' }
  | { readonly kind: 'this' }

export function Sessions(): JSX.Element {
  const [sessions, reload] = useLoaded((signal) => fetchSessions(signal), [])
  const question = useSignal<Question | undefined>(undefined)
  const error = useSignal<ApiError | undefined>(undefined)
  const notice = useSignal<string | undefined>(undefined)
  const shown = useSignal(PAGE_SIZE)
  const answer = (yes: boolean): void => {
    const asked = question.value
    question.value = undefined
    if (yes && asked !== undefined) void run(asked)
  }
  const run = async (asked: Question): Promise<void> => {
    error.value = undefined
    notice.value = undefined
    try {
      const done = await end(asked)
      noteActivity()
      notice.value = done
    } catch (thrown) {
      if (endedBy(thrown)) return
      error.value = toApiError(thrown)
    }
    reload()
  }
  const list = sessions.value.value
  const others = list?.filter((session) => !session.current).length ?? 0
  return (
    <section class="sessions-screen">
      <div class="title-row">
        <Heading text="Sessions" />
        {others === 0 ? null : (
          <button
            type="button"
            class="button button-quiet"
            onClick={() => {
              question.value = { kind: 'others' }
            }}
          >
            End all others
          </button>
        )}
      </div>
      <p class="quiet">Every place where you are signed in. End what you do not recognise.</p>
      {notice.value === undefined ? null : <PlainNotice>{notice.value}</PlainNotice>}
      {error.value === undefined ? null : <ErrorNotice error={error.value} />}
      {sessions.value.error === undefined ? null : (
        <ErrorNotice error={sessions.value.error} onRetry={reload} />
      )}
      {list === undefined && sessions.value.loading ? <p role="status">Loading…</p> : null}
      <ul class="sessions">
        {sorted(list ?? [])
          .slice(0, shown.value)
          .map((session) => (
            <SessionItem
              key={session.sid}
              session={session}
              onEnd={() => {
                if (session.current) void run({ kind: 'this' })
                else question.value = { kind: 'one', session }
              }}
            />
          ))}
      </ul>
      {list === undefined || list.length <= shown.value ? null : (
        <div class="more">
          <p class="quiet">
            {shown.value} of {list.length}, those that were used last
          </p>
          <button
            type="button"
            class="button button-quiet"
            onClick={() => {
              shown.value += PAGE_SIZE
            }}
          >
            Show more
          </button>
        </div>
      )}
      {list !== undefined && others === 0 ? (
        <p class="quiet">You are signed in nowhere else.</p>
      ) : null}
      {question.value === undefined ? null : (
        <Confirm {...wordsOf(question.value, others)} onAnswer={answer} />
      )}
    </section>
  )
}

function SessionItem(props: { session: SessionEntry; onEnd: () => void }): JSX.Element {
  const { session, onEnd } = props
  const now = new Date()
  const device = deviceText(session.userAgent)
  return (
    <li class={session.current ? 'session session-current' : 'session'}>
      <div class="session-head">
        <h2>{device}</h2>
        {session.current ? <span class="badge">This one</span> : null}
      </div>
      <dl class="session-facts">
        <div>
          <dt>Address</dt>
          <dd>{session.address ?? 'unknown'}</dd>
        </div>
        <div>
          <dt>Last seen</dt>
          <dd>
            <TimeOf date={session.lastSeen} text={distanceText(session.lastSeen, now)} />
          </dd>
        </div>
        <div>
          <dt>Signed in</dt>
          <dd>
            <TimeOf date={session.created} text={distanceText(session.created, now)} />
          </dd>
        </div>
      </dl>
      <p class="session-agent">{session.userAgent ?? 'It did not say what it is.'}</p>
      <button type="button" class="button button-quiet session-end" onClick={onEnd}>
        {session.current ? 'Sign out' : 'End'}
        <span class="visually-hidden">
          {session.current ? ' of this session' : ` the session of ${device}`}
        </span>
      </button>
    </li>
  )
}

async function end(asked: Question): Promise<string | undefined> {
  if (asked.kind === 'this') {
    await signOut()
    return undefined
  }
  if (asked.kind === 'one') {
    await deleteSession(asked.session.sid)
    return 'The session was ended.'
  }
  const count = await postLogoutOthers()
  return count === 1 ? 'One other session was ended.' : `${count} other sessions were ended.`
}

function wordsOf(
  question: Question,
  others: number,
): { question: string; detail: string; action: string } {
  if (question.kind === 'one') {
    const device = deviceText(question.session.userAgent)
    return {
      question: 'End this session?',
      detail: `${device}, ${question.session.address ?? 'address unknown'}, has to sign in again.`,
      action: 'End it',
    }
  }
  return {
    question: 'End all other sessions?',
    detail: `${others === 1 ? 'One session' : `${others} sessions`} will have to sign in again. This one stays.`,
    action: 'End them',
  }
}

/** This one first, then by when they were last used. */
function sorted(sessions: readonly SessionEntry[]): SessionEntry[] {
  return sessions.toSorted(
    (a, b) => Number(b.current) - Number(a.current) || b.lastSeen.getTime() - a.lastSeen.getTime(),
  )
}

const PAGE_SIZE = 50
