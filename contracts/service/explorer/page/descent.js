// Draws a dispute's walk as its descent from a trace to one number, for explorer.js.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// In pixels: a line of text, a letter of it at most on average, a strip, and what opens out below it.
const [LINE, LETTER, BAR, FUNNEL] = [16, 7.4, 16, 20];
const LEVELS = { trace: "layers", layer: "operators", tensor: "chunks", chunk: "elements", terms: "terms" };
const NEXT = {
  "trace open": "executor opens nodes of the trace", "trace pick": "challenger picks a layer",
  "layer open": "executor opens the layer's operators", "operator pick": "challenger picks an operator",
  "tensor open": "executor opens nodes of the tensor", "tensor pick": "challenger picks a chunk",
  "chunk open": "executor opens the chunk", "element pick": "challenger picks an element",
  "terms open": "executor opens partial values", "terms pick": "challenger picks some of the terms",
  step: "challenger has the contract compute the number",
};

function shape(name, attributes, content = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = content;
  return made;
}

// The descent: one strip for each pick, as wide as what there was to pick from; the picked part is the next strip.
function drawDescent(stages, latest) {
  const picks = stages.filter((stage) => stage.side === "challenger" && stage.level !== "step");
  const found = picks.some((stage) => stage.level === "chunk");
  const end = latest ? stages.find((stage) => stage.level === "end") ?? stages.at(-1) : stages.at(-1);
  const drawing = { width: Math.max(300, $("descent").clientWidth || 600), y: 0, parts: [], words: [] };
  // The last pick of all is one number: its funnel closes where the number stands.
  picks.forEach((stage, index) => drawPick(drawing, stage, found && index === picks.length - 1));
  if (found) drawNumber(drawing, end.after?.value);
  drawNext(drawing, end?.level === "end" ? undefined : NEXT[end?.after?.phase], found);
  if (end && end.side !== "challenger" && end.level !== "claim") drawTold(drawing, `${who(end)} ${end.text}`);
  $("descent").setAttribute("viewBox", `0 0 ${drawing.width} ${drawing.y + 4}`);
  $("descent").setAttribute("height", drawing.y + 4);
  $("descent").replaceChildren(...drawing.parts);
  $("descent-text").textContent = drawing.words.join("; ");
}

function drawPick(drawing, stage, last) {
  const whole = stage.cut ?? { total: 1, start: 0, count: 1 };
  write(drawing, label(stage, whole), { x: 0, class: "label" });
  const { width, y, parts } = drawing, below = y + BAR + FUNNEL;
  const size = Math.max(3, width * whole.count / whole.total);
  const from = Math.min(width * whole.start / whole.total, width - size), to = from + size;
  const [left, right] = last ? [width / 2 - 30, width / 2 + 30] : [0, width];
  parts.push(shape("polygon", { points: `${from},${y + BAR} ${to},${y + BAR} ${right},${below} ${left},${below}`, class: "funnel" }));
  parts.push(...cells(whole.total, width, y, BAR));
  parts.push(shape("rect", { x: from, y, width: size, height: BAR, rx: 2, class: "chosen" }));
  drawing.words.push(`${stage.level}: ${stage.text}`);
  drawing.y = below + 2;
}

function drawNumber(drawing, value) {
  drawing.parts.push(shape("text", { ...middle(drawing), y: drawing.y + 20, class: "number" }, grouped(value)));
  drawing.y += 32;
}

// What the walk waits for; before there is a number, beside the strip that will be drawn then.
function drawNext(drawing, move, found) {
  if (move) {
    write(drawing, `next: ${move}`, { ...(found ? middle(drawing) : { x: 0 }), class: "label" });
    drawing.words.push(`next: ${move}`);
  }
  if (found) return;
  drawing.parts.push(shape("rect", { x: .5, y: drawing.y + .5, width: drawing.width - 1, height: BAR, rx: 2, class: "now" }));
  drawing.y += BAR + 6;
}

function drawTold(drawing, told) {
  drawing.y += 4;
  write(drawing, told, middle(drawing));
  drawing.words.push(told);
}

function write(drawing, text, attributes) {
  for (const line of wrapped(text, Math.floor(drawing.width / LETTER))) {
    drawing.parts.push(shape("text", { y: drawing.y + LINE - 4, ...attributes }, line));
    drawing.y += LINE;
  }
  drawing.y += 2;
}

const middle = (drawing) => ({ x: drawing.width / 2, "text-anchor": "middle" });

// Lines of at most `most` characters, three at most; a word that is longer is cut.
function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const cut = word.length > most ? `${word.slice(0, most - 1)}…` : word;
    if (lines.at(-1) && lines.at(-1).length + 1 + cut.length > most) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + cut;
  }
  return lines.length > 3 ? [...lines.slice(0, 2), `${lines[2].slice(0, most - 1)}…`] : lines;
}

function label(stage, whole) {
  if (!stage.cut) return `${stage.level}: ${stage.text}`;
  const what = LEVELS[stage.level] ?? "";
  return `${stage.level}: ${stage.text}, of ${grouped(whole.total)} ${whole.total === 1 ? what.slice(0, -1) : what}`;
}

function cells(total, width, y, height) {
  const count = Math.min(total, Math.max(1, Math.floor(width / 5))), each = width / count;
  return Array.from({ length: count }, (_, i) =>
    shape("rect", { x: i * each, y, width: Math.max(1, each - (count > 1 ? 1 : 0)), height, rx: 2, class: "cell" }));
}
