// The tree that a message's text is parsed into.

/** Who is mentioned where; begin and end count code points. */
export interface Mention {
  kind: 'person' | 'room' | 'online';
  address?: string;
  begin: number;
  end: number;
}

/** A piece of a line. A `mark` is what only directs the styling; it is part of the text but usually not shown. */
export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'mark'; text: string }
  | { kind: 'strong' | 'emphasis' | 'strike'; children: Inline[] }
  | { kind: 'code'; text: string; mark: string }
  | { kind: 'link'; href: string; host: string; children: Inline[] }
  | { kind: 'mention'; text: string; mention: Mention };

export interface Item {
  /** What stands before the content: indentation and bullet or number. */
  mark: string;
  /** The number of an ordered item. */
  number?: number;
  content: Inline[];
  /** The lists within this item. */
  lists: List[];
}

export interface List {
  kind: 'list';
  ordered: boolean;
  items: Item[];
}

export type Alignment = 'start' | 'center' | 'end';

export interface Table {
  kind: 'table';
  alignments: Alignment[];
  head: Inline[][];
  rows: Inline[][][];
  /** The lines it was written as. */
  source: string;
}

export type Block =
  /** One or more lines of spans, with their line breaks. */
  | { kind: 'lines'; content: Inline[] }
  | { kind: 'code'; language: string; text: string; source: string }
  | { kind: 'quote'; blocks: Block[]; source: string }
  | List
  | Table;
