/** What the random end of a label is made of: no vowels that make words, nothing that looks alike. */
const ALPHABET = "23456789bcdfghjkmnpqrstvwxyz";

/** How many random letters end a label, so that two people with the same folder hardly meet. */
const SUFFIX = 5;

/** The most letters of a label, for it is read aloud. */
const MAX_LABEL = 30;

/** What stands before the random end when nothing of the title can. */
const FALLBACK = "folder";

/** Returns a new label for what has this title, by the rules of `crosstalk::label`. */
export function newLabel(title: string): string {
  // 252 is the largest multiple of 28 in a byte, so no letter is more likely than another.
  const random: string[] = [];
  while (random.length < SUFFIX) {
    for (const byte of crypto.getRandomValues(new Uint8Array(SUFFIX))) {
      if (byte < 252 && random.length < SUFFIX) {
        random.push(ALPHABET[byte % ALPHABET.length] ?? "");
      }
    }
  }
  return `${slug(title)}-${random.join("")}`;
}

/** Returns the ASCII of a title: small letters and digits with single dashes between. */
export function slug(title: string): string {
  const plain = title
    .replace(/[äÄæÆ]/g, "ae")
    .replace(/[öÖøØœŒ]/g, "oe")
    .replace(/[üÜ]/g, "ue")
    .replace(/ß/g, "ss")
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "")
    .slice(0, MAX_LABEL - SUFFIX - 1)
    .replace(/-$/, "");
  return plain || FALLBACK;
}
