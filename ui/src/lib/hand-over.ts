import type { HandOver } from "../generated/bindings";
import { t } from "./words";

/** Returns what a hand-over is called: the file, or where files go. */
export function nameOf({ direction }: HandOver): string {
  return direction.type === "send"
    ? direction.name
    : t("handOver.into", { folder: lastPart(direction.folder) });
}

/** Returns the same for a sentence that puts it into quotation marks itself. */
export function quotedNameOf({ direction }: HandOver): string {
  return direction.type === "send"
    ? direction.name
    : t("handOver.intoQuoted", { folder: lastPart(direction.folder) });
}

/** Returns whether the link leads to nothing any more. */
export function isDone({ stage }: HandOver): boolean {
  return stage.type === "done";
}

/** Returns whether it is known that all of it arrived, once the link leads to nothing any more. */
export function isCertain({ stage }: HandOver): boolean {
  return stage.type === "done" && stage.certain;
}

/** Returns the name of a folder without the way to it. */
export function lastPart(path: string): string {
  return path.split(/[/\\]/).filter(Boolean).at(-1) ?? path;
}
