// For how long a conversation may be muted.

const HOUR_MS = 3_600_000;

export interface MuteChoice {
  id: 'hour' | 'evening' | 'tomorrow' | 'week' | 'ever';
  /** 0 is for ever. */
  until_ms: number;
}

/** The choices that make sense now: evening only while it is not near. */
export function muteChoices(now_ms: number): MuteChoice[] {
  const at = (days: number, hour: number): number => {
    const date = new Date(now_ms);
    return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days, hour).getTime();
  };
  const evening = at(0, 18);
  return [
    { id: 'hour', until_ms: now_ms + HOUR_MS },
    ...(evening - now_ms > 2 * HOUR_MS ? [{ id: 'evening', until_ms: evening } as const] : []),
    { id: 'tomorrow', until_ms: at(1, 8) },
    { id: 'week', until_ms: at(7, 8) },
    { id: 'ever', until_ms: 0 },
  ];
}

/** Whether `muted_until_ms` of a conversation silences it. */
export function isMuted(until_ms: number | undefined, now_ms: number): boolean {
  return until_ms !== undefined && (until_ms === 0 || until_ms > now_ms);
}
