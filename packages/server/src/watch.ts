/**
 * A server that follows its files: it looks at them as every watched value of tls does, and reloads when they have changed.
 *
 * @module
 */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { checkOptions } from '@countersign/core'
import { contextPaths, LiveValue } from '@countersign/tls'
import type { TermsSource } from './context-source.ts'
import { withoutUrls } from './fetched-lists.ts'
import type { Reloaded } from './reloaded.ts'
import type { ReloadOutcome, WatchOptions } from './watch-options.ts'

/** What watches, and for whom. */
export interface WatchParts {
  readonly options: WatchOptions
  /** The sources as they are now; a reload may name other files. */
  readonly sources: () => readonly TermsSource[]
  /** Further files that a reload reads. */
  readonly others: () => readonly string[]
  readonly reload: () => Promise<Reloaded>
  readonly report: (outcome: ReloadOutcome) => void
}

/** Follows the files of a server until it is closed. */
export class FileWatch implements AsyncDisposable {
  readonly #parts: WatchParts
  readonly #live: LiveValue<string>
  #reloading: Promise<void> = Promise.resolve()
  #retry: NodeJS.Timeout | undefined
  #closed = false

  /** @throws CoreError `option-unknown`; TlsError `option-invalid` */
  constructor(parts: WatchParts) {
    const { options, sources, others } = parts
    const paths = (): string[] => [...pathsOf(sources()), ...others()]
    checkOptions(options, ['intervalMs', 'settleMs', 'retryMs'], 'serve: watch')
    this.#parts = parts
    this.#live = new LiveValue(
      {
        // The files themselves are read by the reload, which may take its time.
        read: () => paths().map(stampOf).join('\n'),
        paths,
        digestOf: (stamp) => stamp,
      },
      {
        ...options,
        onChange: () => this.#next(),
        onError: (error) => parts.report({ ok: false, error }),
      },
    )
  }

  /** Looks now, and resolves once whatever has changed is in force or reported. */
  async check(): Promise<void> {
    await this.#live.check()
    await this.#reloading
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await this.#live.close()
    await this.#reloading
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #next(): void {
    this.#reloading = this.#reloading.then(() => this.#reload())
  }

  async #reload(): Promise<void> {
    clearTimeout(this.#retry)
    if (this.#closed) return
    const { reload, report, options } = this.#parts
    try {
      report({ ok: true, reloaded: await reload() })
    } catch (error) {
      if (this.#closed) return
      report({ ok: false, error })
      // A certificate that begins in a minute is no fault that a change of files mends.
      this.#retry = setTimeout(() => this.#next(), options.retryMs ?? RETRY_MS)
      this.#retry.unref()
    }
  }
}

/** Every file and folder that the sources name. */
function pathsOf(sources: readonly TermsSource[]): string[] {
  const paths = sources.flatMap(({ sources: { cert, key, pfx, moreCertificates, ca, crl } }) => {
    const identity = { cert, key, pfx, moreCertificates }
    return contextPaths({ purpose: 'client-auth', ...identity, ca, crl: withoutUrls(crl) })
  })
  return [...new Set(paths)]
}

/** Which file it is and when it was written, or that there is none. */
function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return `${file} is not there`
  if (found.isDirectory()) {
    return readdirSync(file)
      .toSorted()
      .map((name) => stampOf(path.join(file, name)))
      .join('\n')
  }
  return [file, found.dev, found.ino, found.size, found.mtimeMs, found.ctimeMs].join(' ')
}

const RETRY_MS = 10_000
