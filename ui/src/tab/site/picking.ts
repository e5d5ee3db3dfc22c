import type { Folder } from "./folder";
import { LiveFolder, PickedFiles, type Placed } from "./picked";

/** Chromium has more than the types of TypeScript say. */
interface Pickers {
  showDirectoryPicker?(options: { id: string; mode: "read" }): Promise<FileSystemDirectoryHandle>;
}

interface DroppedItem extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

/** What files without a folder are called together, in the listing. */
const NO_FOLDER = "Files";

/** Returns whether the browser can show its own dialog for a folder that stays open to us. */
export function hasFolderPicker(): boolean {
  return typeof (window as Pickers).showDirectoryPicker === "function";
}

/** Lets the person choose a folder; `undefined` when they close the dialog. */
export async function pickFolder(): Promise<Folder | undefined> {
  try {
    const root = await (window as Pickers).showDirectoryPicker?.({ id: "publish", mode: "read" });
    return root && new LiveFolder(root);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      return undefined;
    }
    throw error;
  }
}

/** Takes what was chosen in an `<input type="file">`, with or without `webkitdirectory`. */
export function fromInput(files: Iterable<File>): PickedFiles {
  const placed = [...files].map((file) => {
    const [top, ...below] = (file.webkitRelativePath || file.name).split("/");
    return below.length > 0
      ? { top, names: below, file }
      : { top: undefined, names: [file.name], file };
  });
  return new PickedFiles(placed.find(({ top }) => top)?.top ?? NO_FOLDER, distinct(placed));
}

/** Takes what was dropped on the page. Must be called before the event is over. */
export async function fromDrop(items: Iterable<DataTransferItem>): Promise<Folder | undefined> {
  const dropped = [...items].filter(({ kind }) => kind === "file") as DroppedItem[];
  // All of them are asked for before anything is waited for: afterwards the event is over.
  const handles = dropped.map((item) => item.getAsFileSystemHandle?.());
  const entries = dropped.map((item) => item.webkitGetAsEntry?.());
  const files = dropped.map((item) => item.getAsFile());
  if (dropped.length === 1 && handles[0]) {
    const handle = await handles[0];
    if (handle?.kind === "directory") {
      return new LiveFolder(handle as FileSystemDirectoryHandle);
    }
  }
  const placed: Placed[] = [];
  for (const [at, entry] of entries.entries()) {
    const file = files[at];
    if (entry?.isDirectory) {
      const folder = entry as FileSystemDirectoryEntry;
      // A folder that was dropped alone is the site; one among others is a folder in it.
      await collect(folder, dropped.length === 1 ? [] : [entry.name], placed);
    } else if (file) {
      placed.push({ names: [file.name], file });
    }
  }
  const only = dropped.length === 1 && entries[0]?.isDirectory ? entries[0].name : NO_FOLDER;
  return placed.length > 0 ? new PickedFiles(only, distinct(placed)) : undefined;
}

async function collect(folder: FileSystemDirectoryEntry, above: readonly string[], into: Placed[]) {
  const reader = folder.createReader();
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (entries.length === 0) {
      return;
    }
    for (const entry of entries) {
      const names = [...above, entry.name];
      if (entry.isDirectory) {
        await collect(entry as FileSystemDirectoryEntry, names, into);
      } else {
        const file = await new Promise<File>((resolve, reject) => {
          (entry as FileSystemFileEntry).file(resolve, reject);
        });
        into.push({ names, file });
      }
    }
  }
}

/** Two files of one name, chosen in two places, become `a.txt` and `a (2).txt`. */
function* distinct(placed: Iterable<Placed>): Iterable<Placed> {
  const taken = new Set<string>();
  for (const { names, file } of placed) {
    let free = names;
    for (let number = 2; taken.has(free.join("/")); number += 1) {
      const last = names.at(-1) ?? "";
      const dot = last.lastIndexOf(".");
      const [stem, ending] = dot > 0 ? [last.slice(0, dot), last.slice(dot)] : [last, ""];
      free = [...names.slice(0, -1), `${stem} (${number})${ending}`];
    }
    taken.add(free.join("/"));
    yield { names: free, file };
  }
}
