import type { Cut, Draft, HandOver, Knock, Passing, QrCode, Received } from "../generated/bindings";

/** Returns a film for one person. */
export function film(now: number): HandOver {
  return {
    id: "film",
    direction: { type: "send", name: "The boat, first sail.mp4", size: 840_000_000, files: 1 },
    note: "",
    askFirst: false,
    url: "http://files-k3v9.localhost:8423/h/Qm7x2LrT0bYw4ZpKf1Nc8A",
    qr: pretendCode(),
    trouble: null,
    stage: { type: "waiting" },
    passing: [],
    knocks: [],
    received: [],
    moreReceived: 0,
    since: now - 4 * 60_000,
  };
}

export function archive(now: number): HandOver {
  const direction = { type: "send", name: "House.zip", size: 45_300_000, files: 12 } as const;
  return { ...film(now), id: "archive", direction };
}

/** Returns a folder for files of others. */
export function inbox(now: number): HandOver {
  const folder = "/home/anna/Downloads";
  return {
    ...film(now),
    id: "inbox",
    direction: { type: "ask", folder, largest: 10_000_000_000, filesLeft: 98 },
    since: now - 3 * 3_600_000,
  };
}

/** Returns files that are about to be sent. */
export function files(): Draft {
  return {
    type: "send",
    files: [
      { name: "Plan of the ground floor.pdf", size: 2_400_000 },
      { name: "Plan of the first floor.pdf", size: 2_100_000 },
      { name: "The roof, seen from the garden (2026-07-14).jpg", size: 5_300_000 },
    ],
    more: 0,
    size: 9_800_000,
  };
}

export function knock(now: number, index: number): Knock {
  return {
    id: `knock-${index}`,
    who: `203.0.113.${9 + index} · Firefox on Windows`,
    at: now - 20_000 - index * 61_000,
  };
}

export function passing(now: number, file: string, percent: number): Passing {
  const size = 840_000_000;
  const arrived = Math.floor((size * percent) / 100);
  return {
    file,
    who: "203.0.113.9 · Firefox on Windows",
    size,
    arrived,
    rate: 2_400_000,
    secondsLeft: Math.ceil((size - arrived) / 2_400_000),
    since: now - 90_000,
  };
}

export function received(now: number, count: number): Received[] {
  return Array.from({ length: count }, (_, index) => ({
    file: `IMG_${7000 + index}.jpg`,
    size: 3_100_000 + index * 740_000,
    who: "203.0.113.9",
    at: now - 70_000 - index * 300_000,
  }));
}

export function cut(one: HandOver, by: Cut): HandOver {
  const file = one.direction.type === "send" ? one.direction.name : "IMG_7002.jpg";
  const at = one.since + 60_000;
  return {
    ...one,
    stage: { type: "cut", file, arrived: 312_000_000, size: 840_000_000, at, by },
  };
}

export function done(now: number, one: HandOver, index: number): HandOver {
  const at = now - index * 3_600_000;
  return {
    ...one,
    id: `done-${index}`,
    url: null,
    qr: null,
    stage: { type: "done", at, certain: true },
  };
}

/** Looks like a QR code and is none. */
export function pretendCode(): QrCode {
  const size = 37;
  let path = "";
  const inCorner = (x: number, y: number) =>
    (x < 12 && y < 12) || (x >= size - 12 && y < 12) || (x < 12 && y >= size - 12);
  for (let y = 4; y < size - 4; y += 1) {
    for (let x = 4; x < size - 4; x += 1) {
      if (!inCorner(x, y) && (x * 7 + y * 13 + x * y) % 5 < 2) {
        path += `M${x} ${y}h1v1h-1z`;
      }
    }
  }
  for (const [x, y] of [
    [4, 4],
    [size - 11, 4],
    [4, size - 11],
  ] as const) {
    path += `M${x} ${y}h7v1h-7zM${x} ${y + 6}h7v1h-7zM${x} ${y + 1}h1v5h-1zM${x + 6} ${y + 1}h1v5h-1z`;
    path += `M${x + 2} ${y + 2}h3v3h-3z`;
  }
  return { size, path };
}
