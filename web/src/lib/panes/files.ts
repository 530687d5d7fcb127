// What kind of thing a file is, and the lists of them.
import type { Attachment, MessageId, Sender } from '../api/types';
import type { IconName } from '../ui/icons';

export type FileKind = 'image' | 'video' | 'audio' | 'document' | 'archive' | 'other';

/** A file of a conversation, with the message that brought it. */
export interface SharedFile {
  attachment: Attachment;
  message: MessageId;
  from: Sender;
  at_ms: number;
}

const DOCUMENTS = /\.(?:pdf|docx?|xlsx?|pptx?|od[tsp]|rtf|txt|md|csv|pages|numbers|key|wps|et|dps)$/i;
const ARCHIVES = /\.(?:zip|tar|gz|tgz|bz2|xz|7z|rar|zst|iso|dmg|deb|rpm|apk|jar)$/i;

/** The kind by type, and by name where the type says nothing. */
export function kindOf({ type, name }: Pick<Attachment, 'type' | 'name'>): FileKind {
  const main = type.toLowerCase().split(/[/;]/)[0];
  // SVG can hold scripts, and so is a document and not shown as a picture.
  if (/^image\/svg/i.test(type)) return 'document';
  if (main === 'image' || main === 'video' || main === 'audio') return main;
  if (/^application\/(?:zip|gzip|x-(?:tar|7z-compressed|rar-compressed|xz|bzip2?))/i.test(type) || ARCHIVES.test(name)) return 'archive';
  if (main === 'text' || /^application\/(?:pdf|msword|rtf|vnd\.(?:openxmlformats|oasis|ms-))/i.test(type) || DOCUMENTS.test(name)) return 'document';
  return 'other';
}

export function iconOf(kind: FileKind): IconName {
  return ({ image: 'image', video: 'video', audio: 'volume', document: 'file-text', archive: 'archive', other: 'file' } as const)[kind];
}

export type FileFilter = 'all' | 'media' | 'document' | 'audio' | 'other';

export function fits(file: SharedFile, filter: FileFilter, text: string): boolean {
  const kind = kindOf(file.attachment);
  const group: FileFilter = kind === 'image' || kind === 'video' ? 'media' : kind === 'archive' ? 'other' : kind;
  if (filter !== 'all' && group !== filter) return false;
  const wanted = text.trim().toLocaleLowerCase();
  return wanted === '' || file.attachment.name.toLocaleLowerCase().includes(wanted) || file.from.name.toLocaleLowerCase().includes(wanted);
}

/** The ending of a name, for a card without a picture. */
export function endingOf(name: string): string {
  const match = /\.([\p{L}\p{N}]{1,5})$/u.exec(name);
  return match?.[1]?.toLocaleUpperCase() ?? '';
}

/** Files under the month they came in, in the order given. */
export function byMonth<F extends SharedFile>(files: readonly F[]): { key: string; at_ms: number; files: F[] }[] {
  const months: { key: string; at_ms: number; files: F[] }[] = [];
  for (const file of files) {
    const date = new Date(file.at_ms);
    const key = `${date.getFullYear()}-${date.getMonth()}`;
    const last = months.at(-1);
    if (last?.key === key) last.files.push(file);
    else months.push({ key, at_ms: file.at_ms, files: [file] });
  }
  return months;
}
