/**
 * DER that is whole and says something else: what changes bytes at random mostly breaks a length and gets no further.
 *
 * @module
 */
import * as fc from 'fast-check'
import { DerReader } from '../src/der-reader.ts'
import { type DerNode, element, encodeDer } from '../src/der-writer.ts'
import { X509Error } from '../src/errors.ts'

/** One change of one element; numbers are taken modulo what there is. */
export interface DerChange {
  kind: 'drop' | 'twice' | 'empty' | 'tag' | 'content' | 'wrap' | 'swap'
  at: number
  tag: number
  content: Uint8Array
  other: number
}

/** Any change. */
export const derChange: fc.Arbitrary<DerChange> = fc.record({
  kind: fc.constantFrom('drop', 'twice', 'empty', 'tag', 'content', 'wrap', 'swap'),
  at: fc.nat(),
  tag: fc.oneof(
    fc.constantFrom(0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x17, 0x18, 0x30, 0x31),
    fc.constantFrom(0x80, 0x81, 0x82, 0x86, 0x87, 0x88, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4),
    fc.nat({ max: 255 }),
  ),
  content: fc.uint8Array({ maxLength: 24 }),
  other: fc.nat(),
})

/** Takes an element apart into a tree, octet and bit strings that hold DER included, changes it and writes it again. */
export function changeDer(der: Uint8Array, changes: readonly DerChange[]): Uint8Array {
  const root = readTree(der, 0)
  if (root === undefined) return der
  for (const change of changes) {
    const all = flatten(root)
    const node = all[change.at % all.length]
    if (node !== undefined) apply(node, change, all)
  }
  return encodeDer(toNode(root))
}

interface Tree {
  tag: number
  /** In front of the children: the unused bits of a bit string. */
  prefix: Uint8Array
  children: Tree[] | undefined
  content: Uint8Array
  parent: Tree | undefined
}

function apply(node: Tree, { kind, tag, content, other }: DerChange, all: readonly Tree[]): void {
  const siblings = node.parent?.children
  const place = siblings?.indexOf(node) ?? -1
  switch (kind) {
    case 'drop':
      siblings?.splice(place, 1)
      break
    case 'twice':
      siblings?.splice(place, 0, { ...node })
      break
    case 'empty':
      Object.assign(node, { children: undefined, content: new Uint8Array() })
      break
    case 'tag':
      node.tag = tag
      break
    case 'content':
      Object.assign(node, { children: undefined, content })
      break
    case 'wrap': {
      const inner = { ...node }
      Object.assign(node, { tag, prefix: new Uint8Array(), children: [inner] })
      break
    }
    case 'swap': {
      // The other is written as it is now, so that nothing comes to hold itself.
      const written = encodeDer(toNode(all[other % all.length] ?? node))
      if (written.length > MAX_GROWTH) break
      const copy = readTree(written, 0)
      if (copy !== undefined) Object.assign(node, { ...copy, parent: node.parent })
      break
    }
  }
}

function readTree(der: Uint8Array, depth: number): Tree | undefined {
  try {
    const reader = DerReader.open(der, 'tree')
    const tag = reader.peek()
    const content = reader.content(tag, 'element')
    reader.finish('element')
    const node: Tree = { tag, prefix: NOTHING, children: undefined, content, parent: undefined }
    if (depth > 40) return node
    const start = tag === 0x03 ? 1 : 0
    const holdsDer = (tag & 0x20) !== 0 || tag === 0x03 || tag === 0x04
    const children = holdsDer ? readTrees(content.subarray(start), depth + 1) : undefined
    if (children !== undefined) {
      node.prefix = content.subarray(0, start)
      node.children = children
    }
    return node
  } catch (error) {
    if (error instanceof X509Error) return undefined
    throw error
  }
}

function readTrees(bytes: Uint8Array, depth: number): Tree[] | undefined {
  const trees: Tree[] = []
  const reader = DerReader.open(bytes, 'tree')
  while (!reader.isEmpty) {
    const tree = readTree(reader.element('element'), depth)
    if (tree === undefined) return undefined
    trees.push(tree)
  }
  return trees.length === 0 ? undefined : trees
}

/** All elements; the parents are set on the way, as changes move them about. */
function flatten(root: Tree): Tree[] {
  const all = [root]
  for (const node of all) {
    for (const child of node.children ?? []) {
      child.parent = node
      all.push(child)
    }
  }
  return all
}

function toNode({ tag, prefix, children, content }: Tree): DerNode {
  if (children === undefined) return element(tag, content)
  return element(tag, prefix, ...children.map(toNode))
}

const NOTHING = new Uint8Array()
const MAX_GROWTH = 20_000
