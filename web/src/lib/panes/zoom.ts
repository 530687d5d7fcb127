// Zooming and moving of a picture: the picture stays under the pointer, and never leaves the window.

export interface View {
  /** 1 shows the whole picture in the window. */
  scale: number;
  /** How far the middle of the picture is from the middle of the window, in pixels. */
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export const WHOLE: View = { scale: 1, x: 0, y: 0 };
export const LARGEST = 8;
const STEP = 1.4;

/** The size at which the whole picture is seen; a small one is not blown up. */
export function fitted(picture: Size, frame: Size): Size {
  if (picture.width <= 0 || picture.height <= 0) return { width: 0, height: 0 };
  const scale = Math.min(1, frame.width / picture.width, frame.height / picture.height);
  return { width: picture.width * scale, height: picture.height * scale };
}

/** The nearest view in which no more of the window is empty than must be. */
export function kept(view: View, shown: Size, frame: Size): View {
  const scale = Math.min(LARGEST, Math.max(1, view.scale));
  const limit = (length: number, window: number): number => Math.max(0, (length * scale - window) / 2);
  const within = (value: number, most: number): number => Math.min(most, Math.max(-most, value)) + 0;
  return { scale, x: within(view.x, limit(shown.width, frame.width)), y: within(view.y, limit(shown.height, frame.height)) };
}

/** Zooms by a factor round a point, given from the middle of the window. */
export function zoomed(view: View, factor: number, point: { x: number; y: number }, shown: Size, frame: Size): View {
  const scale = Math.min(LARGEST, Math.max(1, view.scale * factor));
  const real = scale / view.scale;
  return kept({ scale, x: point.x - (point.x - view.x) * real, y: point.y - (point.y - view.y) * real }, shown, frame);
}

/** One step in or out, of a key or a button. */
export const stepFactor = (inwards: boolean): number => (inwards ? STEP : 1 / STEP);

/** The factor of a turn of the wheel, the same for mice and touchpads that report differently. */
export function wheelFactor(delta: number, mode: number): number {
  const pixels = mode === 1 ? delta * 16 : mode === 2 ? delta * 400 : delta;
  return Math.exp(-Math.max(-200, Math.min(200, pixels)) / 300);
}
