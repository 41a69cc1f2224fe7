/** Tables that the tests share, in the words of a room's own migrations. */
import type { Generated, JsonColumn, Migration } from '@countersign/store'

export interface Tables {
  item: ItemTable
  counter: { name: string; value: number }
}

export interface ItemTable {
  id: Generated<number>
  name: string
  active: Generated<boolean>
  data: JsonColumn<unknown>
  raw: Uint8Array | null
  size: number | bigint
}

export const FIRST: Migration = {
  statements: [
    `create table item (
      id {id},
      name {text} not null,
      active {boolean} not null default true,
      data {json},
      raw {bytes},
      size {integer} not null check (size <> -13)
    ) {table}`,
    'create unique index item_name on item (name)',
    'create table counter (name {text} primary key, value {integer} not null) {keyed-table}',
  ],
}

export const MIGRATIONS: Readonly<Record<string, Migration>> = { '001-items': FIRST }
