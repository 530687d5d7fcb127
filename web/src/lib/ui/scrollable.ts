// Lets the keyboard scroll what is too large for its place, without stopping the Tab key at what is not.
import type { Attachment } from 'svelte/attachments';

export const scrollable: Attachment<HTMLElement> = (node) => {
  const look = (): void => {
    if (node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1) node.tabIndex = 0;
    else node.removeAttribute('tabindex');
  };
  const sizes = new ResizeObserver(look);
  sizes.observe(node);
  if (node.firstElementChild) sizes.observe(node.firstElementChild);
  return () => sizes.disconnect();
};
