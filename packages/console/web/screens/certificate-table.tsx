/** The rows of the ledger: a table where there is room, a list of slips where there is not. */
import { Component, type JSX } from 'preact'
import { useMemo } from 'preact/hooks'
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
  const { rows, route, stale } = props
  const now = useMemo(() => new Date(), [rows])
  // The roles are said again because a table that is laid out as a list would lose them.
  return (
    <table class={stale ? 'certificates stale' : 'certificates'} role="table">
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
        {rows.map((row) => (
          <CertificateRow
            key={row.serial}
            row={row}
            text={route.text}
            expiring={route.expiring}
            chosen={route.serial === row.serial}
            now={now}
          />
        ))}
      </tbody>
    </table>
  )
}

interface RowProps {
  row: CertificateEntry
  text: string
  expiring: boolean
  chosen: boolean
  now: Date
}

/** One row; of thousands, those alone are made again that have changed. */
class CertificateRow extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { row, text, expiring, chosen, now } = this.props
    return (
      row !== next.row ||
      text !== next.text ||
      expiring !== next.expiring ||
      chosen !== next.chosen ||
      now !== next.now
    )
  }

  override render({ row, text, expiring, chosen, now }: RowProps): JSX.Element {
    const target = { screen: 'certificates', serial: row.serial, text, expiring } as const
    const open = (event: MouseEvent): void => {
      // A modified click opens the address elsewhere, as on every link.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
      event.preventDefault()
      goTo(target)
    }
    const [first = row.serial, ...others] = row.names
    return (
      <tr role="row" class={chosen ? 'chosen' : undefined}>
        <td role="cell" class="cell-names">
          <a
            href={hrefOf(target)}
            id={`certificate-${row.serial}`}
            aria-current={chosen ? 'true' : undefined}
            title={first.length > LONG ? first : undefined}
            onClick={open}
          >
            <bdi>{first}</bdi>
          </a>
          {others.length === 0 ? null : (
            <span class="other-names" title={others.slice(0, 20).join('\n')}>
              {others.length === 1 ? <bdi>{others[0]}</bdi> : `and ${others.length} more names`}
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
          <bdi>{row.profile}</bdi>
        </td>
        <td role="cell" class="cell-requester">
          <span class="cell-label">Asked by </span>
          <bdi title={row.requester.length > LONG ? row.requester : undefined}>{row.requester}</bdi>
        </td>
      </tr>
    )
  }
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

/** Who may not look at the ledger has come to the right place all the same. */
export function NotAllowed(): JSX.Element {
  return (
    <Empty title="The certificates are not open to you">
      <p>Looking at them takes a role, such as viewer. An administrator gives it.</p>
      <a class="button button-quiet" href={hrefOf({ screen: 'account', task: undefined })}>
        Go to my account
      </a>
    </Empty>
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

/** Characters from which on a name may be cut. */
const LONG = 60
const COLUMNS = ['Names', 'State', 'Expires', 'Issued', 'Profile', 'Asked by'] as const
