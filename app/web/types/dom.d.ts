/** The arguments of `h` in static/dom.js. */

type Tags = HTMLElementTagNameMap;
type Events = HTMLElementEventMap;

export type Attributes<K extends keyof Tags> = {
  [E in keyof Events as `on${E}`]?: (event: Events[E] & { currentTarget: Tags[K]; target: Element }) => unknown;
} & { [name: string]: unknown };

/** A child of an element. Null, undefined and false add nothing, so that `condition && element` works. */
export type Child = Node | string | null | undefined | false;
