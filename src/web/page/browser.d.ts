/*
 * What the page uses of a browser, and no more: the whole library of DOM types would say of WebAssembly's memory other
 * things than the kernels do.
 */
interface Node {
  textContent: string | null;
}
interface Event {
  preventDefault(): void;
}
interface KeyboardEvent extends Event {
  readonly key: string;
}
interface File {
  readonly name: string;
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}
interface FileList extends Iterable<File> {
  readonly length: number;
}
interface DragEvent extends Event {
  readonly dataTransfer: { readonly files: FileList } | null;
}
interface Events {
  change: Event;
  click: Event;
  drop: DragEvent;
  input: Event;
  keydown: KeyboardEvent;
}
interface Target {
  addEventListener<K extends keyof Events>(type: K, listener: (e: Events[K]) => void): void;
  addEventListener(type: string, listener: (e: Event) => void): void;
}
interface HTMLElement extends Node, Target {
  className: string;
  hidden: boolean;
  readonly classList: { add(name: string): void; remove(name: string): void };
  append(...nodes: Node[]): void;
  replaceChildren(...nodes: Node[]): void;
  setAttribute(name: string, value: string): void;
  focus(): void;
}
interface HTMLButtonElement extends HTMLElement {
  type: string;
}
interface HTMLInputElement extends HTMLElement {
  value: string;
  readonly files: FileList | null;
}
declare const document: Target & {
  readonly body: HTMLElement;
  createElement(tag: 'button'): HTMLButtonElement;
  createElement(tag: string): HTMLElement;
  createElementNS(space: string, tag: string): HTMLElement;
  createTextNode(text: string): Node;
  getElementById(id: string): HTMLElement | null;
};
declare const performance: {
  now(): number;
  mark(name: string): void;
  measure(name: string, of: { readonly start: string | number; readonly duration?: number }): void;
};
declare function requestAnimationFrame(f: () => void): void;
declare function setTimeout(f: () => void, milliseconds: number): void;
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean });
  decode(bytes?: Uint8Array): string;
}
declare function atob(text: string): string;
/** There is none in a page: what asks whether there is compiles all the same. */
interface SystemHash {
  update(bytes: Uint8Array): SystemHash;
  digest(): Uint8Array;
}
declare const process: { getBuiltinModule?(name: 'node:crypto'): { createHash(name: 'sha256'): SystemHash } } | undefined;
