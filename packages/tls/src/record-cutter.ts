/**
 * Finds the ends of TLS records in a stream of bytes, so that nothing behind a close_notify is fed to TLS.
 *
 * @module
 */

/** Remembers where in a record the stream is; see {@link RecordCutter.cut}. */
export class RecordCutter {
  #header: number[] = []
  /** Bytes still to come of the record whose header was seen. */
  #remaining = 0
  #mayBeAlert = false

  /**
   * How many bytes may be fed at once: up to the end of the first record that may be an alert, else all of them. In TLS 1.3 an
   * alert looks like data of 3 bytes behind its cipher; records that are longer than any unpadded alert cannot be one.
   *
   * @param chunk - the next bytes, not empty; the ones behind the answer must be given again
   */
  cut(chunk: Uint8Array): number {
    let at = 0
    while (at < chunk.length) {
      if (this.#remaining === 0) {
        this.#header.push(chunk[at] ?? 0)
        at += 1
        if (this.#header.length < HEADER_LENGTH) continue
        const [type, , , high = 0, low = 0] = this.#header
        this.#header = []
        this.#remaining = high * 256 + low
        this.#mayBeAlert =
          type === ALERT || (type === APPLICATION_DATA && this.#remaining <= LONGEST_ALERT)
        continue
      }
      const step = Math.min(this.#remaining, chunk.length - at)
      at += step
      this.#remaining -= step
      if (this.#remaining === 0 && this.#mayBeAlert) return at
    }
    return at
  }
}

const HEADER_LENGTH = 5
const ALERT = 21
const APPLICATION_DATA = 23
/** Two bytes of alert, one of content type, up to 16 of tag, and room for another cipher's. */
const LONGEST_ALERT = 64
