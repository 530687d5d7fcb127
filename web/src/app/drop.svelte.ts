// Takes files that are dropped on a part of the page.

export class DropTarget {
  isOver = $state(false);
  #depth = 0;

  constructor(private readonly onfiles: (files: File[]) => void) {}

  /** For an element: entering a child comes before leaving its parent, hence the count. */
  readonly handlers = {
    ondragenter: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#depth++;
      this.isOver = true;
    },
    ondragover: (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    },
    ondragleave: () => {
      this.#depth = Math.max(0, this.#depth - 1);
      if (this.#depth === 0) this.isOver = false;
    },
    ondrop: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#depth = 0;
      this.isOver = false;
      this.onfiles([...(event.dataTransfer?.files ?? [])]);
    },
  };
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false;
}
