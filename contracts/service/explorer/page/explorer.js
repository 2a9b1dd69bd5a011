// Reads the agent's JSON once a second and draws it. No library, no request to anybody else.
"use strict";

const $ = (id) => document.getElementById(id);
const RESULTS = { won: "challenger won", lost: "executor won" };
const EVERY = 1000;

let state = null, dispute = null, asked = "", reading = false, fetched = 0, shown = null, following = true, drawn = "";

function element(name, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const part of [content].flat()) if (part !== null && part !== undefined) made.append(part);
  return made;
}

const short = (hash) => `${hash.slice(0, 8)}…${hash.slice(-4)}`;
const grouped = (number) => BigInt(number).toLocaleString("en");

function duration(seconds) {
  if (seconds <= 0) return "no time";
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

// Chain time goes on between two blocks as the wall clock does.
const now = () => (state ? state.time + (Date.now() - fetched) / 1000 : 0);

async function load(path) {
  const answer = await fetch(path);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

async function refresh() {
  try {
    const next = await load("/api/state");
    if (!state || next.time !== state.time) fetched = Date.now();
    state = next;
    const id = location.hash.slice(1);
    if (asked !== id) {
      // To read a dispute from the chain may take seconds: the claims do not wait for it.
      [dispute, asked, reading] = [null, id, id !== ""];
      draw();
    }
    dispute = id ? await load(`/api/dispute/${id}`) : null;
    trouble(state.doubt ? `The nodes disagree: ${state.doubt}` : null);
  } catch (error) {
    trouble(state ? `Not up to date: ${error.message}` : error.message);
  }
  reading = false;
  if (state) draw();
}

function trouble(text) {
  $("trouble").hidden = text === null;
  $("trouble").textContent = text ?? "";
}

function draw() {
  $("head").textContent = `block ${grouped(state.block)} · ${state.total} claim${state.total === 1 ? "" : "s"}`
    + (state.computing ? ` · ${state.computing} being verified` : "");
  const { account } = state;
  const figures = account.address.startsWith("0x")
    ? { stake: `${account.free} free, ${account.locked} locked`, credits: account.credits, balance: account.balance } : {};
  $("account").replaceChildren(...Object.entries(figures).map(([name, value]) =>
    element("div", [element("dt", name), element("dd", `${value} eth`)])));
  drawClaims();
  drawDispute();
}

function drawClaims() {
  const signature = JSON.stringify([state.claims, location.hash]);
  $("no-claims").hidden = state.claims.length > 0;
  if (signature !== drawn) {
    drawn = signature;
    const focused = document.activeElement?.dataset?.dispute;
    $("claims").replaceChildren(...state.claims.map(claimItem));
    if (focused) document.querySelector(`[data-dispute="${focused}"]`)?.focus();
  }
  drawClocks();
}

// What time alone changes in the list: it is not built again for it.
function drawClocks() {
  for (const bar of document.querySelectorAll("[data-end]")) bar.style.width = `${windowGone(Number(bar.dataset.end))}%`;
  for (const text of document.querySelectorAll("[data-open]")) {
    const left = Number(text.dataset.open) - now();
    text.textContent = left > 0 ? `may be disputed for ${duration(left)}` : "can no longer be disputed";
  }
  for (const text of document.querySelectorAll("[data-deadline]")) {
    const left = Number(text.dataset.deadline) - now();
    text.textContent = left > 0 ? ` to move, ${duration(left)} left` : " is out of time";
  }
}

const windowGone = (end) => Math.max(0, Math.min(100, 100 * (1 - (end - now()) / state.window)));

function claimItem(claim) {
  const pills = [element("span", claim.status, { class: `pill ${claim.status}` })];
  if (claim.verdict && claim.status === "pending") pills.push(element("span", claim.verdict, { class: `pill ${claim.verdict}` }));
  const parts = [
    element("div", [element("span", short(claim.id), { class: "hash", title: claim.id }), element("span", pills, { class: "pills" })], { class: "top" }),
    element("p", `by ${short(claim.executor)} for ${claim.fee} eth`, { class: "quiet" }),
    element("p", ["model ", element("span", short(claim.model), { class: "hash", title: claim.model })], { class: "quiet" }),
  ];
  if (claim.status === "pending") {
    parts.push(element("div", element("i", [], { "data-end": claim.windowEnd }), { class: "bar" }));
    parts.push(element("p", [], { class: "quiet small", "data-open": claim.windowEnd }));
  }
  for (const one of claim.disputes) {
    const button = element("button", [
      element("span", `dispute ${short(one.id)}`),
      element("span", one.status === "active" ? `at ${one.level}` : RESULTS[one.status] ?? one.status),
      one.toMove ? element("span", [element("span", one.toMove, { class: one.toMove }),
        element("span", [], { "data-deadline": one.deadline })], { class: "whole" }) : null,
    ], { type: "button", "data-dispute": one.id, "aria-current": String(location.hash.slice(1) === one.id) });
    button.addEventListener("click", () => choose(one.id));
    parts.push(button);
  }
  return element("li", parts, { class: "claim" });
}

function choose(id) {
  following = true;
  shown = null;
  location.hash = id;
  showDispute();
}

// On a phone the dispute lies below the list.
function showDispute() {
  if (matchMedia("(max-width: 52rem)").matches) $("main").scrollIntoView();
}

function drawDispute() {
  $("welcome").hidden = dispute !== null || reading;
  $("reading").hidden = !reading;
  $("dispute").hidden = dispute === null;
  if (!dispute) return;
  const last = dispute.stages.length - 1;
  if (following || shown === null || shown > last) shown = last;
  $("title").textContent = `Dispute ${short(dispute.id)}`;
  $("parties").replaceChildren(
    element("span", "executor", { class: "executor" }), ` ${short(dispute.executor)} against `,
    element("span", "challenger", { class: "challenger" }),
    ` ${short(dispute.challenger)} · stake ${dispute.stake} eth, bond ${dispute.bond} eth · ${grouped(dispute.gas)} gas, ${grouped(dispute.size)} bytes${dispute.toMove ? " so far" : ""}`);
  drawTurn();
  drawDescent(dispute.stages.slice(0, shown + 1), shown === last);
  drawNumbers(shown === last);
  drawReplay(last);
}

function drawTurn() {
  const turn = $("turn");
  if (!dispute.toMove) {
    turn.textContent = dispute.ending ? `Over: ${dispute.ending}` : `Over: the claim is ${dispute.claimStatus}`;
    return;
  }
  const left = dispute.deadline - now();
  turn.replaceChildren("The ", element("span", dispute.toMove, { class: dispute.toMove }),
    left > 0 ? ` is to move and has ${duration(left)} left` : " ran out of time");
}

function drawNumbers(latest) {
  const { numbers } = dispute;
  $("numbers").hidden = !numbers || !latest;
  if (!numbers) return;
  $("numbers").replaceChildren(
    element("p", numbers.where),
    element("div", [element("span", "executor says", { class: "executor" }), element("strong", grouped(numbers.executor))]),
    element("div", [element("span", "this agent computes", { class: "challenger" }),
      numbers.own === null ? element("span", "not known to this agent", { class: "quiet" }) : element("strong", grouped(numbers.own))]));
}

function drawReplay(last) {
  const stage = dispute.stages[shown];
  $("slider").max = Math.max(last, 0);
  $("slider").value = shown;
  $("previous").disabled = shown <= 0;
  $("next").disabled = shown >= last;
  $("step").textContent = `${shown + 1} of ${last + 1}`;
  $("slider").setAttribute("aria-valuetext", stage ? `${who(stage)} ${stage.text}` : "");
  if (!stage) return;
  const rows = { block: grouped(stage.block), transaction: stage.transaction, gas: grouped(stage.gas), calldata: `${grouped(stage.size)} bytes` };
  if (!stage.gas) rows.gas = rows.calldata = "counted before: it is the same transaction";
  if (stage.before) rows.before = described(stage.before);
  if (stage.after) rows.after = described(stage.after);
  $("detail").replaceChildren(
    element("p", [element("strong", `${stage.level} `), `${who(stage)} ${stage.text}`]),
    element("dl", Object.entries(rows).flatMap(([name, value]) => [element("dt", name), element("dd", value)])));
  $("moves").tBodies[0].replaceChildren(...dispute.stages.map((one, index) => element("tr", [
    element("td", String(index + 1)), element("td", one.level), element("td", who(one)), element("td", one.text),
    element("td", one.gas ? grouped(one.gas) : ""), element("td", one.size ? grouped(one.size) : ""),
  ], { "aria-current": String(index === shown) })));
}

function who(stage) {
  if (stage.event === "Resolved") return "result:";
  if (!stage.mover) return "contract";
  return stage.mover === dispute.challenger ? "challenger" : stage.mover === dispute.executor ? "executor" : short(stage.mover);
}

const described = (p) =>
  `${p.phase}: layer ${p.layer}, operator ${p.operator}, element ${p.element}, range ${p.start}+${p.count}, value ${p.value}`;

function go(to) {
  if (!dispute) return;
  const last = dispute.stages.length - 1;
  shown = Math.max(0, Math.min(last, to));
  following = shown === last;
  drawDispute();
}

$("slider").addEventListener("input", (event) => go(Number(event.target.value)));
$("previous").addEventListener("click", () => go(shown - 1));
$("next").addEventListener("click", () => go(shown + 1));
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") go(shown - 1);
  if (event.key === "ArrowRight") go(shown + 1);
});
window.addEventListener("hashchange", () => { shown = null; following = true; refresh(); });
window.addEventListener("resize", () => state && draw());
setInterval(() => { if (state) drawClocks(); if (dispute) drawTurn(); }, 1000);
(async function loop() {
  const first = state === null;
  await refresh();
  if (first && dispute) showDispute();
  setTimeout(loop, EVERY);
})();
