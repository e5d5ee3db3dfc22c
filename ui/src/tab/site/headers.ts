/** Names and values in the order in which they came; a name may occur more than once. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** Returns all values of a header; `name` is in small letters. */
export function values(headers: Headers, name: string): string[] {
  return headers.filter(([found]) => found.toLowerCase() === name).map(([, value]) => value);
}

/** Returns the value of a header that is there exactly once. */
export function only(headers: Headers, name: string): string | undefined {
  const found = values(headers, name);
  return found.length === 1 ? found[0] : undefined;
}
