import type {
  Cut,
  Record as Ended,
  Note,
  Pace,
  Site,
  TestState,
  Transfer,
  View,
} from "../generated/bindings";
import {
  archive,
  cut,
  done,
  files,
  film,
  inbox,
  knock,
  passing,
  pretendCode,
  received,
} from "./hand-overs";

/** What the window can look like, by name: shown in the palette, walked through in the tests. */
export const SCENES: { readonly [name: string]: (now: number) => View } = {
  starting: (now) => view(now, { phase: { type: "starting" } }),
  failed: (now) =>
    view(now, {
      phase: {
        type: "failed",
        sentence: "The folder of the app cannot be written. Make room on the disk, then try again.",
      },
      identity: null,
    }),
  noKeychain: (now) =>
    view(now, {
      phase: {
        type: "needsKey",
        trouble: "noKeychain",
        sentence:
          "This computer has no keychain for the key that proves your links are yours. It can be kept in a file instead, locked with a passphrase.",
      },
      identity: null,
    }),
  keychainLocked: (now) =>
    view(now, {
      phase: {
        type: "needsKey",
        trouble: "keychainLocked",
        sentence: "The keychain of this computer did not open. Unlock it, then try again.",
      },
      identity: null,
    }),
  fileLocked: (now) =>
    view(now, {
      phase: {
        type: "needsKey",
        trouble: "fileLocked",
        sentence: "Your key is in an encrypted file. Type its passphrase to publish your folders.",
      },
      identity: null,
    }),
  empty: (now) => view(now, {}),
  emptyDrop: (now) => view(now, { dropTarget: true }),
  emptyWithHistory: (now) => view(now, { history: history(now).slice(0, 3) }),
  oneSite: (now) => view(now, { sites: [photos()] }),
  siteDrop: (now) => view(now, { sites: [photos()], dropTarget: true }),
  freshSite: (now) => view(now, { sites: [{ ...photos(), url: null, qr: null, visitors: 0 }] }),
  busy: (now) =>
    view(now, {
      sites: [{ ...photos(), active: 3 }, plans(), { ...recipes(), on: false }],
      transfers: transfers(now),
      history: history(now),
    }),
  newNotes: (now) =>
    view(now, { sites: [{ ...photos(), notes: notes(now), newNotes: 2 }, plans()] }),
  notes: (now) =>
    view(now, {
      sites: [{ ...photos(), notes: notes(now), newNotes: 2, blocked: 1 }, plans()],
      openNotes: "photos",
    }),
  noNotes: (now) =>
    view(now, { sites: [{ ...photos(), takesNotes: false, blocked: 2 }], openNotes: "photos" }),
  sendSheet: (now) => view(now, { sites: [photos()], draft: files() }),
  sendOne: (now) =>
    view(now, {
      draft: {
        type: "send",
        files: [{ name: "The boat, first sail.mp4", size: 840_000_000 }],
        more: 0,
        size: 840_000_000,
      },
    }),
  askSheet: (now) =>
    view(now, { sites: [photos()], draft: { type: "ask", folder: "/home/anna/Downloads" } }),
  handOverFresh: (now) => view(now, { handOvers: [{ ...film(now), url: null, qr: null }] }),
  handOverWaiting: (now) =>
    view(now, {
      sites: [photos()],
      handOvers: [
        { ...film(now), note: "The film of our weekend.\nTell me when you have it!" },
        { ...inbox(now), askFirst: true },
      ],
    }),
  handOverAsks: (now) =>
    view(now, {
      sites: [photos()],
      handOvers: [
        inbox(now),
        { ...film(now), askFirst: true, knocks: [knock(now, 0)] },
        { ...inbox(now), id: "inbox-2", askFirst: true, knocks: [knock(now, 1), knock(now, 2)] },
      ],
    }),
  handOverPassing: (now) =>
    view(now, {
      sites: [photos()],
      transfers: transfers(now),
      handOvers: [
        { ...film(now), passing: [passing(now, "The boat, first sail.mp4", 62)] },
        {
          ...inbox(now),
          passing: [
            passing(now, "IMG_7001.jpg", 20),
            { ...passing(now, "scan.pdf", 0), size: null, secondsLeft: null },
            { ...passing(now, "IMG_7002.jpg", 99), rate: 0, secondsLeft: null },
          ],
          received: received(now, 2),
        },
      ],
    }),
  handOverCut: (now) =>
    view(now, {
      handOvers: [
        cut(film(now), "visitor"),
        cut(film(now), "connection"),
        cut(film(now), "unconfirmed"),
        cut(film(now), "file"),
        cut({ ...inbox(now), received: received(now, 1) }, "connection"),
      ].map((one, index) => ({ ...one, id: `cut-${index}` })),
    }),
  handOverTrouble: (now) =>
    view(now, {
      handOvers: [
        {
          ...film(now),
          trouble:
            "What belongs to this link is not there at the moment, cannot be used, or its drive does not answer. Is the drive plugged in? As soon as it is back, the link works again.",
        },
        {
          ...inbox(now),
          trouble: "The gateway refuses it: this name is taken",
          url: null,
          qr: null,
        },
      ],
    }),
  handOverDone: (now) =>
    view(now, {
      sites: [photos()],
      handOvers: [
        { ...inbox(now), received: received(now, 3) },
        done(now, film(now), 1),
        done(now, archive(now), 2),
        done(now, { ...inbox(now), id: "inbox-3", received: received(now, 2) }, 3),
      ],
    }),
  handOverPaused: (now) =>
    view(now, { paused: true, handOvers: [film(now), { ...inbox(now), askFirst: true }] }),
  handOverMany: (now) =>
    view(now, {
      sites: [photos()],
      handOvers: Array.from({ length: 60 }, (_, index) =>
        index < 8
          ? { ...(index % 2 ? inbox(now) : archive(now)), id: `many-${index}` }
          : done(now, film(now), index),
      ),
    }),
  handOverHostile: (now) =>
    view(now, {
      handOvers: Object.values(HOSTILE).flatMap((text, index) => [
        {
          ...film(now),
          id: `send-${index}`,
          direction: { type: "send", name: text, size: 5, files: 1 } as const,
          note: text,
          trouble: text,
          url: `https://a.gateway.example/h/${"x".repeat(300)}`,
          knocks: [{ id: `${index}`, who: text, at: now }],
          passing: [{ ...passing(now, text, 50), who: text }],
        },
        {
          ...cut(inbox(now), "visitor"),
          id: `ask-${index}`,
          direction: { type: "ask", folder: `/home/${text}`, largest: 5, filesLeft: 1 } as const,
          stage: { type: "cut", file: text, arrived: 2, size: 5, at: now, by: "visitor" } as const,
          received: [{ file: text, size: 5, who: text, at: now }],
        },
        {
          ...done(now, film(now), index),
          direction: { type: "send", name: text, size: 5, files: 1 } as const,
        },
      ]),
    }),
  sendHostile: (now) =>
    view(now, {
      draft: {
        type: "send",
        files: Object.values(HOSTILE).map((name) => ({ name, size: 5 })),
        more: 950,
        size: 5_000,
      },
    }),
  askHostile: (now) =>
    view(now, { draft: { type: "ask", folder: `/home/${HOSTILE.long}/${HOSTILE.turned}` } }),
  paused: (now) => view(now, { sites: [photos(), plans()], paused: true, history: history(now) }),
  connecting: (now) => view(now, { sites: [photos()], connection: { type: "connecting" } }),
  lowerRung: (now) =>
    view(now, {
      sites: [photos()],
      gateway: { type: "remote", address: "https://gateway.example/" },
      connection: {
        type: "connected",
        how: "taxi",
        since: now - 3 * 60_000,
        pace: null,
        missed: [
          { wire: "petrichor", obstacle: { type: "blocked" }, at: now - 60_000 },
          { wire: "ptthHttp2", obstacle: { type: "noAnswer" }, at: now - 60_000 },
          {
            wire: "ptthHttp1",
            obstacle: { type: "refused", sentence: "this way is closed" },
            at: now - 60_000,
          },
        ],
      },
    }),
  chat: (now) => view(now, chat(now)),
  chatSlow: (now) =>
    view(now, {
      ...chat(now, { rate: 7_600, photo: 131, slow: true }),
      sites: [photos(), plans()],
    }),
  chatFast: (now) => view(now, chat(now, { rate: 11_000_000, photo: 0, slow: false })),
  chatTesting: (now) => view(now, chatTest(now, { type: "running", step: "gateway" })),
  chatWrongPassword: (now) =>
    view(
      now,
      chatTest(now, {
        type: "failed",
        step: "password",
        trouble: "password",
        sentence: "The name or the password is wrong.",
      }),
    ),
  chatNotAdmitted: (now) =>
    view(
      now,
      chatTest(now, {
        type: "failed",
        step: "admission",
        trouble: "notAdmitted",
        sentence:
          "The gateway xmpp:gateway@chat.example does not admit you: an invitation is needed. Ask its operator, or use another gateway.",
      }),
    ),
  chatPasswordLost: (now) =>
    view(now, {
      ...chat(now),
      account: { ...ACCOUNT, server: "xmpp.chat.example:5222", hasPassword: false },
      passwordsIn: "file",
      connection: {
        type: "lost",
        sentence:
          "The gateway xmpp:gateway@chat.example is reached over XMPP. Give an XMPP account of yours in the settings.",
        retryAt: null,
      },
    }),
  chatHostile: (now) =>
    view(now, {
      ...chat(now),
      gateway: { type: "remote", address: `xmpp:${"gateway-".repeat(20)}@chat.example` },
      account: { ...ACCOUNT, jid: `${HOSTILE.long}@צ׳אט.example`, server: HOSTILE.long },
    }),
  lost: (now) =>
    view(now, {
      sites: [photos()],
      history: history(now),
      gateway: { type: "remote", address: "https://gateway.example/" },
      connection: {
        type: "lost",
        sentence: "The gateway does not answer. Check that this computer is online.",
        retryAt: now + 12_000,
      },
    }),
  lostForGood: (now) =>
    view(now, {
      sites: [photos()],
      gateway: { type: "remote", address: "https://gateway.example/" },
      connection: {
        type: "lost",
        sentence: "The gateway refused your key. Ask whoever runs it, or choose another gateway.",
        retryAt: null,
      },
    }),
  trouble: (now) =>
    view(now, {
      sites: [
        { ...photos(), trouble: "The folder is gone. Put it back, or stop publishing it." },
        plans(),
      ],
    }),
  problem: (now) =>
    view(now, {
      sites: [photos()],
      problem: {
        code: "portChanged",
        sentence:
          "Another program took the port of the links, so they have changed. Copy them again before you pass them on.",
      },
    }),
  many: (now) =>
    view(now, {
      sites: [{ ...photos(), active: 137, visitors: 4321 }],
      transfers: Array.from({ length: 100 }, (_, index) => ({
        ...transfer(now, index, 24_000_000 * (index + 1), (index * 37) % 100),
        who: `203.0.113.${index}, Firefox`,
      })),
      moreTransfers: 37,
      history: Array.from({ length: 200 }, (_, index) => ended(now, index, "complete")),
    }),
  hostile: (now) =>
    view(now, {
      sites: [
        {
          ...photos(),
          name: HOSTILE.markup,
          path: `/home/anna/${HOSTILE.long}/${HOSTILE.turned}`,
          url: `https://a.gateway.example/s/${"x".repeat(300)}`,
          trouble: HOSTILE.markup,
          notes: Object.values(HOSTILE).map((text, index) => ({
            ...note(now, index, text),
            who: text,
            answer: { text, at: now, arrived: false },
          })),
        },
        { ...plans(), name: HOSTILE.turned, path: `C:\\Users\\anna\\${HOSTILE.long}` },
        {
          ...recipes(),
          name: HOSTILE.long.slice(0, 60),
          path: `/home/דנה/תמונות/${HOSTILE.hebrew}`,
        },
      ],
      transfers: [
        { ...transfer(now, 0, 40_000_000, 40), file: HOSTILE.markup, who: HOSTILE.markup },
        { ...transfer(now, 1, 40_000_000, 60), file: HOSTILE.turned, who: HOSTILE.turned },
        { ...transfer(now, 2, 40_000_000, 80), file: HOSTILE.long, who: HOSTILE.long },
        { ...transfer(now, 3, 40_000_000, 20), file: HOSTILE.hebrew, who: HOSTILE.hebrew },
      ],
      history: Object.values(HOSTILE).map((text, index) => ({
        ...ended(now, index, index % 2 ? "visitor" : "complete"),
        file: text,
        who: text,
        siteName: text,
      })),
      problem: { code: "internal", sentence: HOSTILE.long },
      openNotes: "photos",
    }),
};

/** Text that somebody out there may send. */
export const HOSTILE = {
  markup: `<script>alert("x")</script><img src=x onerror=alert(1)>`,
  turned: "holiday\u202egpj.exe\u2066\u0007",
  long: "very-long-".repeat(50),
  hebrew: "חופשה (2026) סופי.pdf",
} as const;

const ACCOUNT = { jid: "anna@chat.example", server: null, hasPassword: true } as const;

/** What is different where the gateway is reached over XMPP. */
function chat(now: number, pace: Pace | null = null): Partial<View> {
  return {
    sites: [photos()],
    gateway: { type: "remote", address: "xmpp:gateway@chat.example" },
    account: ACCOUNT,
    connection: { type: "connected", how: "xmpp", since: now - 5 * 60_000, missed: [], pace },
  };
}

/** The same with a test of the account that went like this. */
function chatTest(now: number, state: TestState): Partial<View> {
  const test = { jid: ACCOUNT.jid, gateway: "xmpp:gateway@chat.example", state };
  return { ...chat(now), accountTest: test };
}

/** Returns a view in which everything is well, with these differences. */
export function view(now: number, differences: Partial<View>): View {
  return {
    language: "en",
    phase: { type: "ready" },
    connection: {
      type: "connected",
      how: "petrichor",
      since: now - 47 * 60_000,
      missed: [],
      pace: null,
    },
    gateway: { type: "embedded", address: "http://localhost:8423/" },
    account: null,
    accountTest: null,
    passwordsIn: "keychain",
    identity: {
      name: "Anna",
      fingerprint: "m3Xk-9aPq-Lw7d-02Zs",
      keptIn: "the keychain of this computer",
    },
    paused: false,
    sites: [],
    transfers: [],
    moreTransfers: 0,
    history: [],
    handOvers: [],
    draft: null,
    settings: {
      startAtLogin: false,
      notifyConnection: true,
      notifyFirstVisitor: true,
      notifyHandOver: true,
      notifyKnock: true,
      notifyNote: true,
      notifyTransferFinished: false,
    },
    problem: null,
    dropTarget: false,
    openNotes: null,
    openHandOver: null,
    ...differences,
  };
}

/** Returns a site. */
export function photos(): Site {
  return site("photos", "Summer by the lake", "/home/anna/Pictures/2026/Summer by the lake", 12);
}

function plans(): Site {
  return site("plans", "House plans", "/home/anna/Documents/House/Plans for the builder", 1);
}

function recipes(): Site {
  return site("recipes", "Recipes", "/home/anna/Recipes", 0);
}

function site(id: string, name: string, path: string, visitors: number): Site {
  return {
    id,
    name,
    path,
    on: true,
    hiddenFiles: false,
    url: `http://${id}-k3v9.localhost:8423/s/Qm7x2LrT0bYw4ZpKf1Nc8A`,
    qr: pretendCode(),
    trouble: null,
    visitors,
    active: 0,
    takesNotes: true,
    notes: [],
    newNotes: 0,
    blocked: 0,
  };
}

function notes(now: number): Note[] {
  return [
    { ...note(now, 0, "Hello! The third photo is missing.\nCould you put it back?"), seen: false },
    { ...note(now, 1, "שלום, תמונות יפות!"), seen: false, answerable: false },
    {
      ...note(now, 2, "Lovely pictures. Is there a video of the first sail, too?"),
      answer: { text: "Yes, in the folder “videos”.", at: now - 3_000_000, arrived: true },
    },
    {
      ...note(now, 3, "When is the next meeting?"),
      answer: { text: "On Sunday at four.", at: now - 7_000_000, arrived: false },
    },
  ];
}

function note(now: number, index: number, text: string): Note {
  return {
    id: `note-${index}`,
    text,
    who: `203.0.113.${9 + index}, Firefox on Windows`,
    at: now - 40_000 - index * 4_100_000,
    seen: true,
    answerable: true,
    answer: null,
  };
}

function transfers(now: number): Transfer[] {
  return [
    { ...transfer(now, 0, 840_000_000, 62), file: "videos/The boat, first sail.mp4" },
    {
      ...transfer(now, 1, 41_300_000, 8),
      file: "photos/IMG_20260714_183255.raw",
      who: "198.51.100.23, Safari on a phone",
    },
    {
      ...transfer(now, 2, 5_100_000, 99),
      file: "photos/IMG_20260714_183301.jpg",
      who: "2001:db8::7a, Chrome",
      rate: 0,
      secondsLeft: null,
    },
  ];
}

function transfer(now: number, index: number, size: number, percent: number): Transfer {
  const delivered = Math.floor((size * percent) / 100);
  const rate = 2_400_000;
  return {
    id: `transfer-${index}`,
    site: "photos",
    file: `photos/IMG_${String(index).padStart(4, "0")}.jpg`,
    who: "203.0.113.9, Firefox",
    size,
    delivered,
    rate,
    secondsLeft: Math.ceil((size - delivered) / rate),
    since: now - 90_000,
  };
}

function history(now: number): Ended[] {
  const ends: (Cut | "complete")[] = [
    "complete",
    "visitor",
    "complete",
    "owner",
    "connection",
    "file",
    "unconfirmed",
    "complete",
  ];
  return ends.map((end, index) => ended(now, index, end));
}

function ended(now: number, index: number, end: Cut | "complete"): Ended {
  const size = 3_100_000 + index * 740_000;
  const until = now - 20_000 - index ** 2 * 17 * 60_000;
  return {
    id: `record-${index}`,
    siteName: "Summer by the lake",
    file: `photos/IMG_${String(7000 + index)}.jpg`,
    who: "203.0.113.9, Firefox",
    size,
    delivered: end === "complete" ? size : Math.floor(size * 0.37),
    since: until - 4_000,
    until,
    end: end === "complete" ? { type: "complete" } : { type: "cut", by: end },
  };
}
