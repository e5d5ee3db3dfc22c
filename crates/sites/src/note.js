// Writes notes to the owner by TAXI, and shows the answers. Without it the form works all the same.
"use strict";
(() => {
  const form = document.querySelector(".note-form");
  if (!form || !window.WebSocket) return;
  const text = form.elements.text;
  const button = form.querySelector("button");
  const state = form.querySelector(".note-status");
  const talk = form.querySelector(".note-talk");
  const details = form.closest("details");
  const user = location.hostname.split(".")[0];
  const tab = random(6);
  const RETRY = [2000, 5000, 15000, 60000];
  const ANSWER = 20000;
  const MOST_LINES = 20;
  let socket = null;
  let greeted = false;
  let tries = 0;
  let waiting = null;
  let expected = [];
  let lines = load(sessionStorage, "veranda-notes") || [];

  function random(bytes) {
    const all = crypto.getRandomValues(new Uint8Array(bytes));
    return Array.from(all, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // A browser may refuse to keep anything; then answers come only while the page is open.
  function load(place, key) {
    try {
      return JSON.parse(place.getItem(key));
    } catch {
      return null;
    }
  }

  function keep(place, key, value) {
    try {
      place.setItem(key, JSON.stringify(value));
    } catch {
      return;
    }
  }

  function ticket() {
    const old = load(localStorage, "veranda-ticket");
    if (typeof old === "string" && /^[0-9a-f]{32}$/.test(old)) return old;
    const made = random(16);
    keep(localStorage, "veranda-ticket", made);
    return made;
  }

  function show(line) {
    const item = document.createElement("li");
    item.className = line.mine ? "mine" : "theirs";
    const who = document.createElement("span");
    who.textContent = line.mine ? "You" : "The owner";
    const said = document.createElement("p");
    said.dir = "auto";
    said.textContent = line.text;
    item.append(who, said);
    talk.append(item);
    while (talk.children.length > MOST_LINES) talk.firstChild.remove();
    talk.hidden = false;
  }

  function add(line) {
    lines = lines.concat(line).slice(-MOST_LINES);
    keep(sessionStorage, "veranda-notes", lines);
    show(line);
  }

  function say(sentence, bad) {
    state.textContent = sentence;
    state.classList.toggle("bad", Boolean(bad));
  }

  // Answers of the gateway come in the order of what was sent.
  function write(command, body) {
    expected.push(command);
    socket.send(`c=${command},t=${tab},u=${user};${body}`);
  }

  // The header ends at the first semicolon that is not in quotation marks.
  function read(message) {
    let quoted = false;
    for (let at = 0; at < message.length; at += 1) {
      const sign = message[at];
      if (quoted && sign === "\\") at += 1;
      else if (sign === '"') quoted = !quoted;
      else if (sign === ";" && !quoted) {
        const header = message.slice(0, at);
        const command = /(?:^|,)c=([A-Za-z]+)(?:,|$)/.exec(header);
        const number = /(?:^|,)n=([0-9-]+)(?:,|$)/.exec(header);
        return {
          command: command ? command[1] : "",
          number: number ? number[1] : "",
          body: message.slice(at + 1),
        };
      }
    }
    return { command: "", number: "", body: "" };
  }

  function settle(sentence, bad) {
    if (!waiting) return;
    clearTimeout(waiting.timer);
    const sent = waiting;
    waiting = null;
    button.disabled = false;
    say(sentence, bad);
    if (bad) return;
    add({ mine: true, text: sent.text });
    if (text.value.trim() === sent.text) text.value = "";
    keep(localStorage, "veranda-wrote", true);
  }

  function send() {
    write("note", waiting.text);
    waiting.timer = setTimeout(() => settle("No answer came. Try again.", true), ANSWER);
  }

  function hear(message) {
    const { command, number, body } = read(message);
    if (command === "hello") {
      greeted = true;
      tries = 0;
      if (load(localStorage, "veranda-wrote")) {
        write("getTexts", "");
      }
      if (waiting) send();
    } else if (command === "received" || command === "error") {
      if (expected.shift() !== "note") return;
      if (command === "received") settle("Sent. An answer appears here.", false);
      else settle(body || "That did not work. Try again.", true);
    } else if (command === "reply") {
      // Now the owner knows that it is here; until then it comes again.
      write("received", number);
      if (lines.some((line) => number && line.number === number)) return;
      add({ mine: false, text: body, number });
      say("The owner has answered.", false);
      if (details) details.open = true;
    }
  }

  function connect() {
    if (socket) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    try {
      socket = new WebSocket(`${scheme}//${location.host}/.well-known/veranda/taxi`, [
        "taxi",
        `ticket.${ticket()}`,
      ]);
    } catch {
      closed();
      return;
    }
    socket.addEventListener("message", (event) => {
      if (typeof event.data === "string") hear(event.data);
    });
    socket.addEventListener("close", closed);
  }

  function closed() {
    const wasGreeted = greeted;
    socket = null;
    greeted = false;
    expected = [];
    if (waiting && !wasGreeted) {
      // No WebSocket gets through here: the form does.
      form.submit();
      return;
    }
    settle("The connection was lost. Try again.", true);
    if (!load(localStorage, "veranda-wrote")) return;
    setTimeout(() => !document.hidden && connect(), RETRY[Math.min(tries, RETRY.length - 1)]);
    tries += 1;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const written = text.value.trim();
    if (waiting || !written) return;
    waiting = { text: written, timer: 0 };
    button.disabled = true;
    say("Sending…", false);
    if (greeted) send();
    else connect();
  });
  text.addEventListener("focus", connect);
  // A page that only rests in the browser's memory hears nothing, and must not look as if it did.
  addEventListener("pagehide", () => socket && socket.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted && load(localStorage, "veranda-wrote")) connect();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && load(localStorage, "veranda-wrote")) connect();
  });
  for (const line of lines) show(line);
  if (lines.length > 0 && details) details.open = true;
  if (load(localStorage, "veranda-wrote")) connect();
})();
