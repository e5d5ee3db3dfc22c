// Sends files by tus 1.0.0 (https://tus.io/protocols/resumable-upload), one after another, and goes on by
// itself after a cut. It remembers nothing beyond the page.
"use strict";
(() => {
  const page = document.querySelector(".wish");
  const box = document.querySelector(".wish-box");
  if (!page || !box) return;
  const input = box.querySelector("input");
  const state = page.querySelector(".wish-state");
  const why = page.querySelector(".wish-why");
  const list = page.querySelector(".wish-files");
  const uploads = page.dataset.uploads;
  const largest = Number(page.dataset.largest);
  const most = Number(page.dataset.left);
  // Proxies in front of a gateway often take no more than 100 MB at once.
  const PIECE = 32 * 1024 * 1024;
  // How long it waits before each new try, as long as nothing more arrives.
  const WAITS = [1000, 2000, 5000, 10000, 20000, 30000, 60000, 60000];
  // How long nothing may move. The owner's disk has a minute for what came.
  const STALL = 90000;
  // Over how long the speed is measured, and how often it is shown.
  const SPEED_OVER = 6000;
  const SHOW_EVERY = 250;
  const rows = [];
  let active = null;
  // Nothing is begun before somebody (or the network) says so.
  let halted = false;
  let ended = false;
  let hurry = null;
  let lock = null;

  const UNFINISHED = ["waiting", "sending", "pausing"];

  function size(bytes) {
    if (bytes === 1) return "1 byte";
    if (bytes < 1000) return `${bytes} bytes`;
    const names = ["KB", "MB", "GB", "TB", "PB"];
    let amount = bytes / 1000;
    let name = 0;
    while (amount >= 999.95 && name < names.length - 1) {
      amount /= 1000;
      name += 1;
    }
    return `${amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${names[name]}`;
  }

  function count(number, one, many) {
    return number === 1 ? `1 ${one}` : `${number} ${many}`;
  }

  function timeLeft(seconds) {
    if (seconds < 60) return "less than a minute left";
    if (seconds < 3600) return `about ${Math.ceil(seconds / 60)} min left`;
    return `about ${(seconds / 3600).toFixed(1)} h left`;
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  function button(row, words, pressed) {
    const made = element("button", "", words);
    made.type = "button";
    made.setAttribute("aria-label", `${words}: ${row.file.name}`);
    made.addEventListener("click", pressed);
    return made;
  }

  function add(file) {
    const row = {
      file,
      state: "waiting",
      location: "",
      // How much of it the other side has, and whether that is known.
      offset: 0,
      sure: true,
      // How much of it left here.
      sent: 0,
      samples: [],
      shownAt: 0,
      later: 0,
      why: "",
      request: null,
      item: element("li"),
      text: element("p", "wish-text"),
      bar: element("progress"),
      buttons: element("div", "wish-buttons"),
    };
    const name = element("bdi", "wish-name", file.name || "file");
    name.title = file.name;
    row.bar.max = 1;
    row.bar.setAttribute("aria-label", file.name || "file");
    row.item.append(name, row.bar, row.text, row.buttons);
    list.append(row.item);
    rows.push(row);
    if (file.size > largest) turn(row, "failed", tooLarge());
    else turn(row, "waiting");
  }

  function tooLarge() {
    return `It is too large: at most ${size(largest)} are taken.`;
  }

  // Gives a row its state, and what can be done in it.
  function turn(row, next, words) {
    const hadFocus = row.item.contains(document.activeElement);
    row.state = next;
    row.why = words || "";
    row.item.className = next;
    row.buttons.replaceChildren();
    if (next === "stopped") row.buttons.append(button(row, "Go on", () => goOn()));
    if (next === "stopped" || UNFINISHED.includes(next)) {
      row.buttons.append(button(row, "Cancel", () => cancel(row)));
    }
    row.bar.hidden = next === "failed" || next === "cancelled";
    show(row);
    tell();
    if (hadFocus) (row.buttons.querySelector("button") || input).focus();
  }

  function show(row) {
    const whole = row.file.size;
    row.bar.value = row.state === "done" ? 1 : whole > 0 ? row.sent / whole : 0;
    row.text.textContent = words(row);
    row.shownAt = Date.now();
  }

  function words(row) {
    const whole = size(row.file.size);
    if (row.state === "waiting") return `${whole}, waiting for its turn`;
    if (row.state === "done") return `${whole}, arrived`;
    if (row.state === "cancelled") return "Cancelled";
    if (row.state !== "sending") return row.why;
    const parts = [`${size(row.sent)} of ${whole}`];
    const speed = speedOf(row);
    if (speed > 0 && row.sent < row.file.size) {
      parts.push(`${size(Math.round(speed))}/s`, timeLeft((row.file.size - row.sent) / speed));
    }
    return parts.join(", ");
  }

  function speedOf(row) {
    if (row.samples.length < 2) return 0;
    const [first, last] = [row.samples[0], row.samples[row.samples.length - 1]];
    return last.at - first.at < 500 ? 0 : ((last.sent - first.sent) * 1000) / (last.at - first.at);
  }

  function progress(row, sent) {
    const now = Date.now();
    row.sent = sent;
    row.samples.push({ at: now, sent });
    row.samples = row.samples.filter((sample) => now - sample.at <= SPEED_OVER);
    const wait = row.shownAt + SHOW_EVERY - now;
    if (wait <= 0) show(row);
    else if (row.later === 0) {
      // Nothing more may move for a while, and what moved is shown all the same.
      row.later = setTimeout(() => {
        row.later = 0;
        if (row.state === "sending") show(row);
      }, wait);
    }
  }

  // Says how it stands with all of them. Only what changed is read out.
  function tell() {
    const having = (...states) => rows.filter((row) => states.includes(row.state)).length;
    const all = rows.length - having("cancelled");
    const arrived = having("done");
    const missing = all - arrived;
    let sentence = "";
    let kind = "";
    if (all > 0 && missing === 0) {
      sentence = all === 1 ? "The file arrived." : `All ${all} files arrived.`;
      if (ended || taken() >= most) sentence += " This link takes no more.";
      kind = "good";
    } else if (having("pausing") > 0) {
      sentence = "The connection was lost. It goes on by itself.";
    } else if (having(...UNFINISHED) > 0 && !halted) {
      sentence = all === 1 ? "Sending…" : `Sending file ${Math.min(arrived + 1, all)} of ${all}…`;
    } else if (having("stopped") > 0) {
      sentence = `${arrived} of ${count(all, "file", "files")} arrived. Press “Go on” to try the rest again.`;
      kind = "bad";
    } else if (all > 0) {
      sentence = `${arrived} of ${count(all, "file", "files")} arrived.`;
      kind = "bad";
    }
    if (state.textContent !== sentence) state.textContent = sentence;
    state.dataset.kind = kind;
    input.disabled = ended || taken() >= most;
    box.classList.toggle("closed", input.disabled);
    keepAwake(having(...UNFINISHED) > 0 && !halted);
  }

  // How many files of this link are ours.
  function taken() {
    return rows.filter((row) => row.state !== "cancelled" && row.state !== "failed").length;
  }

  function choose(files, folders) {
    const said = [];
    if (folders > 0) {
      said.push("Folders cannot be sent as they are. Pack them first (zip), or choose the files in them.");
    }
    const room = Math.max(0, most - taken());
    const fitting = files.filter((file) => file.size <= largest).length;
    if (fitting > room) {
      said.push(
        room === 0
          ? "This link takes no more files."
          : `This link takes only ${count(room, "more file", "more files")}; the others were left out.`,
      );
    }
    why.textContent = said.join(" ");
    let left = room;
    for (const file of files) {
      if (file.size <= largest) {
        if (left === 0) continue;
        left -= 1;
      }
      add(file);
    }
    pump();
  }

  // Begins with the next one when none is on its way.
  function pump() {
    if (active || halted) return;
    const row = rows.find((one) => one.state === "waiting");
    if (!row) return;
    active = row;
    sendWhole(row).finally(() => {
      active = null;
      tell();
      pump();
    });
  }

  async function sendWhole(row) {
    for (let tries = 0; ; tries += 1) {
      turn(row, "sending");
      row.samples = [];
      const before = row.offset;
      const trouble = await goFurther(row);
      if (row.state === "cancelled") return;
      if (!trouble) {
        turn(row, "done");
        return;
      }
      if (trouble.final) {
        turn(row, "failed", trouble.words);
        return;
      }
      if (trouble.asks) {
        turn(row, "stopped", trouble.words);
        return;
      }
      if (!(await canBeRead(row))) {
        turn(row, "failed", "It was changed or moved on your device. Choose it again.");
        return;
      }
      row.sure = false;
      if (row.offset > before) tries = 0;
      if (tries >= WAITS.length) {
        halted = true;
        turn(row, "stopped", trouble.words);
        return;
      }
      if (trouble.atOnce && tries === 0) continue;
      turn(row, "pausing", `${trouble.words} It goes on by itself.`);
      await pause(WAITS[tries]);
      if (row.state === "cancelled") return;
    }
  }

  // Sends what is missing. Returns what went wrong; nothing when all of it arrived.
  async function goFurther(row) {
    const whole = row.file.size;
    if (row.location && !row.sure) {
      const answer = await ask(row, "HEAD", row.location, {});
      if (answer.status < 200 || answer.status > 299) return trouble(row, answer);
      if (!advance(row, answer)) return strange(answer);
    }
    if (!row.location) {
      const answer = await ask(row, "POST", uploads, {
        "Upload-Length": String(whole),
        "Upload-Metadata": `filename ${base64(row.file.name || "file")}`,
      });
      if (answer.status !== 201) return trouble(row, answer);
      const location = place(answer.header("Location"));
      if (!location) return strange(answer);
      row.location = location;
      row.offset = 0;
      row.sure = true;
      if (row.state === "cancelled") discard(row);
    }
    while (row.offset < whole) {
      if (row.state === "cancelled") return null;
      const from = row.offset;
      const piece = row.file.slice(from, Math.min(whole, from + PIECE));
      const headers = {
        "Upload-Offset": String(from),
        "Content-Type": "application/offset+octet-stream",
      };
      row.sure = false;
      const answer = await ask(row, "PATCH", row.location, headers, piece, (sent) => {
        progress(row, from + Math.min(sent, piece.size));
      });
      if (answer.status < 200 || answer.status > 299) return trouble(row, answer);
      if (!advance(row, answer) || row.offset === from) return strange(answer);
    }
    return null;
  }

  // Believes the other side about how much it has, within reason.
  function advance(row, answer) {
    const text = answer.header("Upload-Offset") || "";
    const offset = /^[0-9]{1,16}$/.test(text) ? Number(text) : -1;
    if (offset < 0 || offset > row.file.size) return false;
    row.offset = offset;
    row.sure = true;
    progress(row, offset);
    return true;
  }

  function strange(answer) {
    return { words: `The other side does not understand this page (${answer.status}).` };
  }

  function trouble(row, answer) {
    const { status } = answer;
    if (status === 404 || status === 410) {
      if (row.location) {
        // The owner's computer has forgotten what it had of this file, or the link is over: then the new
        // beginning says so.
        row.location = "";
        row.offset = 0;
        return { words: "What was sent of it is gone.", atOnce: true };
      }
      ended = true;
      const over = "This link is used up, or was taken back.";
      for (const other of rows) {
        if (other !== row && other.state === "waiting") turn(other, "failed", over);
      }
      return { final: true, words: over };
    }
    if (status === 403) {
      return { final: true, words: "This link is for somebody else, or was opened from another network before." };
    }
    if (status === 409) return { words: "Two sent this file at once.", atOnce: true };
    if (status === 413) return { final: true, words: tooLarge() };
    if (status === 507) {
      return { asks: true, words: "The owner’s drive is full. Tell them, then go on." };
    }
    if (status === 0) return { words: "The connection was lost." };
    if (status === 423 || status === 429) return { words: "Too much comes at once." };
    if (status >= 500) {
      return { words: "The owner’s computer cannot be reached at the moment, or is paused." };
    }
    return { final: true, words: `The owner’s computer refused it (${status}).` };
  }

  // Tells a lost connection from a file that is not any more what was chosen.
  async function canBeRead(row) {
    try {
      await row.file.slice(row.offset, row.offset + 1).arrayBuffer();
      return true;
    } catch {
      return false;
    }
  }

  function base64(text) {
    return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  }

  // Nothing is sent to any other origin (nor would the policy of the page allow it).
  function place(location) {
    try {
      const there = new URL(location, document.baseURI);
      return location && there.origin === window.location.origin ? there.href : "";
    } catch {
      return "";
    }
  }

  // Asks, and never fails: no answer is status 0.
  function ask(row, method, url, headers, body, moved) {
    return new Promise((answered) => {
      const request = new XMLHttpRequest();
      let timer = 0;
      const watch = () => {
        clearTimeout(timer);
        timer = setTimeout(() => request.abort(), STALL);
      };
      request.open(method, url);
      request.setRequestHeader("Tus-Resumable", "1.0.0");
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.addEventListener("progress", (event) => {
        watch();
        if (moved) moved(event.loaded);
      });
      request.addEventListener("loadend", () => {
        clearTimeout(timer);
        if (row.request === request) row.request = null;
        const { status } = request;
        answered({ status, header: (name) => (status > 0 ? request.getResponseHeader(name) : null) });
      });
      row.request = request;
      watch();
      request.send(body || null);
    });
  }

  function pause(time) {
    return new Promise((over) => {
      const timer = setTimeout(over, time);
      hurry = () => {
        clearTimeout(timer);
        over();
      };
    });
  }

  function cancel(row) {
    const request = row.request;
    turn(row, "cancelled");
    if (request) request.abort();
    if (active === row && hurry) hurry();
    discard(row);
    if (!rows.some((one) => one.state === "stopped")) halted = false;
    tell();
    pump();
  }

  function discard(row) {
    if (row.location) ask({}, "DELETE", row.location, {});
    row.location = "";
  }

  function goOn() {
    halted = false;
    for (const row of rows) {
      if (row.state === "stopped") turn(row, "waiting");
    }
    pump();
  }

  // A phone that sleeps sends nothing.
  async function keepAwake(wanted) {
    if (!navigator.wakeLock || document.hidden || wanted === Boolean(lock)) return;
    if (!wanted) {
      const held = lock;
      lock = null;
      if (held !== true) held.release().catch(() => {});
      return;
    }
    lock = true;
    try {
      const held = await navigator.wakeLock.request("screen");
      held.addEventListener("release", () => {
        if (lock === held) lock = null;
      });
      if (lock === true) lock = held;
      else held.release().catch(() => {});
    } catch {
      if (lock === true) lock = null;
    }
  }

  input.addEventListener("change", () => {
    const files = Array.from(input.files);
    // So that the same file can be chosen again.
    input.value = "";
    choose(files, 0);
  });
  // A file that misses the box must not take the place of the page.
  for (const name of ["dragenter", "dragover"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      box.classList.toggle("over", !input.disabled);
    });
  }
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) box.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("over");
    const items = Array.from(event.dataTransfer.items || []).filter((item) => item.kind === "file");
    const isFolder = (item) => {
      const entry = item.webkitGetAsEntry ? item.webkitGetAsEntry() : null;
      return Boolean(entry && entry.isDirectory);
    };
    const folders = items.filter(isFolder).length;
    const files = items.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
    choose(files.filter(Boolean), folders);
  });
  addEventListener("beforeunload", (event) => {
    if (rows.some((row) => UNFINISHED.includes(row.state))) event.preventDefault();
  });
  addEventListener("online", () => {
    if (hurry) hurry();
    if (halted) goOn();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (hurry) hurry();
    tell();
  });
  box.hidden = false;
  page.querySelector(".wish-plain").hidden = true;
})();
