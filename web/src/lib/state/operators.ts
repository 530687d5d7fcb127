// The words by which a search is narrowed down to who wrote something, or where.

export interface Operator {
  name: 'from' | 'in';
  /** What is typed behind the colon so far. */
  value: string;
}

/** The operator that a search ends with, while what it asks for is being typed. */
export function openOperator(search: string): Operator | undefined {
  const match = /(?:^|\s)(from|in):(\S*)$/i.exec(search);
  if (!match) return undefined;
  return { name: match[1]?.toLowerCase() === 'in' ? 'in' : 'from', value: match[2] ?? '' };
}

/** The search with what was chosen for its open operator, ready for further words. */
export function closed(search: string, { name, value }: Operator, chosen: string): string {
  return `${search.slice(0, search.length - name.length - 1 - value.length)}${name}:${chosen} `;
}
