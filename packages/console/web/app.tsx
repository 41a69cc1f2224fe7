/** The page as a whole: which screen, and its title. */
import type { JSX } from 'preact'
import { Frame } from './parts/frame.tsx'
import { route } from './route.ts'
import { Account } from './screens/account.tsx'
import { Certificates } from './screens/certificates.tsx'
import { Failed, Starting } from './screens/starting.tsx'
import { Sessions } from './screens/sessions.tsx'
import { SecondStep } from './screens/second-step.tsx'
import { SetPassword } from './screens/set-password.tsx'
import { SetUp } from './screens/set-up.tsx'
import { SignIn } from './screens/sign-in.tsx'
import { phase } from './session.ts'

/** Everything in the page. */
export function App(): JSX.Element {
  const now = phase.value
  if (now.name === 'starting') return <Starting />
  if (now.name === 'failed') return <Failed error={now.error} />
  if (now.name === 'set-up') return <SetUp />
  const at = route.value
  if (at.screen === 'password') return <SetPassword />
  if (now.name === 'second-step') return <SecondStep step={now.step} />
  if (now.name === 'signed-out') return <SignIn notice={now.notice} />
  return (
    <Frame key={now.who.id} who={now.who} screen={at.screen}>
      {at.screen === 'sessions' ? (
        <Sessions />
      ) : at.screen === 'account' ? (
        <Account route={at} who={now.who} />
      ) : (
        <Certificates route={at} />
      )}
    </Frame>
  )
}
