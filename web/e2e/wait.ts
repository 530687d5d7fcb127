// Waiting for something to hold. Whatever comes late on a busy machine still comes, so that only what never comes is a failure.

/** How long anything may take, in milliseconds. */
export const PATIENCE_MS = 90_000;
/** What a condition is looked at again after, in milliseconds. */
const AGAIN_MS = 50;

/** Waits until something holds. */
export async function until(what: string, holds: () => Promise<boolean>, patience_ms = PATIENCE_MS): Promise<void> {
  const end = Date.now() + patience_ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`It does not come to be: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

export function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
