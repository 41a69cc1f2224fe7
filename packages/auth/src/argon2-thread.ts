/**
 * The thread that computes password hashes: one after the other, each as long as it takes, at a lower priority than requests.
 *
 * @module
 */
import os from 'node:os'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { type Argon2idSync, loadArgon2idSync } from './argon2.ts'
import type { ThreadTask } from './argon2-threads.ts'

if (parentPort !== null) void work(parentPort)

async function work(port: MessagePort): Promise<void> {
  const argon2id = await loadArgon2idSync()
  // Not sooner: whoever signs in first waits for the start.
  if (process.platform === 'linux') giveWay()
  port.on('message', (task: ThreadTask) => answer(port, argon2id, task))
}

function answer(port: MessagePort, argon2id: Argon2idSync, task: ThreadTask): void {
  const { password, salt, cost, tagLength } = task
  const tag = argon2id(password, salt, cost, tagLength)
  password.fill(0)
  // A copy with a buffer of its own: what is sent is the whole buffer.
  port.postMessage(new Uint8Array(tag))
}

/**
 * Only on Linux is a priority a thread's own. A thread of the same priority takes the core from whoever wakes it, and the event
 * loop then stands still for some milliseconds at each hash. A tenth of a busy core is left to it: enough to sign in.
 */
function giveWay(): void {
  try {
    os.setPriority(0, Math.min(LOWEST, os.getPriority(0) + LOWER_BY))
  } catch {
    // Forbidden here (seccomp): hashes are computed all the same.
  }
}

const LOWER_BY = 10
const LOWEST = 19
