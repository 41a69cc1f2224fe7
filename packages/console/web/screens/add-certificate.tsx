/** A client certificate: a signing request in, a chain out. The key never leaves its owner's machine. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { download } from '../download.ts'
import { type AddedFactor, postSigningRequest } from '../factors-api.ts'
import { fileName } from '../file-name.ts'
import { useAction } from '../parts/action.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { FileField } from '../parts/field.tsx'
import { LabelField } from '../parts/label-field.tsx'
import { CommandLine, Panel, PanelForm } from '../parts/panel.tsx'
import { refusePrivate } from '../public-key.ts'
import { useSecret } from '../parts/secret.ts'
import { withProof } from '../proof.ts'

export function AddCertificate(props: {
  /** Called when there is one more in the list; what was issued stays in sight. */
  onIssued: () => void
}): JSX.Element {
  const label = useSignal('client certificate')
  const text = useSecret('')
  const issued = useSignal<AddedFactor | undefined>(undefined)
  const action = useAction()
  const add = async (): Promise<void> => {
    refusePrivate(text)
    issued.value = await withProof(() => postSigningRequest(text.value, label.value.trim()))
    props.onIssued()
  }
  if (issued.value !== undefined) return <Issued issued={issued.value} />
  return (
    <Panel title="Client certificate">
      <p>
        A certificate that says who you are, for a program or a browser. Make a key and a signing
        request on the machine that is to have it; the key stays there:
      </p>
      <CommandLine text={REQUEST_COMMAND} what="the command" />
      <PanelForm action={action} submit="Get the certificate" waiting="Issuing…" onSubmit={add}>
        <FileField
          label="Signing request"
          help="The content of my.csr. Only its key is read: the name in the certificate is yours."
          accept=".csr,.pem,.req"
          placeholder="-----BEGIN CERTIFICATE REQUEST-----"
          value={text.value}
          onChange={(value) => {
            text.value = value
          }}
        />
        <LabelField label={label} help="So that you know it again: the machine it is on." />
      </PanelForm>
    </Panel>
  )
}

function Issued(props: { issued: AddedFactor }): JSX.Element {
  const { chain = '', label } = props.issued
  const name = fileName(label, 'my')
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => button.current?.focus(), [])
  return (
    <Panel title="Your certificate">
      <p role="status">
        <bdi>“{label}”</bdi> was issued and lets you in from now on. Download it: it is not shown
        again.
      </p>
      <div class="panel-actions">
        <button
          ref={button}
          type="button"
          class="button button-go"
          onClick={() => download(`${name}.crt`, chain)}
        >
          Download {name}.crt
        </button>
        <CopyButton text={chain} what="the certificate" />
      </div>
      <p>With the key beside it, from a terminal:</p>
      <CommandLine
        text={`curl --cacert roots.pem --cert ${name}.crt --key my.key ${location.origin}/auth/session`}
        what="the command for curl"
      />
      <p>For a browser, as one file with a password of your own:</p>
      <CommandLine
        text={`openssl pkcs12 -export -in ${name}.crt -inkey my.key -out ${name}.p12`}
        what="the command for a browser"
      />
      <details>
        <summary>The certificate and its issuers, as text</summary>
        <pre class="pem" tabIndex={0}>
          {chain}
        </pre>
      </details>
    </Panel>
  )
}

const REQUEST_COMMAND =
  'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout my.key -subj / -out my.csr'
