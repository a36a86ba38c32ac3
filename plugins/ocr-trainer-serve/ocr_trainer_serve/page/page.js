"use strict";

const $ = (id) => document.getElementById(id);
const MAX_BYTES = Number(document.body.dataset.maxBytes);
const SHOWN = ["image/png", "image/jpeg", "image/webp", "image/bmp", "image/avif"]; // by every browser
const ruler = document.createElement("canvas").getContext("2d");

let file = null; // the file that is shown
let pages = [];
let number = 0; // of the page that is shown, from 0
let request = null; // aborts the request under way
let picture = ""; // the URL of the file, where the browser can show it

async function post(query, signal) {
  let response;
  try {
    response = await fetch(`v1/read?${query}`, { method: "POST", body: file, signal });
  } catch (error) {
    throw signal?.aborted ? error : new Error("the service does not answer");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw new Error(told.detail || `the service answered with status ${response.status}`);
  }
  return response;
}

async function open(chosen) {
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  file = chosen;
  show("result", false);
  complain("");
  if (file.size > MAX_BYTES) {
    return complain(`the file has ${file.size.toLocaleString()} bytes, more than ${MAX_BYTES.toLocaleString()}`);
  }
  busy(`Reading ${file.name || "the image"} …`);
  const begin = performance.now();
  const here = SHOWN.includes(file.type);
  try {
    ({ pages } = await (await post(here ? "" : "preview=true", signal)).json());
  } catch (error) {
    if (!signal.aborted) complain(error.message);
    return;
  }
  if (signal.aborted) return;
  URL.revokeObjectURL(picture);
  picture = here ? URL.createObjectURL(file) : "";
  number = 0;
  const seconds = (performance.now() - begin) / 1000;
  finish(`${file.name || "The image"}: ${count(pages)}, read in ${seconds.toFixed(1)} s.`);
  render();
}

function count(shown) {
  const words = shown.reduce((sum, page) => sum + page.detections.length, 0);
  const texts = `${words} ${words === 1 ? "text" : "texts"}`;
  return shown.length === 1 ? texts : `${texts} on ${shown.length} pages`;
}

function render() {
  const page = pages[number];
  $("image").src = page.preview || picture;
  $("image").alt = `Page ${number + 1} of ${file.name || "the image"}`;
  $("image").style.aspectRatio = `${page.width} / ${page.height}`;
  $("outlines").setAttribute("viewBox", `0 0 ${page.width} ${page.height}`);
  $("outlines").replaceChildren(...page.detections.map(outline));
  $("words").replaceChildren(...page.detections.map((word, index) => placed(word, index, page)));
  $("text").replaceChildren(...blocks(page));
  $("page").textContent = `${number + 1} of ${pages.length}`;
  $("previous").disabled = number === 0;
  $("next").disabled = number === pages.length - 1;
  show("pages", pages.length > 1);
}

const confidence = (word) => word.text_score ?? word.score;
const doubt = (word) => (confidence(word) < 0.5 ? "doubtful" : confidence(word) < 0.8 ? "unsure" : "");

function dressed(node, word, index) {
  if (doubt(word)) node.classList.add(doubt(word));
  node.dataset.word = index;
  return node;
}

function outline(word, index) {
  const polygon = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  polygon.setAttribute("points", word.polygon.map((point) => point.join()).join(" "));
  return dressed(polygon, word, index);
}

function span(word) {
  const node = document.createElement("span");
  node.textContent = word.text ?? "";
  node.title = `${(100 * confidence(word)).toFixed(0)} % sure`;
  node.dir = "auto";
  return node;
}

/** A text at its place on the image: rotated, and stretched to the width of its outline. */
function placed(word, index, page) {
  const node = dressed(span(word), word, index);
  const { x, y, width, height, angle } = box(word.polygon);
  const size = 0.85 * height;
  ruler.font = "100px system-ui, sans-serif";
  const natural = (ruler.measureText(node.textContent).width * size) / 100 || 1;
  node.style.left = `${(100 * x) / page.width}%`;
  node.style.top = `${(100 * y) / page.height}%`;
  node.style.fontSize = `${(100 * size) / page.width}cqw`;
  node.style.lineHeight = `${height / size}`;
  node.style.transform = `rotate(${angle}rad) scaleX(${width / natural})`;
  return node;
}

/** The box of an outline: four corners from the top left on; of other outlines, the upright box around. */
function box(polygon) {
  const xs = polygon.map((point) => point[0]);
  const ys = polygon.map((point) => point[1]);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  if (polygon.length !== 4) {
    return { x: left, y: top, width: Math.max(...xs) - left, height: Math.max(...ys) - top, angle: 0 };
  }
  const [a, b, , d] = polygon;
  return {
    x: a[0], y: a[1], angle: Math.atan2(b[1] - a[1], b[0] - a[0]),
    width: Math.hypot(b[0] - a[0], b[1] - a[1]), height: Math.hypot(d[0] - a[0], d[1] - a[1]),
  };
}

function blocks(page) {
  const shown = [];
  let last = {};
  page.detections.forEach((word, index) => {
    if (word.block !== last.block) shown.push(document.createElement("p"));
    const block = shown.at(-1);
    if (block.childNodes.length) block.append(word.line === last.line ? " " : document.createElement("br"));
    block.append(dressed(span(word), word, index));
    last = word;
  });
  if (!shown.length) {
    shown.push(Object.assign(document.createElement("p"), { textContent: "No text was found.", className: "empty" }));
  }
  return shown;
}

function plain(page) {
  const rows = [];
  let last = {};
  for (const word of page.detections.filter((word) => word.text)) {
    if (last.block === word.block && last.line === word.line) rows.push(`${rows.pop()} ${word.text}`);
    else rows.push(...(rows.length && last.block !== word.block ? [""] : []), word.text);
    last = word;
  }
  return rows.join("\n");
}

function show(id, shown) {
  $(id).hidden = !shown;
}

function busy(message) {
  document.body.classList.add("busy");
  show("drop", false);
  show("choose", true);
  $("status").textContent = message;
}

function finish(message) {
  document.body.classList.remove("busy");
  $("status").textContent = message;
  show("result", true);
}

function complain(message) {
  document.body.classList.remove("busy");
  $("status").textContent = "";
  $("problem").textContent = message && `${message[0].toUpperCase()}${message.slice(1)}.`;
  show("problem", Boolean(message));
  if (message) {
    show("drop", true);
    show("choose", false);
  }
}

function turn(step) {
  number += step;
  render();
  $("status").textContent = `Page ${number + 1} of ${pages.length}: ${count([pages[number]])}.`;
}

function mark(event) {
  const index = event.type === "mouseout" ? undefined : event.target.dataset?.word;
  for (const node of document.querySelectorAll(".marked")) node.classList.remove("marked");
  if (index === undefined) return;
  for (const node of document.querySelectorAll(`[data-word="${index}"]`)) node.classList.add("marked");
}

async function copy() {
  const text = pages.map(plain).join("\n\n");
  try {
    await navigator.clipboard.writeText(text);
    $("status").textContent = "The text is copied.";
  } catch {
    getSelection().selectAllChildren($("text")); // the browser allows no more without HTTPS
    $("status").textContent = "The text is selected: press Ctrl+C to copy it.";
  }
}

async function download() {
  const format = $("format").value;
  $("download").disabled = true;
  try {
    const link = document.createElement("a");
    const response = await post(`format=${format}`);
    link.href = URL.createObjectURL(await response.blob());
    const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))?.[1] ?? format;
    link.download = `${(file.name || "image").replace(/\.[^.]*$/, "")}${name.replace(/^[^.]*/, "")}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    $("problem").textContent = `${error.message}.`;
    show("problem", true);
  }
  $("download").disabled = false;
}

for (const input of document.querySelectorAll(".file")) {
  input.addEventListener("change", () => {
    if (input.files[0]) open(input.files[0]);
    input.value = ""; // the same file can be chosen again
  });
}
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData.files[0]) open(event.clipboardData.files[0]);
});
for (const view of document.getElementsByName("view")) {
  view.addEventListener("change", () => ($("stage").dataset.view = view.value));
}
for (const type of ["mouseover", "mouseout"]) $("result").addEventListener(type, mark);
$("previous").addEventListener("click", () => turn(-1));
$("next").addEventListener("click", () => turn(1));
$("copy").addEventListener("click", copy);
$("download").addEventListener("click", download);
