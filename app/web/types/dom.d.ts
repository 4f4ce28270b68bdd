/** What `h` of static/dom.js takes. */

type Tags = HTMLElementTagNameMap;
type Events = HTMLElementEventMap;

export type Attributes<K extends keyof Tags> = {
  [E in keyof Events as `on${E}`]?: (event: Events[E] & { currentTarget: Tags[K]; target: Element }) => unknown;
} & { [name: string]: unknown };

/** What is left out shows nothing, so that `condition && element` can be written. */
export type Child = Node | string | null | undefined | false;
