// What the page is made of: elements, words for numbers and times, charts, the dialog. Asks nobody.
// Every text is put in as text, never as HTML: senders typed some of it.
"use strict";

const at = (id) => document.getElementById(id);

// ── Elements ──

/** What is not seen itself and changes how other text is seen, such as the direction of writing, as \u{202E}: senders type that too. */
const plain = (text) => String(text).replace(/[\u00AD\u061C\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}]/gu,
                                            (unseen) => "\\u{" + unseen.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "}");

/** An element with attributes and children; a child that is no node becomes text. A child that is null is left out. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "click") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : plain(child))));
  return made;
}

/** Puts new children in, if anything about them is new, and leaves the focus where it was: on the element with the same data-key. */
function fill(parent, ...children) {
  const fresh = make(parent.tagName, {}, ...children);
  if (fresh.innerHTML === parent.innerHTML) return;
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...fresh.childNodes);
  if (key) [...parent.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus();
}

const cell = (label, content, kind = null) => make("td", { "data-label": label, class: kind }, make("div", {}, ...[content].flat()));

/** A part that says so when it is empty. */
function fill_list(id, rows) {
  const list = at(id);
  list.parentElement.classList.toggle("is-empty", rows.length === 0);
  fill(list.tBodies ? list.tBodies[0] : list, ...rows);
}

// ── Words ──

const count = (number) => Number(number).toLocaleString("en-US");
const local = (moment) => new Date(moment).toLocaleString("sv-SE");  // 2026-11-23 15:06:31 in the reader's own time, wherever he is
const when = (moment) => (moment ? local(moment) : "");
const clock = (moment) => local(moment).slice(11, 16);
const link_to = (id) => make("a", { href: "#/sender/" + encodeURIComponent(id), "data-key": "to " + id }, id);

function time_left(until) {
  if (!until) return "until released";
  const seconds = Math.max(0, Math.round((new Date(until) - Date.now()) / 1000));
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " days";
}

// ── Charts ──

const fates = ["sent", "held", "refused"];
const sum_of = (tallies, fate) => tallies.reduce((sum, one) => sum + one[fate], 0);

function drawn(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Stacked bars; `tallies` are evenly apart. */
function draw(parent, tallies) {
  const highest = Math.max(1, ...tallies.map((one) => one.sent + one.held + one.refused));
  const bars = tallies.map((one, place) => {
    let top = 100;
    const parts = fates.filter((fate) => one[fate] > 0).map((fate) => {
      const height = Math.max(0.8, (one[fate] / highest) * 100);
      top -= height;
      return drawn("rect", { class: fate, x: place + 0.1, y: Math.max(0, top), width: 0.8, height });
    });
    const words = clock(one.at) + ": " + fates.map((fate) => count(one[fate]) + " " + fate).join(", ");
    return drawn("g", {}, drawn("title", {}, words), drawn("rect", { x: place, y: 0, width: 1, height: 100, fill: "transparent" }), ...parts);
  });
  const label = "Messages by time: " + fates.map((fate) => count(sum_of(tallies, fate)) + " " + fate).join(", ") + "; at most " + count(highest) + " at once";
  const picture = drawn("svg", { viewBox: "0 0 " + tallies.length + " 100", preserveAspectRatio: "none", role: "img", "aria-label": label },
                        drawn("line", { x1: 0, x2: tallies.length, y1: 100, y2: 100 }), ...bars);
  const marks = [0, 0.25, 0.5, 0.75].map((part) => clock(tallies[Math.floor(part * tallies.length)].at));
  fill(parent, make("div", { class: "top" }, count(highest)), picture, make("div", { class: "axis", "aria-hidden": "true" }, ...[...marks, "now"].map((mark) => make("span", {}, mark))));
}

// ── Refusals ──

class Refusal extends Error {
  constructor(status, answer) {
    super([answer.error, answer.hint, ...(answer.problems || [])].filter(Boolean).join("; ") || "refused (" + status + ")");
    this.status = status;
  }
}

// ── The dialog ──

/** What is done when it is confirmed; gives the sentence that is told then. */
let act = null;

function confirm_order({ title, what, fields, yes, is_danger, order }) {
  at("dialog-title").textContent = plain(title);
  at("dialog-what").textContent = plain(what);
  at("dialog-error").textContent = "";
  at("dialog-yes").textContent = yes;
  at("dialog-yes").className = is_danger ? "danger" : "";
  const inputs = fields.map((field) => {
    const attributes = { id: "field-" + field.name, name: field.name, autocomplete: "off", required: field.required === true, maxlength: field.options ? null : 500 };
    const input = field.options ? make("select", attributes, ...field.options.map((one) => make("option", { value: one.value }, one.label))) : make("input", { ...attributes, value: field.value || "", placeholder: field.example || null });
    if (field.changed) input.addEventListener("input", () => field.changed(input.value));
    return make("div", {}, make("label", { for: attributes.id }, field.label), input);
  });
  at("dialog-fields").replaceChildren(...inputs);
  act = order;
  at("dialog").showModal();
}

const typed = (name) => at("field-" + name).value.trim();
const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
