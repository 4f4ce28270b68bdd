/** What `get`, `post` and `call` of static/api.js take and give, by the method and the path that they are called with. */

import type { Operations } from "./api.d.ts";

/** Whether a part of a path is put in when the page runs, and not spelt out in its code. */
type PutIn<S extends string> = Record<never, never> extends Record<S, 1> ? true : false;

/** `/api/keys/${string}` and `/api/keys/${string}?all=1` as `/api/keys/{}`. */
type Shape<P extends string> = P extends `${infer Path}?${string}`
  ? Shape<Path>
  : P extends `${infer Head}/${infer Rest}`
    ? `${Shape<Head>}/${Shape<Rest>}`
    : PutIn<P> extends true
      ? "{}"
      : P;

type Operation<M extends string, P extends string> = `${M} ${Shape<P>}` extends infer Key extends keyof Operations
  ? Operations[Key]
  : never;

type Body<O extends { body: unknown }> = [O] extends [never]
  ? [theApiHasNoSuchOperation: never]
  : [O["body"]] extends [never]
    ? []
    : undefined extends O["body"]
      ? [body?: O["body"]]
      : [body: O["body"]];

export type Answer<M extends string, P extends string> = Operation<M, P>["answer"];

export type Call = <M extends string, P extends string>(
  method: M,
  path: P,
  ...body: Body<Operation<M, P>>
) => Promise<Answer<M, P>>;

export type Get = <P extends string>(path: P, ...body: Body<Operation<"GET", P>>) => Promise<Answer<"GET", P>>;
export type Post = <P extends string>(path: P, ...body: Body<Operation<"POST", P>>) => Promise<Answer<"POST", P>>;
