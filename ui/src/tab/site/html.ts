/**
 * Text that is HTML already. Only {@link html} makes it, which escapes everything else, so that a
 * name can never become a tag.
 */
export class Html {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  static join(strings: readonly string[], values: readonly Value[]): Html {
    return new Html(strings.map((part, at) => part + written(values[at])).join(""));
  }
}

type Value = string | number | Html | readonly Html[] | undefined;

/** Puts HTML together; what stands in `${}` is escaped, unless it was made by this as well. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return Html.join(strings, values);
}

function written(value: Value): string {
  if (value === undefined) {
    return "";
  }
  if (value instanceof Html) {
    return value.text;
  }
  if (typeof value === "object") {
    return value.map(({ text }) => text).join("");
  }
  return String(value).replace(/[&<>"']/g, (letter) => ESCAPES[letter] ?? letter);
}

const ESCAPES: { readonly [letter: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
