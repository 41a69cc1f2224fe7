/** What lets one in: the factors, the password, and what is done about them. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { SignedIn } from '../api.ts'
import { type FactorEntry, fetchFactors } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { useAction } from '../parts/action.ts'
import { Heading } from '../parts/heading.tsx'
import { useLoaded } from '../parts/loading.ts'
import { ErrorNotice, PlainNotice } from '../parts/notice.tsx'
import { ProofDialog } from '../parts/proof-dialog.tsx'
import { useSecret } from '../parts/secret.ts'
import { prove } from '../proof.ts'
import { type AccountRoute, type AccountTask, goTo, hrefOf } from '../route.ts'
import { isSecondFactor, kindWord } from '../factor-kinds.ts'
import { secondFactorWanted } from '../session.ts'
import { AddApp } from './add-app.tsx'
import { AddCertificate } from './add-certificate.tsx'
import { AddKey } from './add-key.tsx'
import { AddPasskey } from './add-passkey.tsx'
import { ChangePassword } from './change-password.tsx'
import { FactorList } from './factor-list.tsx'
import { MakeCodes, RecoveryCodes } from './recovery-codes.tsx'

export function Account(props: { route: AccountRoute; who: SignedIn }): JSX.Element {
  const { route, who } = props
  const [factors, reload] = useLoaded((signal) => fetchFactors(signal), [])
  const notice = useSignal<string | undefined>(undefined)
  const codes = useSecret<readonly string[] | undefined>(undefined)
  const list = useRef<HTMLHeadingElement>(null)
  // Of the task before; what is shown once stays until it is put away.
  useEffect(() => {
    if (route.task !== undefined) notice.value = undefined
  }, [route.task])
  const done = (outcome: Outcome): void => {
    notice.value = outcome.notice
    codes.value = outcome.codes ?? codes.value
    goTo({ screen: 'account', task: undefined }, true)
    reload()
    if (outcome.codes === undefined) list.current?.focus()
  }
  const { error, loading, value } = factors.value
  const hasSecond = value?.some(({ type }) => isSecondFactor(type)) ?? false
  return (
    <div class="account-screen">
      <div class="title-row">
        <Heading text="My account" />
      </div>
      <p class="quiet account-who">
        <bdi>{who.name}</bdi>, {rolesText(who)}
      </p>
      {notice.value === undefined ? null : <PlainNotice>{notice.value}</PlainNotice>}
      {secondFactorWanted.value && value !== undefined ? (
        <Wanted
          present={hasSecond}
          onProved={() => {
            notice.value = 'The second factor is proved: everything is open to you.'
          }}
        />
      ) : null}
      {codes.value === undefined ? null : (
        <RecoveryCodes
          codes={codes.value}
          name={who.name}
          onClose={() => {
            codes.value = undefined
            list.current?.focus()
          }}
        />
      )}
      {route.task === undefined ? null : (
        <Task
          key={route.task}
          task={route.task}
          factors={value ?? []}
          name={who.name}
          onDone={done}
          onIssued={reload}
        />
      )}
      <section>
        <h2 ref={list} tabIndex={-1}>
          Sign-in factors
        </h2>
        <p class="quiet">
          What lets you in beside your password. Adding or removing one signs you out everywhere
          else.
        </p>
        {error === undefined ? null : <ErrorNotice error={error} onRetry={reload} />}
        {value === undefined && loading ? <p role="status">Loading…</p> : null}
        {value === undefined ? null : (
          <FactorList
            factors={value}
            onDone={done}
            onStale={() => {
              notice.value = undefined
              reload()
            }}
          />
        )}
      </section>
      {value === undefined ? null : <Choices hasSecond={hasSecond} />}
      <section>
        <h2>Password</h2>
        <p class="quiet">Changing it signs you out everywhere else, and ends your API tokens.</p>
        <a
          class="button button-quiet"
          href={hrefOf({ screen: 'account', task: 'change-password' })}
        >
          Change the password
        </a>
      </section>
      <ProofDialog name={who.name} />
    </div>
  )
}

function Task(props: {
  task: AccountTask
  factors: readonly FactorEntry[]
  name: string
  onDone: (outcome: Outcome) => void
  onIssued: () => void
}): JSX.Element {
  const { task, factors, name, onDone, onIssued } = props
  if (task === 'totp') return <AddApp onDone={onDone} />
  if (task === 'passkey') return <AddPasskey onDone={onDone} />
  if (task === 'client_cert') return <AddCertificate onIssued={onIssued} />
  if (task === 'jwk') return <AddKey onDone={onDone} />
  if (task === 'recovery') {
    return <MakeCodes present={factors.some(({ type }) => type === 'recovery')} onDone={onDone} />
  }
  return <ChangePassword name={name} onDone={onDone} />
}

/** The service lets nobody in without a second factor: what is still to do. */
function Wanted(props: { present: boolean; onProved: () => void }): JSX.Element {
  const action = useAction()
  return (
    <div class="notice notice-wanted" role="status">
      <div>
        <p class="notice-fault">This service asks for a second factor.</p>
        <p>
          {props.present
            ? 'Yours is added. Prove it once, and everything is open to you.'
            : 'Add an authenticator app or a passkey: until then nothing else can be done here.'}
        </p>
        {action.error === undefined ? null : <ErrorNotice error={action.error} />}
        {props.present ? (
          <button
            type="button"
            class="button button-go"
            aria-disabled={action.busy}
            onClick={() => {
              action.run(async () => {
                await prove()
                secondFactorWanted.value = false
                props.onProved()
              })
            }}
          >
            Prove it
          </button>
        ) : null}
      </div>
    </div>
  )
}

function Choices(props: { hasSecond: boolean }): JSX.Element {
  const { hasSecond } = props
  const isWanted = secondFactorWanted.value
  return (
    <section>
      <h2>Add a factor</h2>
      <ul class="choices">
        {CHOICES.map(({ task, text }) =>
          (task === 'recovery' && !hasSecond) || (isWanted && !isSecondFactor(task)) ? null : (
            <li key={task}>
              <a href={hrefOf({ screen: 'account', task })}>{kindWord(task)}</a>
              <p class="quiet">{text}</p>
            </li>
          ),
        )}
      </ul>
    </section>
  )
}

function rolesText(who: SignedIn): string {
  if (who.roles.length === 0) return 'without a role'
  return who.roles.length === 1 ? `role ${who.roles[0]}` : `roles ${who.roles.join(', ')}`
}

const CHOICES: readonly { task: AccountTask; text: string }[] = [
  { task: 'totp', text: 'Six digits of an app on your phone, asked for after the password.' },
  {
    task: 'passkey',
    text: 'This device, or a security key: after the password, or instead of it.',
  },
  { task: 'recovery', text: 'Ten codes on paper for the day on which the others are lost.' },
  { task: 'client_cert', text: 'For programs and browsers: a certificate for a key of yours.' },
  { task: 'jwk', text: 'For programs that get tokens by signing with a key of yours.' },
]
