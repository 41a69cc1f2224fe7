/** The ledger: every certificate that was issued, searched, filtered and looked at. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useMemo } from 'preact/hooks'
import { type ApiError, toApiError } from '../api-error.ts'
import { type CertificateEntry, fetchCertificates } from '../api.ts'
import { Heading } from '../parts/heading.tsx'
import { Icon } from '../parts/icons.tsx'
import { useLoaded } from '../parts/loading.ts'
import { ErrorNotice } from '../parts/notice.tsx'
import { type CertificatesRoute, goTo } from '../route.ts'
import { endedBy, noteActivity } from '../session.ts'
import { CertificateDetail } from './certificate-detail.tsx'
import { CertificateFilter } from './certificate-filter.tsx'
import { CertificateTable, LoadingTable, NoCertificates, NotAllowed } from './certificate-table.tsx'

export function Certificates(props: { route: CertificatesRoute }): JSX.Element {
  const { serial, text, expiring } = props.route
  const [first, reload] = useLoaded(
    (signal) => fetchCertificates({ text, expiring }, signal),
    [text, expiring],
  )
  const page = first.value.value
  const more = useMore(props.route, page)
  const rows = useMemo(() => [...(page?.certificates ?? []), ...more.rows], [page, more.rows])
  const showList = (): void => goTo({ ...props.route, serial: undefined })
  return (
    <div class={serial === undefined ? 'ledger' : 'ledger ledger-open'}>
      <section class="ledger-list">
        <div class="title-row">
          <Heading text="Certificates" />
          <button type="button" class="button button-quiet" onClick={reload}>
            <Icon name="reload" />
            Reload
          </button>
        </div>
        <CertificateFilter route={props.route} />
        <p class="visually-hidden" role="status">
          {first.value.loading ? 'Loading certificates' : countText(rows.length, more.next)}
        </p>
        {first.value.error === undefined ? null : first.value.error.code === 'role-missing' ? (
          <NotAllowed />
        ) : (
          <ErrorNotice error={first.value.error} onRetry={reload} />
        )}
        {page === undefined && first.value.loading ? <LoadingTable /> : null}
        {page === undefined ? null : rows.length === 0 ? (
          <NoCertificates route={props.route} />
        ) : (
          <CertificateTable rows={rows} route={props.route} stale={first.value.loading} />
        )}
        {more.error === undefined ? null : <ErrorNotice error={more.error} />}
        {page === undefined || rows.length === 0 ? null : (
          <div class="more">
            <p class="quiet">{countText(rows.length, more.next)}</p>
            {more.next === undefined ? null : (
              <button
                type="button"
                class="button button-quiet"
                aria-disabled={more.loading}
                onClick={more.load}
              >
                {more.loading ? 'Loading…' : 'Show more'}
              </button>
            )}
          </div>
        )}
      </section>
      {serial === undefined ? null : (
        <CertificateDetail
          key={serial}
          serial={serial}
          known={rows.find((row) => row.serial === serial)}
          onClose={showList}
        />
      )}
    </div>
  )
}

interface More {
  readonly rows: readonly CertificateEntry[]
  readonly next: string | undefined
  readonly loading: boolean
  readonly error: ApiError | undefined
  load: () => void
}

/** The pages after the first, dropped whenever the first one changes. */
function useMore(
  query: CertificatesRoute,
  first: { readonly next: string | undefined } | undefined,
): More {
  const rows = useSignal<readonly CertificateEntry[]>([])
  const next = useSignal<string | undefined>(undefined)
  const loading = useSignal(false)
  const error = useSignal<ApiError | undefined>(undefined)
  const current = useSignal(first)
  useEffect(() => {
    current.value = first
    rows.value = []
    next.value = first?.next
    loading.value = false
    error.value = undefined
  }, [first])
  const load = async (): Promise<void> => {
    if (loading.value || next.value === undefined) return
    loading.value = true
    error.value = undefined
    try {
      const { text, expiring } = query
      const page = await fetchCertificates({ text, expiring, after: next.value })
      if (current.value !== first) return
      noteActivity()
      rows.value = [...rows.value, ...page.certificates]
      next.value = page.next
    } catch (thrown) {
      if (current.value !== first || endedBy(thrown)) return
      error.value = toApiError(thrown)
    }
    loading.value = false
  }
  return {
    rows: rows.value,
    next: next.value,
    loading: loading.value,
    error: error.value,
    load: () => void load(),
  }
}

function countText(count: number, next: string | undefined): string {
  const noun = count === 1 ? 'certificate' : 'certificates'
  return next === undefined ? `${count} ${noun}` : `${count} ${noun} shown, there are more`
}
