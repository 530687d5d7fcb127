// What can be done about somebody: having him among one's contacts, and blocking him.
import { t } from '$lib/i18n';
import { toast } from '$lib/ui';
import type { Address } from '$lib/api';
import { attempt, session } from './app.svelte';

export async function addContact(address: Address): Promise<void> {
  const added = session.call('contact.add', { address }).then(({ contact }) => session.people.setContact(contact));
  if (await attempt(added)) toast(t('details.contactAdded'));
}

export async function removeContact(address: Address): Promise<void> {
  if (!(await attempt(session.call('contact.remove', { address })))) return;
  session.people.removeContact(address);
  toast(t('details.contactRemoved'), { undo: () => void addContact(address) });
}

/** Lets whoever asks see one's presence, or not. */
export function answerContact(address: Address, accepts: boolean): void {
  void attempt(session.call(accepts ? 'contact.accept' : 'contact.refuse', { address }));
}

export async function setBlocked(address: Address, blocks: boolean): Promise<void> {
  const change = session.call(blocks ? 'contact.block' : 'contact.unblock', { address }).then(({ blocked }) => {
    session.people.blocked = blocked;
  });
  if ((await attempt(change)) && blocks) toast(t('details.blocked', { name: session.people.name(address) }), { undo: () => void setBlocked(address, false) });
}
