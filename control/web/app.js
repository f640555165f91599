"use strict";
// The dashboard. All text from outside goes in by textContent, never as HTML.

const $ = (id) => document.getElementById(id);
let board = null; // the last /api/v1/state
let attempt = null; // the attempt shown: {id, events}
let lastId = 0; // of the event stream

// ---- small helpers ----

function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return node;
}
const span = (text, className) => el("span", { textContent: text ?? "", className: className ?? "" });
const clock = (iso) => (iso ? new Date(iso).toLocaleTimeString([], { hour12: false }) : "");
const count = (n) => (n ?? 0).toLocaleString();

function elapsed(from, to) {
  if (!from) return "";
  const s = Math.max(0, Math.round(((to ? new Date(to) : Date.now()) - new Date(from)) / 1000));
  const pad = (n) => String(n).padStart(2, "0");
  return s >= 3600 ? `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}` : `${Math.floor(s / 60)}:${pad(s % 60)}`;
}

function tone(status) {
  if (["succeeded", "healthy"].includes(status)) return "good";
  if (["running", "claimed", "queued", "continuing"].includes(status)) return "info";
  if (["retrying", "degraded", "blocked", "turns_exhausted", "aborted", "superseded"].includes(status)) return "warn";
  return ["idle", "", undefined, null].includes(status) ? "" : "bad";
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// ---- talking to the API ----

async function api(path) {
  const reply = await fetch(path);
  const data = await reply.json();
  if (!reply.ok) throw new Error(data.error?.message ?? reply.statusText);
  return data;
}

// An open dialog's answer: the form's values, or null when it was cancelled.
function askIn(id) {
  const dialog = $(id);
  const form = dialog.querySelector("form");
  form.reset();
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(["cancel", ""].includes(dialog.returnValue) ? null : new FormData(form));
  });
}

async function post(path, body) {
  for (;;) {
    const headers = { "Content-Type": "application/json" };
    const token = sessionStorage.getItem("token");
    if (token) headers.Authorization = `Bearer ${token}`;
    const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    const data = await reply.json();
    if (reply.ok) return data;
    if (reply.status !== 401) throw new Error(data.error?.message ?? reply.statusText);
    const answer = await askIn("token");
    if (!answer) throw new Error("Nothing was changed: that needs the write token.");
    sessionStorage.setItem("token", String(answer.get("token")).trim());
  }
}

// Runs an action of the operator; failures become the notice.
async function act(action) {
  try {
    notice("");
    await action();
    await loadBoard();
  } catch (error) {
    notice(error.message);
  }
}

// ---- the board ----

function issueLink(row) {
  const id = row.identifier ?? row.issue_identifier ?? "";
  return el("a", { href: `#/issue/${encodeURIComponent(id)}`, textContent: id, className: "id" });
}

function abortButton(identifier) {
  return el("button", { type: "button", textContent: "Abort", className: "small",
    onclick: () => act(() => post(`/api/v1/${encodeURIComponent(identifier)}/abort`, {})) });
}

function attemptCard(row, running) {
  const time = span(elapsed(row.startedAt ?? row.createdAt, row.endedAt), "num");
  if (running) time.dataset.since = row.startedAt ?? row.createdAt;
  return el("article", { className: "card" },
    el("div", { className: "row" }, issueLink(row), span(running ? row.phase ?? row.status : row.status, `pill ${tone(row.status)}`),
      span("", "grow"), time),
    el("a", { className: "title", href: `#/attempt/${row.attempt_id}`, textContent: row.title }),
    el("div", { className: "row muted" }, span(`attempt ${row.attempt}`), span(`turn ${row.turns}`),
      span(`${count(row.tokenUsage.totalTokens)} tokens`, "num"), span(row.host)),
    el("div", { className: "row muted" }, span(running ? row.last_event : row.message, running ? "mono grow" : "grow"),
      running ? abortButton(row.identifier) : null));
}

function issueCard(row) {
  return el("article", { className: "card" },
    el("div", { className: "row" }, issueLink(row), span("", "grow"),
      row.status === "idle" ? null : span(row.status, `pill ${tone(row.status)}`)),
    span(row.title, "title"));
}

function column(col) {
  return el("section", { className: "column" },
    el("h3", {}, span(col.label), span(count(col.count), "muted num")), ...col.issues.map(issueCard));
}

function eventRow(e) {
  return el("div", { className: "event" }, el("time", { textContent: clock(e.at), className: "muted" }), issueLink(e),
    span(e.event, "mono"), span(e.message));
}

function retryCard(row) {
  return el("article", { className: "card" },
    el("div", { className: "row" }, issueLink(row), span(row.status, `pill ${tone(row.status)}`),
      span(`attempt ${row.attempt} at ${clock(row.nextRetryDueAt)}`, "muted")), span(row.error, "muted"));
}

function section(title, nodes, className) {
  return nodes.length ? [el("h2", { textContent: title }), el("div", { className }, ...nodes)] : [];
}

function hostCard(host) {
  const status = host.connected ? (host.draining ? "draining" : "connected") : "away";
  return el("article", { className: "card" },
    el("div", { className: "row" }, span(host.name, "id"), span(status, `pill ${status === "connected" ? "good" : "warn"}`),
      span("", "grow"), span(`${host.running} of ${host.capacity} running`, "muted num")),
    host.error ? span(host.error, "muted") : null);
}

function showBoard() {
  const events = board.recent_events.filter((e) => e.event !== "item.delta").reverse().slice(0, 20);
  $("view").replaceChildren(
    ...section("Running", board.running.map((r) => attemptCard(r, true)), "cards"),
    ...section("Waiting to try again", board.retrying.map(retryCard), "cards"),
    ...section("Issues", board.workflow_columns.map(column), "board"),
    ...section("Recent events", events.map(eventRow), "events"),
    ...section("Ended attempts", board.completed.map((r) => attemptCard(r, false)), "cards"),
    ...section("Data planes", board.hosts.map(hostCard), "cards"));
}

async function loadBoard() {
  board = await api("/api/v1/state");
  const health = board.system_health;
  $("health").textContent = health.status;
  $("health").className = `pill ${tone(health.status)}`;
  $("health").title = health.message;
  $("totals").textContent = `${count(board.codex_totals.total_tokens)} tokens, ${count(board.counts.running)} running`;
  notice(health.status === "healthy" ? "" : health.message);
  if (route().page === "board") showBoard();
}

// ---- one attempt ----

function eventText(data) {
  const item = data.item ?? {};
  const text = data.message ?? data.text ?? item.command ?? item.text ?? data.title ?? data.body ?? data.state ?? data.commit ??
    data.outcome ?? data.path ?? data.hook ?? item.type ?? data.status ??
    (data.total_tokens === undefined ? "" : `${count(data.total_tokens)} tokens`);
  return typeof text === "string" ? text : JSON.stringify(text);
}

function eventDetails(e) {
  const details = el("details", { className: "event" }, el("summary", {},
    el("time", { textContent: clock(e.at), className: "muted" }), span(e.type, "mono"), span(eventText(e.data ?? {}))));
  details.ontoggle = () => {
    if (details.open && details.children.length === 1)
      details.append(el("pre", { textContent: JSON.stringify(e.data, null, 2) }));
  };
  return details;
}

function diffView(text) {
  const kind = (line) => (/^(\+\+\+|---|diff |index )/.test(line) || line.startsWith("@@") ? "hunk"
    : line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "ctx");
  return el("pre", { className: "card diff" }, ...text.split("\n").map((line) => span(line || " ", kind(line))));
}

function facts(pairs) {
  return el("dl", { className: "facts" }, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => el("div", {}, el("dt", { textContent: name }), el("dd", {}, value instanceof Node ? value : String(value)))));
}

function attemptFacts(a) {
  const time = span(elapsed(a.started_at ?? a.created_at, a.ended_at), "num");
  if (!a.ended_at) time.dataset.since = a.started_at ?? a.created_at;
  return facts([["Issue", issueLink(a)], ["Status", span(a.outcome ?? a.status, `pill ${tone(a.outcome ?? a.status)}`)], ["Phase", a.phase],
    ["Why", a.message], ["Elapsed", time], ["Turns", a.turns], ["Tokens", `${count(a.tokens?.total_tokens)} (${count(a.tokens?.input_tokens)} in, ${count(a.tokens?.output_tokens)} out)`],
    ["Model", a.model], ["Host", a.host], ["Container", a.container], ["Workspace", a.workspace], ["Branch", a.branch], ["Commit", a.commit]]);
}

async function loadEvents(id) {
  const events = [];
  for (let after = 0, more = true; more; ) {
    const page = await api(`/api/v1/attempts/${id}/events?after=${after}&limit=500`);
    events.push(...page.events);
    ({ next_after: after, more } = page);
  }
  return events;
}

async function showAttempt(id) {
  const a = (await api(`/api/v1/attempts/${id}`)).attempt;
  const events = attempt?.id === id ? attempt.events : await loadEvents(id);
  if (route().id !== id) return;
  attempt = { id, events };
  const change = events.findLast((e) => typeof e.data?.diff === "string");
  $("view").replaceChildren(
    el("h1", { textContent: `Attempt ${a.attempt} of ${a.issue_identifier}: ${a.title}` }),
    attemptFacts(a), a.ended_at ? "" : abortButton(a.issue_identifier),
    ...(change ? [el("h2", { textContent: "Change" }), diffView(change.data.diff)] : []),
    el("h2", { textContent: "Events" }),
    el("div", { className: "events" }, ...events.filter((e) => e.type !== "item.delta").map(eventDetails)));
}

// ---- one issue ----

function attemptLink(a) {
  return el("div", { className: "row" }, el("a", { href: `#/attempt/${a.attempt_id}`, textContent: `Attempt ${a.attempt}` }),
    span(a.outcome ?? a.status, `pill ${tone(a.outcome ?? a.status)}`), span(clock(a.created_at), "muted"), span(a.message, "muted"));
}

function moveSelect(issue, states) {
  const select = el("select", {}, ...states.map((s) => el("option", { textContent: s.label, selected: s.label === issue.state })));
  select.onchange = () => act(async () => {
    await post(`/api/v1/${encodeURIComponent(issue.identifier)}/transition`, { state: select.value });
    await show();
  });
  return select;
}

async function showIssue(id) {
  const [data, { states }] = await Promise.all([api(`/api/v1/${encodeURIComponent(id)}`), api("/api/v1/transitions")]);
  const issue = data.issue;
  if (route().id !== id) return;
  $("view").replaceChildren(
    el("h1", { textContent: `${issue.identifier}: ${issue.title}` }),
    facts([["State", moveSelect(issue, states)], ["Priority", issue.priority], ["Labels", issue.labels.join(", ")],
      ["Created", issue.created_at && new Date(issue.created_at).toLocaleString()]]),
    ...(issue.description ? [el("pre", { className: "card", textContent: issue.description })] : []),
    ...section("Attempts", data.attempts.map(attemptLink), "card"),
    ...section("Comments", data.comments.map((c) => el("article", { className: "card" },
      el("div", { className: "row muted" }, span(c.author), span(clock(c.at))), el("pre", { textContent: c.body }))), "cards"));
}

// ---- pages ----

function route() {
  const [, page, id] = location.hash.split("/");
  return ["attempt", "issue"].includes(page) && id ? { page, id: decodeURIComponent(id) } : { page: "board" };
}

async function show() {
  const { page, id } = route();
  try {
    if (page !== "attempt") attempt = null;
    if (page === "attempt") await showAttempt(id);
    else if (page === "issue") await showIssue(id);
    else if (board) showBoard();
  } catch (error) {
    $("view").replaceChildren(el("p", { textContent: error.message, className: "bad" }));
  }
}

// ---- live events ----

let pending = null; // many events, one refresh
function soon() {
  pending ??= setTimeout(async () => {
    pending = null;
    await loadBoard().catch((error) => notice(error.message));
    if (route().page === "attempt") await show();
  }, 400);
}

function onEvent(block) {
  const data = block.split("\n").find((line) => line.startsWith("data: "));
  if (!data) return;
  const event = JSON.parse(data.slice(6));
  lastId = event.id;
  if (attempt?.id === event.attempt_id && !attempt.events.some((e) => e.id === event.id)) attempt.events.push(event);
  soon();
}

async function readStream() {
  const reply = await fetch("/api/v1/events", { headers: lastId ? { "Last-Event-ID": String(lastId) } : {} });
  if (!reply.ok) throw new Error("no stream");
  $("live").textContent = "live";
  $("live").className = "pill good";
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    blocks.forEach(onEvent);
  }
}

async function follow() {
  for (;;) {
    await readStream().catch(() => {});
    $("live").textContent = "reconnecting";
    $("live").className = "pill warn";
    await new Promise((resolve) => setTimeout(resolve, 2000));
    soon();
  }
}

// ---- start ----

async function newIssue() {
  const { states } = await api("/api/v1/transitions");
  const select = $("issue").querySelector("select");
  select.replaceChildren(...states.filter((s) => !s.terminal).map((s) => el("option", { textContent: s.label, defaultSelected: s.kind === "todo" })));
  const form = await askIn("issue");
  if (form) await post("/api/v1/issues", Object.fromEntries(form));
}

$("refresh").onclick = () => act(() => post("/api/v1/refresh", {}));
$("new").onclick = () => act(newIssue);
window.onhashchange = show;
setInterval(() => document.querySelectorAll("[data-since]").forEach((node) => { node.textContent = elapsed(node.dataset.since); }), 1000);
setInterval(soon, 15000);
api("/api/v1/runtime").then((runtime) => {
  $("rehearsal").hidden = !runtime.rehearsal;
  $("new").hidden = runtime.tracker.kind !== "local";
  document.title = `Risoluto ${runtime.version}`;
}).catch((error) => notice(error.message));
loadBoard().then(show).catch((error) => notice(error.message));
follow();
