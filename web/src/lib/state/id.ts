// Ids that nobody else makes.

export function newId(): string {
  // randomUUID is there only on pages that came over TLS or from this machine.
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
}
