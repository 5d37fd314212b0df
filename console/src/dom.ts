// The few calls to the document that every view needs.

/** The element of the page that the selector names. The page and the script are built together, so it is there. */
export function find<E extends Element = HTMLElement>(root: ParentNode, selector: string): E {
  const e = root.querySelector<E>(selector);
  if (!e) throw new Error(`the page has no ${selector}`);
  return e;
}

/** A copy of what a template holds. */
export function stamp(id: string): HTMLElement {
  const template = find<HTMLTemplateElement>(document, `template#${id}`);
  const copy = template.content.firstElementChild?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new Error(`template ${id} is empty`);
  return copy;
}

export function make(tag: string, className: string, text = ""): HTMLElement {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text;
  return e;
}

/** Sets a text only where it changes, so that selections and screen readers are left in peace. */
export function setText(e: Element, text: string): void {
  if (e.textContent !== text) e.textContent = text;
}

/** A Repaint runs its function once before the next frame, however often it was asked. */
export class Repaint {
  #asked = false;

  constructor(readonly paint: () => void) {}

  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.paint();
    });
  }
}
