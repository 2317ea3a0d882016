// Held mail: whose is held where, the first messages of each host, orders about it and how far each host has come with them.
"use strict";

const first_of_shelf = 20;
const skips_shown = 10;

/** What of the sender that is shown is known: which hosts' messages are looked at, and those as of the last answer. */
let shelf_of = { id: "", open: new Set(), pages: new Map() };

const of_mail = (fate) => (fate === "held" ? "held mail" : "mail in the queue");
const words_of_act = { send: "Send", delete: "Delete", hold: "Hold" };
const total_of = (shelves) => shelves.reduce((sum, one) => sum + one.count, 0);

// ── Overview ──

let held_by_all = [];

function show_mail_page() {
  const first = first_row.mail;
  const rows = held_by_all.slice(first, first + rows_of_page).map((one) => make("tr", {},
    cell("Sender", link_to(one.identity)), cell("Host", one.host), cell("Messages", count(one.count)), cell("Oldest", when(one.oldest))));
  fill(at("mail").tBodies[0], ...rows);
  at("mail").hidden = rows.length === 0;
  at("mail-none").hidden = rows.length > 0;
  show_pages("mail", held_by_all.length);
}

/** Of the whole cluster, so not for a token of an account. */
async function look_at_held(is_current) {
  const is_shown = !caller.account;
  at("mail-part").hidden = !is_shown;
  if (!is_shown) return;
  try {
    const answer = await look("/v1/held");
    if (!is_current()) return;
    held_by_all = answer.held;
    first_row.mail = Math.min(first_row.mail, Math.floor(Math.max(0, held_by_all.length - 1) / rows_of_page) * rows_of_page);
    show_mail_page();
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 409) throw error;
    at("mail-part").hidden = true;  // nothing is recorded
  }
}

// ── One sender ──

function show_shelves(shelves) {
  fill_list("held", shelves.map((one) => make("tr", {},
    cell("Host", one.host), cell("Messages", count(one.count)), cell("Oldest", when(one.oldest)),
    cell("", caller.account ? "" : make("button", { type: "button", "data-key": "shelf " + one.host, "data-host": one.host, "aria-expanded": String(shelf_of.open.has(one.host)),
                                                    "aria-label": "First messages on " + one.host }, shelf_of.open.has(one.host) ? "Hide" : "First messages")))));
  at("held-count").textContent = count(total_of(shelves));
  at("do-send").hidden = !may_order() || shelves.length === 0;
  at("do-delete").hidden = !caller || caller.role !== "admin" || shelves.length === 0;
}

function table_of_shelf(id, shelf, page) {
  const rows = page.mail.map((one) => make("tr", {},
    cell("Time", when(one.at)), cell("Queue id", one.queue_id, "mono"), cell("From", one.from || "<>"), cell("Login", one.login === null ? "not known" : one.login),
    cell("Recipients", count(one.recipients)), cell("Held for", [one.held_for, one.listed].filter((name) => name && name !== id).join(", "))));
  const heads = ["Time", "Queue id", "From", "Login", "Recipients", "Held for"].map((head) => make("th", { scope: "col" }, head));
  const words = shelf.count > page.mail.length ? "The first " + count(page.mail.length) + " of " + count(shelf.count) + " on " + shelf.host : "All on " + shelf.host;
  return make("table", { class: "shelf" }, make("caption", {}, words), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
}

/** Asks only for what has changed. */
async function show_open_shelves(is_current, id, shelves) {
  const tables = [];
  for (const shelf of shelves.filter((one) => shelf_of.open.has(one.host))) {
    const as_of = JSON.stringify(shelf);
    const known = shelf_of.pages.get(shelf.host);
    const page = known && known.as_of === as_of ? known.page
      : await look("/v1/shelf" + query({ identity: id, fate: "held", host: shelf.host, count: first_of_shelf }));
    if (!is_current()) return;
    shelf_of.pages.set(shelf.host, { as_of, page });
    tables.push(table_of_shelf(id, shelf, page));
  }
  fill(at("shelves"), ...tables);
}

function row_of_host(host) {
  const counts = host.counts;
  const over = counts.done + counts.gone + counts.skipped;
  const bar = host.state === "waiting" ? "" : make("progress", { max: Math.max(1, counts.total), value: host.state === "done" ? Math.max(1, counts.total) : over, "aria-label": "of " + host.host });
  const notes = [counts.gone ? count(counts.gone) + " gone already" : "", counts.skipped ? count(counts.skipped) + " skipped" : "",
                 counts.bounces ? count(counts.bounces) + " notices" : "", host.error || ""].filter(Boolean).join("; ");
  const skips = host.skips.slice(0, skips_shown).map((skip) => make("div", { class: "more" }, "skipped " + skip));
  if (host.skips.length > skips_shown) skips.push(make("div", { class: "more" }, "and others; sendquota held ID lists them"));
  return make("tr", {}, cell("Host", host.host), cell("State", make("span", { class: "state-" + host.state }, host.state)),
              cell("Done", [bar, " ", host.state === "waiting" ? "" : count(counts.done) + " of " + count(counts.total)]), cell("Notes", [notes, ...skips]));
}

function part_of_order(order) {
  const words = [when(order.at), "by " + order.by, order.at_once ? "at once" : "", order.with_bounces ? "with notices of non-delivery" : "", order.reason].filter(Boolean).join(" · ");
  return make("div", { class: "order" },
    make("div", {}, make("strong", {}, words_of_act[order.act] + " " + of_mail(order.fate)), " ", make("span", { class: order.over ? "badge" : "badge warn" }, order.over ? "over" : "under way"), " ", make("span", { class: "quiet" }, words)),
    make("table", {}, make("thead", {}, make("tr", {}, ...["Host", "State", "Done", "Notes"].map((head) => make("th", { scope: "col" }, head)))),
         make("tbody", {}, ...order.hosts.map(row_of_host))));
}

function show_held_facts(sender) {
  fill(at("held-facts"), ...sender.held.map((one) => make("div", {}, count(one.count) + " messages held on " + one.host + ", of at most " + count(one.max))));
}

function show_mail(sender, mail) {
  const orders = [...mail.orders].sort((one, other) => (one.at < other.at ? 1 : -1));
  show_shelves(mail.held);
  show_held_facts(sender);
  fill(at("mail-orders"), ...orders.map(part_of_order));
  at("held-part").hidden = mail.held.length + orders.length + sender.held.length === 0;
}

const nothing_kept = { held: [], sent: [], orders: [] };

async function look_at_mail(is_current, id, sender) {
  if (shelf_of.id !== id) shelf_of = { id, open: new Set(), pages: new Map() };
  let mail = nothing_kept;
  try {
    mail = await look(of_sender(id, "/mail"));
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 409) throw error;  // 409: nothing is recorded
  }
  if (!is_current()) return;
  show_mail(sender, mail);
  await show_open_shelves(is_current, sender.identity, mail.held);
}

function toggle_shelf(host) {
  if (!shelf_of.open.delete(host)) shelf_of.open.add(host);
  refresh();
}

// ── Orders ──

const hosts_of = (order) => (order.hosts.length === 1 ? order.hosts[0].host : count(order.hosts.length) + " hosts");
const told_of = (order) => "Its " + of_mail(order.fate) + " is to be " + (order.act === "send" ? "sent" : "deleted") + " on " + hosts_of(order) + ".";

/** What becomes of held mail, as a field of the dialog; whoever may not delete is not offered it. */
function field_of_held(yes) {
  const options = [{ value: "keep", label: "stays held" }, { value: "send", label: "is sent, at the sender's own rate" }];
  if (caller.role === "admin") options.push({ value: "delete", label: "is deleted, on all hosts, for ever" });
  return { name: "held", label: "Its held mail", options, changed: (value) => {
    at("dialog-yes").textContent = yes + (value === "keep" ? "" : value === "send" ? " and send" : " and delete");
    at("dialog-yes").className = value === "delete" ? "danger" : "";
  } };
}

async function order_mail(id, body) {
  const order = await ask("look", "POST", of_sender(id, "/orders"), { fate: "held", ...body });
  return order.identity + ": " + told_of(order);
}

function order_release(id, is_blocked) {
  const yes = is_blocked ? "Release" : "Refill";
  confirm_order({ title: yes + " " + id + "?", what: (is_blocked ? "Lifts the block, forgets" : "Forgets") + " the refusals, and fills every limit up again.", fields: [reason, field_of_held(yes)], yes,
                  order: async () => {
                    const held = typed("held");
                    const done = await ask("look", "POST", of_sender(id, "/release"), given({ reason: typed("reason"), held }));
                    if (done.order) location.hash = "#/sender/" + encodeURIComponent(done.identity);  // where it is seen how far that is
                    return done.identity + (done.released ? " is released." : " has its limits refilled.") + (done.order ? " " + told_of(done.order) : held === "keep" ? "" : " No mail of it is held.");
                  } });
}

function order_send(id) {
  confirm_order({ title: "Send the held mail of " + id + "?", what: at("held-count").textContent + " messages, on every host that holds any.", yes: "Send",
                  fields: [reason, { name: "pace", label: "When", options: [{ value: "", label: "as its quotas allow" }, { value: "now", label: "at once" }] }],
                  order: () => order_mail(id, { act: "send", at_once: typed("pace") === "now", reason: typed("reason") }) });
}

function order_delete(id) {
  confirm_order({ title: "Delete the held mail of " + id + "?", what: at("held-count").textContent + " messages, on every host that holds any. Nobody can bring them back.", is_danger: true, yes: "Delete",
                  fields: [reason, { name: "bounces", label: "Notices of non-delivery that went to it", options: [{ value: "", label: "stay" }, { value: "too", label: "are deleted too" }] }],
                  order: () => order_mail(id, { act: "delete", with_bounces: typed("bounces") === "too", reason: typed("reason") }) });
}

function listen_for_mail() {
  at("held").addEventListener("click", (event) => event.target.dataset.host !== undefined && toggle_shelf(event.target.dataset.host));
  at("do-send").addEventListener("click", () => order_send(place.id));
  at("do-delete").addEventListener("click", () => order_delete(place.id));
  at("mail-pages").addEventListener("click", (event) => {
    if (event.target.dataset.row === undefined) return;
    first_row.mail = Number(event.target.dataset.row);
    show_mail_page();
  });
}
