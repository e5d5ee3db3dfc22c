/** What was picked, as requests see it. */
export interface Folder {
  /** Its own name, for people. */
  readonly title: string;
  /**
   * Returns what is in the folder with these names below this one; `undefined` when there is no
   * such folder. At most `limit` entries.
   */
  list(names: readonly string[], limit: number): Promise<Listed | undefined>;
  /** Returns what has this name, with the state that it has now. */
  find(names: readonly string[]): Promise<Found>;
}

export type Found = File | "folder" | undefined;

export interface Listed {
  readonly entries: Entry[];
  /** Whether there are more. */
  readonly isCut: boolean;
}

/** A line of a listing. */
export interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
  /** In bytes; 0 for a folder. */
  readonly size: number;
  /** Milliseconds since 1970; `undefined` for a folder, which tells no time. */
  readonly modified: number | undefined;
}

/** Something that cannot be read although it was there: moved, changed, or no longer allowed. */
export class Unreadable extends Error {
  readonly why: "changed" | "denied";

  constructor(why: "changed" | "denied") {
    super(`unreadable: ${why}`);
    this.why = why;
  }

  /** Tells what a browser's error means. */
  static of(error: unknown): Unreadable {
    const name = error instanceof DOMException ? error.name : "";
    return new Unreadable(
      name === "NotAllowedError" || name === "SecurityError" ? "denied" : "changed",
    );
  }
}

/** Reads bytes of a file; never fewer than asked for. */
export async function read(
  file: File,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
  } catch (error) {
    throw Unreadable.of(error);
  }
  if (bytes.length !== length) {
    throw new Unreadable("changed");
  }
  return bytes;
}
