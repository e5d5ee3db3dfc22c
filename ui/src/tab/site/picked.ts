import { type Folder, type Found, type Listed, Unreadable } from "./folder";
import { isHidden } from "./path";

/** A file with its place below the folder that was picked. */
export interface Placed {
  readonly names: readonly string[];
  readonly file: File;
}

type Tree = Map<string, File | Tree>;

/** Files as they were when they were picked. */
export class PickedFiles implements Folder {
  readonly title: string;
  readonly #tree: Tree = new Map();
  /** How many files can be fetched. */
  readonly count: number;

  constructor(title: string, files: Iterable<Placed>) {
    this.title = title;
    let count = 0;
    for (const { names, file } of files) {
      if (names.length > 0 && !names.some((name) => !isName(name) || isHidden(name))) {
        count += place(this.#tree, names, file) ? 1 : 0;
      }
    }
    this.count = count;
  }

  find(names: readonly string[]): Promise<Found> {
    const found = this.#walk(names);
    return Promise.resolve(found instanceof Map ? "folder" : found);
  }

  list(names: readonly string[], limit: number): Promise<Listed | undefined> {
    const found = this.#walk(names);
    if (!(found instanceof Map)) {
      return Promise.resolve(undefined);
    }
    const entries = [...found].slice(0, limit).map(([name, node]) => line(name, node));
    return Promise.resolve({ entries, isCut: found.size > limit });
  }

  #walk(names: readonly string[]): File | Tree | undefined {
    let node: File | Tree | undefined = this.#tree;
    for (const name of names) {
      node = node instanceof Map ? node.get(name) : undefined;
    }
    return node;
  }
}

/**
 * A folder that the browser lets us look into whenever we like: what is put into it later is there
 * as well, and what was changed is served as it is now.
 */
export class LiveFolder implements Folder {
  readonly title: string;
  readonly #root: FileSystemDirectoryHandle;

  constructor(root: FileSystemDirectoryHandle) {
    // The top of a drive has no name.
    this.title = root.name || "Files";
    this.#root = root;
  }

  async find(names: readonly string[]): Promise<Found> {
    const last = names.at(-1);
    const parent = await this.#enter(names.slice(0, -1));
    if (parent === undefined || (last !== undefined && isHidden(last))) {
      return undefined;
    }
    if (last === undefined) {
      return "folder";
    }
    const file = await there(async () => (await parent.getFileHandle(last)).getFile());
    if (file !== undefined) {
      return file;
    }
    return (await there(() => parent.getDirectoryHandle(last))) && "folder";
  }

  async list(names: readonly string[], limit: number): Promise<Listed | undefined> {
    const folder = await this.#enter(names);
    if (folder === undefined) {
      return undefined;
    }
    const handles: FileSystemHandle[] = [];
    let isCut = false;
    try {
      for await (const [name, handle] of folder.entries()) {
        if (isHidden(name)) {
          continue;
        }
        if (handles.length === limit) {
          isCut = true;
          break;
        }
        handles.push(handle);
      }
    } catch (error) {
      throw Unreadable.of(error);
    }
    const lines = await Promise.all(
      handles.map(async (handle) => {
        if (handle.kind === "directory") {
          return folderLine(handle.name);
        }
        // What vanished in the meantime is left out.
        const file = await there(() => (handle as FileSystemFileHandle).getFile());
        return file && line(handle.name, file);
      }),
    );
    return { entries: lines.filter((line) => line !== undefined), isCut };
  }

  async #enter(names: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
    let folder: FileSystemDirectoryHandle | undefined = this.#root;
    for (const name of names) {
      const parent: FileSystemDirectoryHandle | undefined = folder;
      if (parent === undefined || isHidden(name)) {
        return undefined;
      }
      folder = await there(() => parent.getDirectoryHandle(name));
    }
    return folder;
  }
}

/** Returns what is there; `undefined` when there is nothing, or something of another kind. */
async function there<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    // TypeError: a name that no file can have.
    const name = error instanceof Error || error instanceof DOMException ? error.name : "";
    if (["NotFoundError", "TypeMismatchError", "TypeError"].includes(name)) {
      return undefined;
    }
    throw Unreadable.of(error);
  }
}

/** Puts a file into the tree; `false` when its place is taken by something of another kind. */
function place(tree: Tree, names: readonly string[], file: File): boolean {
  let folder = tree;
  for (const name of names.slice(0, -1)) {
    const found = folder.get(name) ?? new Map<string, File | Tree>();
    if (!(found instanceof Map)) {
      return false;
    }
    folder.set(name, found);
    folder = found;
  }
  const name = names.at(-1) ?? "";
  if (folder.has(name)) {
    return false;
  }
  folder.set(name, file);
  return true;
}

function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

function line(name: string, node: File | Tree) {
  if (node instanceof Map) {
    return folderLine(name);
  }
  return { name, isFolder: false, size: node.size, modified: node.lastModified };
}

function folderLine(name: string) {
  return { name, isFolder: true, size: 0, modified: undefined };
}
