import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import * as client from '@countersign/client'
import { scrubProcess } from '@countersign/testkit'
import { asGiven } from './failures.ts'

scrubProcess()
const guide = path.join(import.meta.dirname, '../../../docs/guide/coming-from.md')

describe('the guide for those who come from elsewhere', () => {
  it('names only what there is', async () => {
    const spans = readFileSync(guide, 'utf8')
      .split('\n')
      .filter(
        (line) => line.startsWith('| ') && !line.startsWith('| there') && !line.startsWith('| ---'),
      )
      .flatMap((line) => [...(line.split(' | ')[1] ?? '').matchAll(/`([^`]+)`/g)])
      .map(([, span = '']) => span)
    assert.ok(spans.length > 100)
    for (const span of spans) assert.ok(await isThere(span), span)
  })
})

/** `option`, `option: value`, `function(…)`, `new Class()`, `session.member`, `response.member` or an exported name. */
async function isThere(span: string): Promise<boolean> {
  const [, owner, member] = /^(session|response)\.(\w+)/.exec(span) ?? []
  if (member !== undefined)
    return isMember(owner === 'session' ? client.Session : client.ClientResponse, member)
  const [, name = ''] = /^(?:new )?(\w+)/.exec(span) ?? []
  if (name in client) return true
  return (await isOption(name)) && (await hasMembers(name, span))
}

/** A field has its value once there is an object: the constructor's text names it. */
function isMember(
  type: typeof client.Session | typeof client.ClientResponse,
  member: string,
): boolean {
  return member in type.prototype || new RegExp(`this\\.${member} =`).test(String(type))
}

async function isOption(name: string): Promise<boolean> {
  return (await isKnown({ [name]: undefined })) || isKnownToSession({ [name]: undefined })
}

/** The options inside of a proxy or a retry are checked as well. */
async function hasMembers(name: string, span: string): Promise<boolean> {
  if (name !== 'proxy' && name !== 'retry') return true
  const [, inside] = /\{(.*)\}/.exec(span) ?? []
  if (inside === undefined) return true
  const members = inside.split(',').map((one) => /^\s*(\w+)/.exec(one)?.[1] ?? '')
  return isKnown({
    [name]: Object.fromEntries(
      members.filter((one) => one !== '' && one !== '10').map((one) => [one, undefined]),
    ),
  })
}

async function isKnown(options: object): Promise<boolean> {
  const failed: unknown = await client
    .get('not a url', asGiven(options))
    .catch((error: unknown) => error)
  return failed instanceof client.OptionError && failed.code !== 'option-unknown'
}

function isKnownToSession(options: object): boolean {
  try {
    return new client.Session(asGiven(options)).baseUrl === undefined
  } catch {
    return false
  }
}
