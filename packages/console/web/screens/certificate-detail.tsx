/** One certificate with all that the ledger knows of it. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { type CertificateEntry, fetchCertificate } from '../api.ts'
import { remainingText } from '../certificate-state.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { Icon } from '../parts/icons.tsx'
import { useLoaded } from '../parts/loading.ts'
import { ErrorNotice } from '../parts/notice.tsx'
import { TimeOf } from '../parts/time-of.tsx'
import { momentText } from '../time.ts'
import { State } from './certificate-table.tsx'

export function CertificateDetail(props: {
  serial: string
  /** From the list, where it is there already. */
  known: CertificateEntry | undefined
  onClose: () => void
}): JSX.Element {
  const { serial, known, onClose } = props
  const panel = useRef<HTMLElement>(null)
  const [loaded, reload] = useLoaded(
    async (signal) => known ?? (await fetchCertificate(serial, signal)),
    [serial],
  )
  const { loading, error, value } = loaded.value
  const certificate = known ?? value
  const close = (): void => {
    onClose()
    document.getElementById(`certificate-${serial}`)?.focus()
  }
  useEffect(() => panel.current?.focus({ preventScroll: false }), [])
  return (
    <section
      ref={panel}
      class="detail"
      tabIndex={-1}
      aria-labelledby="detail-title"
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
      }}
    >
      <div class="detail-band" aria-hidden="true" />
      <button type="button" class="button button-quiet detail-close" onClick={close}>
        <Icon name="close" />
        Close
      </button>
      <h2 id="detail-title">
        <bdi>{certificate?.names[0] ?? 'Certificate'}</bdi>
      </h2>
      {certificate === undefined ? null : <Facts certificate={certificate} />}
      {certificate === undefined && loading ? <p role="status">Loading…</p> : null}
      {error === undefined || certificate !== undefined ? null : (
        <ErrorNotice error={error} onRetry={reload} />
      )}
      {certificate === undefined && !loading && error === undefined ? (
        <p>
          The ledger has no certificate with the serial number <code>{serial}</code>.
        </p>
      ) : null}
    </section>
  )
}

function Facts(props: { certificate: CertificateEntry }): JSX.Element {
  const { certificate } = props
  const now = new Date()
  const count = certificate.names.length
  return (
    <>
      <p class="detail-state">
        <State certificate={certificate} now={now} />
        <span class="quiet">{remainingText(certificate, now)}</span>
      </p>
      <dl class="facts">
        <Fact name={count === 1 ? 'Name' : count > MANY ? `Names, ${count} in all` : 'Names'}>
          <ul class="names" tabIndex={count > MANY ? 0 : undefined}>
            {certificate.names.map((name) => (
              <li key={name}>
                <bdi>{name}</bdi>
              </li>
            ))}
          </ul>
        </Fact>
        <Fact name="Profile">{certificate.profile}</Fact>
        <Fact name="Key">{certificate.keyType}</Fact>
        <Fact name="Asked by">
          <bdi>{certificate.requester}</bdi>
        </Fact>
        <Fact name="Issued">
          <TimeOf date={certificate.notBefore} text={momentText(certificate.notBefore)} />
        </Fact>
        <Fact name="Expires">
          <TimeOf date={certificate.notAfter} text={momentText(certificate.notAfter)} />
        </Fact>
        {certificate.revokedAt === undefined ? null : (
          <Fact name="Revoked">
            <TimeOf date={certificate.revokedAt} text={momentText(certificate.revokedAt)} />
          </Fact>
        )}
        <Fact name="Serial number" wide>
          <code>{grouped(certificate.serial)}</code>
          <CopyButton text={certificate.serial} what="the serial number" />
        </Fact>
        <Fact name="SHA-256 fingerprint" wide>
          <code>{grouped(certificate.fingerprint)}</code>
          <CopyButton text={certificate.fingerprint} what="the fingerprint" />
        </Fact>
      </dl>
    </>
  )
}

function Fact(props: { name: string; wide?: boolean; children: ComponentChildren }): JSX.Element {
  return (
    <div class={props.wide === true ? 'fact fact-wide' : 'fact'}>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  )
}

/** In fours, which an eye can compare. */
function grouped(hex: string): string {
  return hex.replaceAll(/(.{4})(?=.)/g, '$1 ')
}

/** More names than these scroll by themselves, so that what stands below them is found. */
const MANY = 10
