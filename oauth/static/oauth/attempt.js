// Follows one login: learns of changes by WebSocket, or by asking every two seconds where that is closed, and
// fetches the changed part of the page from the server. Without this file the page reloads itself.
"use strict";

const root = document.getElementById("attempt");
const spoken = document.getElementById("spoken");
const POLL_MS = 2000;
let deadline = 0;
let polling = null;
let fetching = false;
let wanted = -1;

const panel = () => document.getElementById("panel");
const isPending = () => panel().dataset.status === "pending";

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes}:${String(seconds % 60).padStart(2, "0")} min` : `${seconds} s`;
}

function tick() {
  const left = document.getElementById("left");
  if (left) left.textContent = duration(Math.max(0, Math.round((deadline - Date.now()) / 1000)));
}

function begin() {
  deadline = Date.now() + Number(panel().dataset.remaining) * 1000;
  tick();
}

async function refresh(version) {
  wanted = Math.max(wanted, version);
  if (fetching) return;
  fetching = true;
  try {
    while (Number(panel().dataset.version) < wanted) {
      const answer = await fetch(`${root.dataset.base}/panel`, { headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok) {
        location.reload();
        return;
      }
      show(await answer.text());
    }
  } catch {
    poll();
  } finally {
    fetching = false;
  }
}

function show(html) {
  const before = { step: panel().dataset.step, status: panel().dataset.status };
  const held = document.activeElement && panel().contains(document.activeElement) ? document.activeElement.id : "";
  const typed = document.getElementById("callback-url")?.value;
  root.innerHTML = html;
  const box = document.getElementById("callback-url");
  if (box && typed) box.value = typed;
  begin();
  const { step, status } = panel().dataset;
  const title = document.getElementById("title");
  if (status !== before.status) {
    title.focus();
    document.title = `${title.textContent} · Gateway`;
    spoken.textContent = panel().querySelector(".result")?.innerText ?? title.textContent;
  } else if (step !== before.step) {
    spoken.textContent = panel().querySelector(".steps p, .waiting")?.innerText ?? "";
  } else if (document.getElementById("slowed")) {
    spoken.textContent = document.getElementById("slowed").textContent;
  }
  if (status === before.status && held) document.getElementById(held)?.focus();
}

function told(state) {
  if (state.version > Number(panel().dataset.version)) refresh(state.version);
}

function poll() {
  if (polling || !isPending()) return;
  polling = setInterval(async () => {
    if (!isPending()) {
      clearInterval(polling);
      return;
    }
    try {
      const answer = await fetch(`${root.dataset.base}/state`, { headers: { Accept: "application/json" } });
      if (answer.ok) told(await answer.json());
      else location.reload();
    } catch {
      // The gateway restarts or the network is away: ask again.
    }
  }, POLL_MS);
}

function follow() {
  if (!isPending()) return;
  let socket;
  try {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}${root.dataset.socket}`);
  } catch {
    poll();
    return;
  }
  socket.addEventListener("message", (event) => told(JSON.parse(event.data)));
  socket.addEventListener("close", poll);
  socket.addEventListener("error", poll);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  let done = "Copied";
  try {
    // Only on https and localhost; a browser without focus may leave the promise open.
    await Promise.race([
      navigator.clipboard.writeText(source.textContent),
      new Promise((_, reject) => setTimeout(reject, 700)),
    ]);
  } catch {
    getSelection().selectAllChildren(source);
    done = "Selected";
  }
  button.textContent = done;
  spoken.textContent = done === "Copied" ? "Code copied" : "Code selected";
});

document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button[type=submit]")) button.disabled = true;
});

begin();
setInterval(tick, 1000);
follow();
