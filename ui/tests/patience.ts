import { vi } from "vitest";

/** How long anything that takes milliseconds may take on a machine that is busy with something else, in ms. */
export const PATIENCE = 15_000;

/** Looks again and again until this holds. */
export const eventually = (look: () => void) => vi.waitFor(look, PATIENCE);
