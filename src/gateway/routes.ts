/** Which path is which method: read from the `google.api.http` options in `proto/`, so that there is no second table. */
import { declaredMethods, httpPaths, methodTypes } from '../rpc/codec.ts';
import type { Method, ServiceTable } from '../rpc/transport.ts';
import { type JsonMessage, JsonTypes } from './json-fields.ts';

export interface Route {
  /** `/etcdserverpb.KV/Range` */
  readonly name: string;
  /** Undefined: declared, and served by nobody. */
  readonly method: Method | undefined;
  readonly request: JsonMessage;
  readonly answer: JsonMessage;
}

/** All routes by path. */
export function routesOf(table: ServiceTable): ReadonlyMap<string, Route> {
  const types = new JsonTypes();
  const routes = new Map<string, Route>();
  for (const name of declaredMethods().keys()) {
    const paths = httpPaths(name);
    if (paths.length === 0) continue;
    const { request, answer } = methodTypes(name);
    const route: Route = { name, method: table[name], request: types.named(request), answer: types.named(answer) };
    for (const path of paths) routes.set(path, route);
  }
  return routes;
}
