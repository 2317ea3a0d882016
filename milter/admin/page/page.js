// The page: what the API says, and its orders with a confirmation. It asks again every few seconds, and says within one, by itself, when
// daemon or store has no answer. parts.js has what it is made of, mail.js what is held.
"use strict";

const token_key = "sendquota.token";
const every_ms = 2000;        // between two looks
const pulse_ms = 500;         // between two questions whether daemon and store answer
const late_ms = 400;          // without an answer to these this is said: less than a second after it ended, with the pulse before
const patience_ms = 15000;    // and then it is given up
const rows_of_page = 20;

// ── Asking ──

const troubles = new Map();  // by what has no answer
let caller = null;           // as the status says; null: not known yet

const silence = { daemon: "The daemon does not answer.", store: "The store does not answer. Mail goes on.", look: "What is shown is not the newest." };
const covers = [["daemon", "store"], ["daemon", "look"], ["store", "look"], ["store", "store of the daemon"]];  // the first explains the second

function trouble(what, text) {
  if (text) troubles.set(what, text);
  else troubles.delete(what);
  const told = [...troubles].filter(([one]) => !covers.some(([first, second]) => second === one && troubles.has(first)));
  const alarm = at("alarm");
  alarm.hidden = told.length === 0;
  const all = told.map(([, words]) => plain(words)).map((words) => (/[.!?]$/.test(words) ? words : words + ".")).join(" ");
  if (alarm.textContent !== all) alarm.textContent = all;
}

/** The answer. `what` is asked for: whether the "daemon" or the "store" answers, or what there is to "look" at, which may take its time.
    Throws a Refusal, or another Error where there is no answer. */
async function ask(what, method, path, body) {
  const headers = {};
  const token = sessionStorage.getItem(token_key);
  if (token) headers.Authorization = "Bearer " + token;
  if (body) headers["Content-Type"] = "application/json";
  const late = what === "look" ? null : setTimeout(() => trouble(what, silence[what]), late_ms);
  try {
    const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "omit", cache: "no-store", redirect: "error",
                                         signal: AbortSignal.timeout(patience_ms) });
    const answer = await response.json();
    trouble("daemon", null);
    if (response.status === 401) lock(token ? "This token is not known." : "");
    if (response.status === 503) trouble(what, silence[what] + " (" + answer.error + ")");
    else if (what !== "look") trouble(what, null);  // refresh() has to see that all of a view is there
    if (!response.ok) throw new Refusal(response.status, answer);
    return answer;
  } catch (error) {
    if (!(error instanceof Refusal)) trouble("daemon", silence.daemon);
    throw error;
  } finally {
    clearTimeout(late);
  }
}

const look = (path) => ask("look", "GET", path);
const query = (all) => "?" + Object.entries(all).filter(([, value]) => value !== "").map(([key, value]) => key + "=" + encodeURIComponent(value)).join("&");
const of_sender = (id, rest = "") => "/v1/identities/" + encodeURIComponent(id) + rest;

// ── Who is here ──

function lock(why) {
  caller = null;
  sessionStorage.removeItem(token_key);
  at("gate-error").textContent = why;
  at("leave").hidden = true;
  at("caller").textContent = "";
  if (!at("gate").hidden) return;
  show_view("gate");
  at("token").focus();
}

function show_view(name) {
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== name;
}

const may_order = () => caller && caller.role !== "read";

function show_status(status) {
  caller = status.caller;
  at("caller").textContent = caller.name + " (" + caller.role + (caller.account ? ", " + caller.account : "") + ")";
  at("leave").hidden = !caller.token;
  at("host").textContent = status.host || "";
  const observing = status.mode ? status.mode.quotas.filter((quota) => quota.effective === "observe").length : 0;
  const mode = at("mode");
  mode.hidden = observing === 0;
  mode.className = "badge warn";
  mode.textContent = observing > 0 && observing === status.mode.quotas.length ? "only observing" : observing + " quotas only observe";
  const store = status.store;
  const lost = store.state === "degraded" ? silence.store + " Since " + when(store.since) + "." : store.tables_error;
  trouble("store of the daemon", lost ? lost + (store.error ? " (" + store.error + ")" : "") : null);
  trouble("record", status.record && status.record.error ? "The record of who sent what has gaps: " + status.record.error : null);
  document.body.classList.toggle("may-order", may_order());
  at("orders").hidden = !may_order();
}

async function look_at_status() {
  const status = await ask("daemon", "GET", "/v1/status");
  if (!at("gate").hidden) return;  // the token was forgotten meanwhile
  show_status(status);
  if (!place.name) route();
}

/** The daemon answers from memory; the store is asked itself, for the daemon may not have needed it for a while. What fails is said. */
async function watch() {
  const began = performance.now();
  if (at("gate").hidden && !document.hidden)
    await Promise.allSettled([look_at_status(), caller && ask("store", "GET", "/v1/store")]);
  setTimeout(watch, Math.max(100, pulse_ms - (performance.now() - began)));
}

// ── Overview ──

const columns = [
  { label: "Sender", key: "identity", by: "identity" }, { label: "Sent", key: "sent", by: "messages" },
  { label: "Refused", key: "refused", by: "refused" }, { label: "Held", key: "held", by: "held" },
  { label: "Recipients", key: "recipients", by: "recipients" }, { label: "Networks", key: "networks", by: "networks" }];
const sorted = { by: "messages" };
const first_row = { senders: 0, blocked: 0, mail: 0 };

function show_heads() {
  const heads = columns.map((column) => make("th", { scope: "col", class: column.by === "identity" ? null : "number",
                                                     "aria-sort": column.by === sorted.by ? (column.by === "identity" ? "ascending" : "descending") : null },
    make("button", { type: "button", "data-key": "by " + column.by, "data-by": column.by }, column.label)));
  fill(at("senders").tHead.rows[0], ...heads);
}

function show_pages(part, total) {
  const first = first_row[part];
  const pages = at(part + "-pages");
  pages.hidden = total <= rows_of_page && first === 0;
  const to = (label, row, is_there) => make("button", { type: "button", "data-key": label, "data-part": part, "data-row": row, disabled: !is_there }, label);
  fill(pages, to("Previous", Math.max(0, first - rows_of_page), first > 0), make("span", {}, total === 0 ? "0" : count(first + 1) + " to " + count(Math.min(first + rows_of_page, total)) + " of " + count(total)),
       to("Next", first + rows_of_page, first + rows_of_page < total));
  if (at(part + "-count")) at(part + "-count").textContent = count(total);
}

function show_totals(totals) {
  const recipients = totals.tallies.reduce((sum, one) => sum + one.recipients_sent, 0);
  const part = (name, value, kind) => make("div", { class: kind }, make("dt", {}, name), make("dd", {}, count(value)));
  fill(at("sums"), ...fates.map((fate) => part(fate, sum_of(totals.tallies, fate), fate)), part("recipients of what was sent", recipients, "recipients"));
  draw(at("totals"), totals.tallies);
}

function show_blocked(answer) {
  const rows = answer.blocked.map((block) => make("tr", {},
    cell("Sender", link_to(block.identity)), cell("Reason", block.error || block.reason || (block.quota ? "refused too often: quota " + block.quota : "")),
    cell("Since", when(block.since)), cell("Time left", time_left(block.until)),
    cell("", may_order() ? make("button", { type: "button", "data-key": "release " + block.identity, "data-release": block.identity, "aria-label": "Release " + block.identity }, "Release…") : "")));
  fill(at("blocked").tBodies[0], ...rows);
  at("blocked").hidden = rows.length === 0;
  at("blocked-none").hidden = rows.length > 0;
  at("blocked-none").textContent = at("blocked-search").value ? "Nobody whose name holds this is blocked." : "Nobody is blocked.";
  show_pages("blocked", answer.total);
}

function show_senders(answer) {
  const rows = answer.senders.map((one) => make("tr", {}, ...columns.map((column) => column.by === "identity"
    ? cell("Sender", [link_to(one.identity), " ", one.blocked ? make("span", { class: "badge bad" }, "blocked") : ""])
    : cell(column.label, count(one[column.key]) + (column.key === "networks" && one.networks >= answer.networks_most ? " or more" : ""), "number"))));
  fill(at("senders").tBodies[0], ...rows);
  at("senders-none").hidden = rows.length > 0;
  show_pages("senders", answer.total);
}

async function look_at_overview(is_current) {
  show_heads();
  const blocked = await look("/v1/blocked" + query({ search: at("blocked-search").value.trim(), offset: first_row.blocked, count: rows_of_page }));
  if (is_current()) show_blocked(blocked);
  await look_at_held(is_current);
  const totals = await look("/v1/totals");
  if (is_current()) show_totals(totals);
  const senders = await look("/v1/senders" + query({ by: sorted.by, per: at("per").value, since: at("since").value, search: at("search").value.trim(),
                                                     offset: first_row.senders, count: rows_of_page }));
  if (is_current()) show_senders(senders);
}

// ── One sender ──

let kept = { id: "", newest: null, messages: [] };  // all messages are fetched only when there is a new one

function show_limits(limits) {
  const rows = limits.map((limit) => {
    const is_counted = limit.burst !== null && limit.used !== null;
    const meter = is_counted ? make("meter", { min: 0, max: limit.burst, value: limit.used, high: limit.burst * 0.8, low: limit.burst * 0.8, optimum: 0, "aria-label": "used of " + limit.quota }) : "";
    const words = is_counted ? count(limit.used) + " of " + count(limit.burst) + " used" + (limit.full_at ? ", all back at " + when(limit.full_at) : "") : "";
    return make("div", { class: "limit" }, make("div", {}, make("strong", {}, limit.quota), " " + limit.limit),
                make("div", {}, meter), make("div", { class: "quiet" }, [words, limit.source === "quota" ? "" : limit.source, limit.observed ? "only observed" : ""].filter(Boolean).join("; ")));
  });
  fill(at("limits"), ...(rows.length ? rows : [make("p", { class: "quiet" }, "No quota is charged to this sender.")]));
}

function show_state(sender) {
  const lines = [];
  const block = sender.blocked;
  if (block) lines.push(make("div", { class: "block" }, make("strong", {}, "Blocked"), " (" + block.action + "), " + time_left(block.until) + (block.until ? " left" : "") + (block.error || block.reason ? ": " + (block.error || block.reason) : "") +
                             (block.by ? "; by " + block.by : "") + (block.quota ? "; quota " + block.quota : "")));
  const facts = [sender.account ? "Account " + sender.account : "", sender.exempt ? "Exempt (" + sender.exempt + ")" : "",
                 ...sender.refusals.map((one) => count(one.count) + " of " + count(one.of) + " refusals in " + one.window + " (quota " + one.quota + ")"),
                 sender.ladder ? "Block step " + sender.ladder.step + ", forgotten " + when(sender.ladder.forget_at) : "",
                 sender.history && sender.history.first ? "First seen " + when(sender.history.first) : ""].filter(Boolean);
  if (facts.length) lines.push(make("div", { class: "quiet" }, facts.join(" · ")));
  fill(at("sender-state"), ...lines);
  at("do-release").textContent = block ? "Release…" : "Refill…";
}

const subject_cell = (message) => [message.subject || (message.recipients === 0 ? "(refused before it was sent)" : "(no subject)"), ...Object.entries(message.headers).map(([name, value]) => make("div", { class: "more" }, name + ": " + value)),
                                   message.script ? make("div", { class: "more" }, "script " + message.script) : ""];

function show_messages(messages) {
  const rows = messages.map((message) => make("tr", {},
    cell("Time", when(message.at)), cell("Verdict", [make("span", { class: message.verdict }, message.verdict), message.quota ? make("div", { class: "more" }, message.quota) : ""]),
    cell("Subject", subject_cell(message)), cell("From", message.from),
    cell("Recipients", [count(message.recipients), make("div", { class: "more" }, message.first_recipients.join(", "))]),
    cell("Client", message.client || "local"), cell("Queue id", [message.queue_id || "", make("div", { class: "more" }, message.host)], "mono")));
  fill_list("messages", rows);
  at("messages-count").textContent = count(messages.length);
}

function show_history(history) {
  draw(at("bars"), history.last_hours);
  fill_list("networks", history.networks.map((one) => make("tr", {}, cell("Network", one.network), cell("Messages", count(one.messages)), cell("Last", when(one.last)))));
  fill_list("scripts", history.scripts.map((one) => make("li", {}, one)));
}

async function look_at_sender(is_current, id) {
  const sender = await look(of_sender(id));
  if (!is_current()) return;
  at("sender-title").textContent = plain(sender.identity);
  document.title = sender.identity + " – sendquota";
  show_state(sender);
  show_limits(sender.limits);
  await look_at_mail(is_current, id, sender);
  if (!is_current() || !sender.history) return;
  show_history(sender.history);
  const newest = JSON.stringify(sender.history.messages[0] || null);
  if (kept.id !== id || kept.newest !== newest) {
    const whole = await look(of_sender(id, "/history"));
    kept = { id, newest, messages: whole.messages };
  }
  if (is_current()) show_messages(kept.messages);
}

// ── Orders ──

const reason = { name: "reason", label: "Reason, for the log" };

function order_block(id) {
  confirm_order({ title: "Block " + id + "?", what: "Every message of this sender is refused.", is_danger: true, yes: "Block",
                  fields: [{ name: "for", label: "For how long (empty: until released)", example: "1h, 2d" }, { ...reason, label: "Reason, for the log; the sender reads it if it begins with public:" }],
                  order: async () => {
                    const done = await ask("look", "POST", of_sender(id, "/block"), given({ for: typed("for"), reason: typed("reason") }));
                    return done.identity + " is blocked, " + (done.until ? time_left(done.until) + " left." : "until released.");
                  } });
}

function order_limit(id) {
  const quotas = [...new Set([...document.querySelectorAll("#limits strong")].map((one) => one.textContent))];
  if (caller.role === "admin") quotas.push("*");
  const is_endless = caller.role === "admin";
  confirm_order({ title: "Another limit for " + id, what: "It takes the place of the quota's limits of the same unit.", yes: "Set",
                  fields: [{ name: "quota", label: "Quota", options: quotas.map((one) => ({ value: one, label: one === "*" ? "* (all)" : one })) },
                           { name: "limit", label: "Limit", example: "5000 messages / 1d", required: true },
                           { name: "for", label: is_endless ? "For how long (empty: until it is changed)" : "For how long, at most 31d", value: "1d", required: !is_endless }],
                  order: async () => {
                    const done = await ask("look", "PUT", of_sender(id, "/limits/" + encodeURIComponent(typed("quota"))), given({ limit: typed("limit"), for: typed("for") }));
                    return done.identity + ": " + done.limit + " (quota " + done.quota + ")" + (done.until ? " until " + when(done.until) : "");
                  } });
}

async function carry_out(event) {
  event.preventDefault();
  at("dialog-yes").disabled = true;
  at("dialog-error").textContent = "";
  try {
    tell(await act());
    at("dialog").close();
    refresh();
  } catch (error) {
    at("dialog-error").textContent = error instanceof Refusal ? error.message : "There was no answer. Look what became of it, and order it again.";
  } finally {
    at("dialog-yes").disabled = false;
  }
}

let told_until = null;
function tell(text) {
  at("told").textContent = plain(text);
  at("told").hidden = false;
  clearTimeout(told_until);
  told_until = setTimeout(() => { at("told").hidden = true; }, 8000);
}

// ── Where we are ──

let place = { name: "", id: "" };
let turn = 0;     // of looks: an answer to an earlier one is not shown
let next_look = null;

async function refresh() {
  clearTimeout(next_look);
  const mine = ++turn;
  const is_current = () => mine === turn;
  try {
    if (place.name && !document.hidden) await (place.name === "sender" ? look_at_sender(is_current, place.id) : look_at_overview(is_current));
    if (is_current()) for (const what of ["view", "look"]) trouble(what, null);
  } catch (error) {
    if (is_current() && error instanceof Refusal && error.status !== 503 && error.status !== 401) trouble("view", error.message);
  }
  if (is_current()) next_look = setTimeout(refresh, every_ms);
}

function route() {
  if (!caller) return;
  const [, id] = location.hash.match(/^#\/sender\/(.+)$/) || [];
  let wanted = "";
  try {
    wanted = decodeURIComponent(id || "");
  } catch {
    location.hash = "#/";
    return;
  }
  const is_new = place.id !== wanted || !place.name;
  place = { name: wanted ? "sender" : "overview", id: wanted };
  show_view(place.name);
  document.title = wanted ? wanted + " – sendquota" : "sendquota";
  if (wanted && is_new) at("sender-title").textContent = wanted;
  if (is_new) {
    trouble("view", null);
    for (const part of ["sender-state", "limits", "bars", "shelves", "mail-orders", "held-facts"]) at(part).replaceChildren();
    at("held-part").hidden = true;
    if (wanted) { show_messages([]); fill_list("networks", []); fill_list("scripts", []); }
    at(wanted ? "sender-title" : "overview-title").focus();
    scrollTo(0, 0);
  }
  refresh();
}

// ── Hands ──

function open_found(event) {
  event.preventDefault();
  const words = at("search").value.trim();
  const only = at("senders").tBodies[0].querySelectorAll("a");
  if (/^[a-z_]+:.+$|^[^@\s]+@[^@\s]+$/.test(words)) location.hash = "#/sender/" + encodeURIComponent(words);
  else if (words && only.length === 1) location.hash = only[0].hash;
  else refresh();
}

function restart(part) {
  first_row[part] = 0;
  clearTimeout(next_look);
  turn++;
  next_look = setTimeout(refresh, 200);
}

function listen() {
  at("find").addEventListener("submit", open_found);
  for (const id of ["search", "per", "since"]) at(id).addEventListener("input", () => restart("senders"));
  at("blocked-search").addEventListener("input", () => restart("blocked"));
  at("senders").tHead.addEventListener("click", (event) => {
    if (!event.target.dataset.by) return;
    sorted.by = event.target.dataset.by;
    restart("senders");
    show_heads();
  });
  for (const part of ["senders", "blocked"])
    at(part + "-pages").addEventListener("click", (event) => {
      if (event.target.dataset.row === undefined) return;
      first_row[part] = Number(event.target.dataset.row);
      refresh();
    });
  at("blocked").addEventListener("click", (event) => event.target.dataset.release && order_release(event.target.dataset.release, true));
  at("do-release").addEventListener("click", () => order_release(place.id, at("do-release").textContent === "Release…"));
  at("do-block").addEventListener("click", () => order_block(place.id));
  at("do-limit").addEventListener("click", () => order_limit(place.id));
  at("dialog-form").addEventListener("submit", carry_out);
  at("dialog-no").addEventListener("click", () => at("dialog").close());
  at("leave").addEventListener("click", () => lock(""));
  at("gate-form").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(token_key, at("token").value.trim());
    at("token").value = "";
    ask("daemon", "GET", "/v1/status").then((status) => { show_status(status); place = { name: "", id: "" }; route(); }, (error) => { at("gate-error").textContent = error.message; });
  });
  addEventListener("hashchange", route);
  document.addEventListener("visibilitychange", refresh);
}

listen();
listen_for_mail();
show_view("");
watch();
