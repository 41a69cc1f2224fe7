/** The page as a whole: which screen, and its title. */
import type { JSX } from 'preact'
import { Frame } from './parts/frame.tsx'
import { route } from './route.ts'
import { Certificates } from './screens/certificates.tsx'
import { Failed, Starting } from './screens/starting.tsx'
import { Sessions } from './screens/sessions.tsx'
import { SetUp } from './screens/set-up.tsx'
import { SignIn } from './screens/sign-in.tsx'
import { phase } from './session.ts'

/** Everything in the page. */
export function App(): JSX.Element {
  const now = phase.value
  if (now.name === 'signed-in') {
    const at = route.value
    return (
      <Frame who={now.who} screen={at.screen}>
        {at.screen === 'sessions' ? <Sessions /> : <Certificates route={at} />}
      </Frame>
    )
  }
  if (now.name === 'signed-out') return <SignIn notice={now.notice} />
  if (now.name === 'set-up') return <SetUp />
  return now.name === 'failed' ? <Failed error={now.error} /> : <Starting />
}
