/** What stands around every screen once somebody is signed in. */
import { useSignal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { type ApiError, toApiError } from '../api-error.ts'
import type { SignedIn } from '../api.ts'
import { hrefOf, type Route, START } from '../route.ts'
import { signOut } from '../session.ts'
import { Mark } from './icons.tsx'
import { ErrorNotice } from './notice.tsx'

export function Frame(props: {
  who: SignedIn
  screen: Route['screen']
  children: ComponentChildren
}): JSX.Element {
  const error = useSignal<ApiError | undefined>(undefined)
  const leave = async (): Promise<void> => {
    try {
      await signOut()
    } catch (thrown) {
      error.value = toApiError(thrown)
    }
  }
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={focusMain}>
        Skip to the content
      </a>
      <header class="top">
        <p class="brand">
          <Mark />
          Countersign
        </p>
        <nav aria-label="Screens">
          {LINKS.map(({ screen, text, href }) => (
            <a key={screen} href={href} aria-current={screen === props.screen ? 'page' : undefined}>
              {text}
            </a>
          ))}
        </nav>
        <div class="who">
          <span class="who-name" title={rolesText(props.who)}>
            <span class="visually-hidden">Signed in as </span>
            {props.who.name}
          </span>
          <button type="button" class="button button-quiet" onClick={() => void leave()}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {error.value === undefined ? null : <ErrorNotice error={error.value} />}
        {props.children}
      </main>
    </div>
  )
}

/** By hand, because the hash of the address belongs to the screens. */
function focusMain(event: Event): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function rolesText(who: SignedIn): string {
  return who.roles.length === 0 ? 'No role' : `Roles: ${who.roles.join(', ')}`
}

const LINKS: readonly { screen: Route['screen']; text: string; href: string }[] = [
  { screen: 'certificates', text: 'Certificates', href: hrefOf(START) },
  { screen: 'sessions', text: 'Sessions', href: hrefOf({ screen: 'sessions' }) },
  {
    screen: 'account',
    text: 'My account',
    href: hrefOf({ screen: 'account', task: undefined }),
  },
]
