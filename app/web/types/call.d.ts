/** The bodies and answers of `get`, `post` and `call` in static/api.js, by the method and the path of the call. */

import type { Operations } from "./api.d.ts";

/** Whether a segment of a path is inserted at run time, and not literal in the code. */
type IsInserted<S extends string> = Record<never, never> extends Record<S, 1> ? true : false;

/** The path as a key of Operations: `/api/keys/${string}?all=1` becomes `/api/keys/{}`. */
type Shape<P extends string> = P extends `${infer Path}?${string}`
  ? Shape<Path>
  : P extends `${infer Head}/${infer Rest}`
    ? `${Shape<Head>}/${Shape<Rest>}`
    : IsInserted<P> extends true
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
