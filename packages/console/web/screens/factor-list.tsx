/** The factors one has, and how one is removed. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { isSecondFactor, kindWord } from '../factor-kinds.ts'
import { deleteFactor, type FactorEntry } from '../factors-api.ts'
import type { Outcome } from '../outcome.ts'
import { useAction } from '../parts/action.ts'
import { Confirm } from '../parts/confirm.tsx'
import { Empty, ErrorNotice } from '../parts/notice.tsx'
import { TimeOf } from '../parts/time-of.tsx'
import { withProof } from '../proof.ts'
import { distanceText } from '../time.ts'

export function FactorList(props: {
  factors: readonly FactorEntry[]
  onDone: (outcome: Outcome) => void
  /** Called when the list may be that of before. */
  onStale: () => void
}): JSX.Element {
  const { factors, onDone, onStale } = props
  const action = useAction()
  const asked = useSignal<FactorEntry | undefined>(undefined)
  const answer = (yes: boolean): void => {
    const factor = asked.value
    asked.value = undefined
    if (!yes || factor === undefined) return
    action.run(async () => {
      try {
        await withProof(() => deleteFactor(factor.id))
      } catch (error) {
        onStale()
        throw error
      }
      onDone({ notice: removedText(factor) })
    })
  }
  return (
    <>
      {action.error === undefined ? null : <ErrorNotice error={action.error} />}
      {factors.length === 0 ? (
        <Empty title="Only your password lets you in" level={3}>
          <p>With an app or a passkey beside it, a password that was stolen is not enough.</p>
        </Empty>
      ) : (
        <ul class="sessions">
          {factors.map((factor) => (
            <Factor
              key={factor.id}
              factor={factor}
              onRemove={() => {
                if (!action.busy) asked.value = factor
              }}
            />
          ))}
        </ul>
      )}
      {asked.value === undefined ? null : (
        <Confirm
          question={`Remove ${nameOf(asked.value)}?`}
          detail={consequence(asked.value, factors)}
          action="Remove it"
          onAnswer={answer}
        />
      )}
    </>
  )
}

function Factor(props: { factor: FactorEntry; onRemove: () => void }): JSX.Element {
  const { factor, onRemove } = props
  const { created, expires, label, lastUsed, remaining, type } = factor
  const now = new Date()
  // A name that says the kind once more says nothing.
  const isPlain = label === undefined || label === kindWord(type).toLowerCase()
  return (
    <li class="session">
      <div class="session-head">
        <h3>
          <bdi>{isPlain ? kindWord(type) : label}</bdi>
        </h3>
        {isPlain ? null : <span class="badge">{kindWord(type)}</span>}
        {expires !== undefined && expires <= now ? (
          <span class="badge badge-over">Ended</span>
        ) : null}
      </div>
      <dl class="session-facts">
        {remaining === undefined ? null : <Fact name="Left">{`${remaining} of 10`}</Fact>}
        {created === undefined ? null : (
          <Fact name="Added">
            <TimeOf date={created} text={distanceText(created, now)} />
          </Fact>
        )}
        {type === 'recovery' ? null : (
          <Fact name="Last used">
            {lastUsed === undefined ? (
              'never'
            ) : (
              <TimeOf date={lastUsed} text={distanceText(lastUsed, now)} />
            )}
          </Fact>
        )}
        {expires === undefined ? null : (
          <Fact name={expires <= now ? 'Ended' : 'Ends'}>
            <TimeOf date={expires} text={distanceText(expires, now)} />
          </Fact>
        )}
      </dl>
      <button type="button" class="button button-quiet session-end" onClick={onRemove}>
        Remove
        <span class="visually-hidden"> {nameOf(factor)}</span>
      </button>
    </li>
  )
}

function Fact(props: { name: string; children: JSX.Element | string }): JSX.Element {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  )
}

function nameOf({ label, type }: FactorEntry): string {
  return label === undefined ? kindWord(type).toLowerCase() : `“${label}”`
}

function removedText(factor: FactorEntry): string {
  return factor.type === 'recovery'
    ? 'The recovery codes were removed.'
    : `${nameOf(factor)} was removed.`
}

/** What it comes to. */
function consequence(factor: FactorEntry, factors: readonly FactorEntry[]): string {
  const { type } = factor
  if (type === 'client_cert') return 'The certificate is revoked, and nobody gets in with it again.'
  if (type === 'recovery') return 'None of them is good any more. New ones can be made at any time.'
  const second = factors.filter((other) => isSecondFactor(other.type))
  if (isSecondFactor(type) && second.length === 1) {
    return 'It is the last one: from then on your password alone lets you in, and the recovery codes end.'
  }
  return 'You are signed out everywhere else, and nobody gets in with it again.'
}
