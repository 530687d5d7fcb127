// The waveform of a recording: loudness over time, in few bars.

/** The loudness of samples between -1 and 1: their root mean square, raised so that quiet speech is seen. */
export function loudness(samples: ArrayLike<number>): number {
  if (samples.length === 0) return 0;
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) sum += (samples[i] ?? 0) ** 2;
  return Math.min(1, Math.sqrt(sum / samples.length) ** 0.6 * 1.4);
}

/** As many bars as wanted: the loudest of each stretch, or the same ones stretched if there are fewer. */
export function bars(levels: readonly number[], count: number): number[] {
  if (levels.length === 0) return Array.from({ length: count }, () => 0);
  return Array.from({ length: count }, (_, i) => {
    const from = Math.floor((i * levels.length) / count);
    const to = Math.max(from + 1, Math.floor(((i + 1) * levels.length) / count));
    return Math.max(...levels.slice(from, to));
  });
}

/** The last bars of a recording under way, with silence before its beginning. */
export function lastBars(levels: readonly number[], count: number): number[] {
  const last = levels.slice(-count);
  return [...Array.from({ length: count - last.length }, () => 0), ...last];
}

/** Formats in order of preference: what most browsers also play. */
const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4', 'audio/webm'];

/** The first type that can be recorded here. */
export function recordingType(supported: (type: string) => boolean): string | undefined {
  return TYPES.find(supported);
}

/** The name of the file of a recording. */
export function recordingName(type: string, at: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const ending = type.startsWith('audio/ogg') ? 'ogg' : type.startsWith('audio/mp4') ? 'm4a' : 'webm';
  return `voice-${at.getFullYear()}${two(at.getMonth() + 1)}${two(at.getDate())}-${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}.${ending}`;
}
