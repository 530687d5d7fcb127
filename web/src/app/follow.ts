// Links to people and rooms lead to their conversations here instead of to another program.
import { attempt, session, talkTo, ui } from './app.svelte';

export function followHere(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = (event.target as Element | null)?.closest<HTMLAnchorElement>('a[href^="xmpp:"], a[href^="XMPP:"]');
  if (!link) return;
  const [path = '', query = ''] = link.getAttribute('href')?.slice('xmpp:'.length).split('?') ?? [];
  let address: string;
  try {
    address = decodeURIComponent(path).split('/')[0] ?? '';
  } catch {
    return;
  }
  if (!address.includes('@')) return;
  event.preventDefault();
  const isRoom = query.split(';').includes('join');
  if (!isRoom || session.conversations.get(address)) {
    void talkTo(address);
    return;
  }
  void attempt(session.joinRoom(address)).then((done) => {
    if (done) ui.open(address);
  });
}
