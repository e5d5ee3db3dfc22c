import type { Folder } from "../site/folder";
import { PickedFiles } from "../site/picked";
import { fromInput, hasFolderPicker, pickFolder } from "../site/picking";
import type { Key } from "../words";
import { t } from "../words";
import { element, fill } from "./dom";
import { scene } from "./scene";

/** What the page for choosing needs. */
export interface Choosing {
  readonly isKept: boolean;
  /** What to say above everything else. */
  readonly note: Key | undefined;
  readonly chosen: (folder: Folder) => void;
  readonly forget: () => void;
}

/** Returns the page on which a folder or files are chosen. */
export function choosePage({ isKept, note, chosen, forget }: Choosing): HTMLElement {
  const trouble = element("p", { class: "note warn", role: "alert", hidden: true });
  const complain = (key: Key) => {
    fill(trouble, t(key));
    trouble.hidden = false;
  };
  const take = (folder: Folder | undefined) => {
    if (folder instanceof PickedFiles && folder.count === 0) {
      complain("nothingThere");
    } else if (folder !== undefined) {
      chosen(folder);
    }
  };
  const input = (id: string, more: { readonly [name: string]: boolean }) => {
    return element("input", {
      type: "file",
      id,
      class: "unseen",
      tabindex: -1,
      "aria-hidden": "true",
      ...more,
      onchange: (event) => {
        const { files } = event.target as HTMLInputElement;
        take(files && files.length > 0 ? fromInput(files) : undefined);
      },
    });
  };
  const folders = input("folder-input", { webkitdirectory: true, multiple: true });
  const files = input("files-input", { multiple: true });
  const chooseFolder = () => {
    if (!hasFolderPicker()) {
      folders.click();
      return;
    }
    pickFolder().then(take, () => complain("cannotOpen"));
  };
  return element(
    "section",
    { class: "choose", "aria-labelledby": "choose-title" },
    note && element("p", { class: "note", role: "status" }, t(note)),
    element(
      "div",
      { class: "place" },
      scene(),
      element("h2", { id: "choose-title", class: "big-title" }, t("title")),
      element("p", { class: "lead" }, t("lead")),
      element(
        "div",
        { class: "actions" },
        element(
          "button",
          { type: "button", class: "button main", id: "choose-folder", onclick: chooseFolder },
          t("chooseFolder"),
        ),
        element(
          "button",
          { type: "button", class: "button", id: "choose-files", onclick: () => files.click() },
          t("chooseFiles"),
        ),
      ),
      folders,
      files,
      element("p", { class: "quiet or-drop" }, t("orDrop")),
      !hasFolderPicker() && element("p", { class: "quiet small" }, t("uploadNote")),
      isKept &&
        element(
          "p",
          { class: "quiet small" },
          `${t("keptNote")} `,
          element("button", { type: "button", class: "link", onclick: forget }, t("forget")),
        ),
    ),
    trouble,
    element("p", { class: "quiet promise" }, `${t("promise")} ${t("hiddenLeftOut")}`),
  );
}
