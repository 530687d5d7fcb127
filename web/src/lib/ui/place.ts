// Where on the page something small goes that belongs to something else: menus, popovers, tooltips.

export type Side = 'top' | 'bottom' | 'start' | 'end';
export type Align = 'start' | 'center' | 'end';

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface Wish {
  side: Side;
  align: Align;
  /** Between the two, in pixels. */
  gap: number;
  rtl: boolean;
}

/** Kept free at the edges of the page, in pixels. */
const EDGE = 8;

const OPPOSITE: Record<Side, Side> = { top: 'bottom', bottom: 'top', start: 'end', end: 'start' };

/** How much of what is wanted fits beside the anchor on a side: negative if it does not fit. */
function room(side: Side, anchor: Box, size: { width: number; height: number }, page: { width: number; height: number }, wish: Wish): number {
  const left = anchor.left - wish.gap - EDGE - size.width;
  const right = page.width - (anchor.left + anchor.width) - wish.gap - EDGE - size.width;
  if (side === 'top') return anchor.top - wish.gap - EDGE - size.height;
  if (side === 'bottom') return page.height - (anchor.top + anchor.height) - wish.gap - EDGE - size.height;
  return (side === 'start') === !wish.rtl ? left : right;
}

/** The left upper corner: on the wished side if it fits there, else on the side with more room, and always within the page. */
export function place(anchor: Box, size: { width: number; height: number }, page: { width: number; height: number }, wish: Wish): { left: number; top: number; side: Side } {
  const other = OPPOSITE[wish.side];
  const wished = room(wish.side, anchor, size, page, wish);
  const side = wished >= 0 || wished >= room(other, anchor, size, page, wish) ? wish.side : other;
  let left: number;
  let top: number;
  if (side === 'top' || side === 'bottom') {
    top = side === 'top' ? anchor.top - wish.gap - size.height : anchor.top + anchor.height + wish.gap;
    const atLeft = anchor.left;
    const atRight = anchor.left + anchor.width - size.width;
    left = wish.align === 'center' ? (atLeft + atRight) / 2 : (wish.align === 'start') === !wish.rtl ? atLeft : atRight;
  } else {
    left = (side === 'start') === !wish.rtl ? anchor.left - wish.gap - size.width : anchor.left + anchor.width + wish.gap;
    const atTop = anchor.top;
    const atBottom = anchor.top + anchor.height - size.height;
    top = wish.align === 'center' ? (atTop + atBottom) / 2 : wish.align === 'start' ? atTop : atBottom;
  }
  const within = (value: number, length: number, all: number): number => Math.max(EDGE, Math.min(value, all - EDGE - length));
  return { left: Math.round(within(left, size.width, page.width)), top: Math.round(within(top, size.height, page.height)), side };
}

/** Puts an element that is shown in the top layer beside its anchor. */
export function putBeside(element: HTMLElement, anchor: Element | Box, wish: Partial<Wish> = {}): void {
  const box = anchor instanceof Element ? anchor.getBoundingClientRect() : anchor;
  const page = { width: document.documentElement.clientWidth, height: window.innerHeight };
  const rtl = getComputedStyle(document.documentElement).direction === 'rtl';
  const { left, top, side } = place(box, { width: element.offsetWidth, height: element.offsetHeight }, page, { side: 'bottom', align: 'start', gap: 6, rtl, ...wish });
  element.style.left = `${left}px`;
  element.style.top = `${top}px`;
  element.dataset.side = side;
}
