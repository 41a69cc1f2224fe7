/** The rows of the ledger: a table where there is room, a list of slips where there is not. */
import type { JSX } from 'preact'
import type { CertificateEntry } from '../api.ts'
import { elapsedPart, remainingText, stateOf, stateWord } from '../certificate-state.ts'
import { StateIcon } from '../parts/icons.tsx'
import { Empty } from '../parts/notice.tsx'
import { TimeOf } from '../parts/time-of.tsx'
import { type CertificatesRoute, goTo, hrefOf } from '../route.ts'

export function CertificateTable(props: {
  rows: readonly CertificateEntry[]
  route: CertificatesRoute
  stale: boolean
}): JSX.Element {
  const now = new Date()
  // The roles are said again because a table that is laid out as a list would lose them.
  return (
    <table class={props.stale ? 'certificates stale' : 'certificates'} role="table">
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map((name) => (
            <th key={name} scope="col" role="columnheader">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {props.rows.map((row) => (
          <CertificateRow key={row.serial} row={row} route={props.route} now={now} />
        ))}
      </tbody>
    </table>
  )
}

function CertificateRow(props: {
  row: CertificateEntry
  route: CertificatesRoute
  now: Date
}): JSX.Element {
  const { row, route, now } = props
  const target = { ...route, serial: row.serial }
  const open = (event: MouseEvent): void => {
    // A modified click opens the address elsewhere, as on every link.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
    event.preventDefault()
    goTo(target)
  }
  const [first = row.serial, ...others] = row.names
  return (
    <tr role="row" class={route.serial === row.serial ? 'chosen' : undefined}>
      <td role="cell" class="cell-names">
        <a
          href={hrefOf(target)}
          id={`certificate-${row.serial}`}
          aria-current={route.serial === row.serial ? 'true' : undefined}
          onClick={open}
        >
          {first}
        </a>
        {others.length === 0 ? null : (
          <span class="other-names" title={others.join('\n')}>
            {others.length === 1 ? others[0] : `and ${others.length} more names`}
          </span>
        )}
      </td>
      <td role="cell" class="cell-state">
        <State certificate={row} now={now} />
      </td>
      <td role="cell" class="cell-expires">
        <span class="cell-label">Expires </span>
        <TimeOf date={row.notAfter} />
        <span class="remaining"> {remainingText(row, now)}</span>
        <LifeBar certificate={row} now={now} />
      </td>
      <td role="cell" class="cell-issued">
        <span class="cell-label">Issued </span>
        <TimeOf date={row.notBefore} />
      </td>
      <td role="cell" class="cell-profile">
        <span class="cell-label">Profile </span>
        {row.profile}
      </td>
      <td role="cell" class="cell-requester">
        <span class="cell-label">Asked by </span>
        {row.requester}
      </td>
    </tr>
  )
}

/** The state in a colour, a shape and a word. */
export function State(props: { certificate: CertificateEntry; now: Date }): JSX.Element {
  const state = stateOf(props.certificate, props.now)
  return (
    <span class={`state state-${state}`}>
      <StateIcon state={state} />
      {stateWord(state)}
    </span>
  )
}

/** How much of its life is over; the words beside it say the same. */
function LifeBar(props: { certificate: CertificateEntry; now: Date }): JSX.Element {
  const { certificate, now } = props
  return (
    <svg
      class={`life life-${stateOf(certificate, now)}`}
      viewBox="0 0 100 3"
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <rect width="100" height="3" rx="1.5" class="life-all" />
      <rect width={elapsedPart(certificate, now) * 100} height="3" rx="1.5" class="life-over" />
    </svg>
  )
}

/** What stands there until the rows come. */
export function LoadingTable(): JSX.Element {
  return (
    <div class="loading-rows" aria-hidden="true">
      {[0, 1, 2, 3, 4].map((row) => (
        <div key={row} class="loading-row" />
      ))}
    </div>
  )
}

/** Why there is nothing to see. */
export function NoCertificates(props: { route: CertificatesRoute }): JSX.Element {
  const { text, expiring } = props.route
  if (text !== '') {
    return (
      <Empty title="Nothing found">
        <p>
          No {expiring ? 'certificate that expires in the next 14 days' : 'certificate'} matches “
          {text}”.
        </p>
        <button
          type="button"
          class="button button-quiet"
          onClick={() => goTo({ ...props.route, text: '', expiring: false })}
        >
          Show all certificates
        </button>
      </Empty>
    )
  }
  if (expiring) {
    return (
      <Empty title="All quiet">
        <p>No certificate expires in the next 14 days.</p>
      </Empty>
    )
  }
  return (
    <Empty title="No certificates yet">
      <p>The first one that is issued will stand here. On the machine of the service:</p>
      <pre>
        <code>countersign issue api.corp.internal --out .</code>
      </pre>
    </Empty>
  )
}

const COLUMNS = ['Names', 'State', 'Expires', 'Issued', 'Profile', 'Asked by'] as const
