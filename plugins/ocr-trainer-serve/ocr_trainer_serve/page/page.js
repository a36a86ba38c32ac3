// What the page does; words.js, which comes first, turns results into text and elements.
const $ = (id) => document.getElementById(id);
const MAX_BYTES = Number(document.body.dataset.maxBytes);
const SHOWN = ["image/png", "image/jpeg", "image/webp", "image/bmp", "image/avif"]; // by every browser

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
  show("warnings", false);
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
  const words = shown.flatMap((page) => page.detections);
  const texts = `${words.length} ${words.length === 1 ? "text" : "texts"}`;
  const sure = words.reduce((sum, word) => sum + confidence(word), 0) / words.length;
  return [
    shown.length === 1 ? texts : `${texts} on ${shown.length} pages`,
    ...(words.length ? [`${percent(sure)} sure on average`] : []),
  ].join(", ");
}

function render() {
  const page = pages[number];
  $("image").src = page.preview || picture;
  $("image").alt = `Page ${number + 1} of ${file.name || "the image"}`;
  $("image").style.aspectRatio = `${page.width} / ${page.height}`;
  $("outlines").setAttribute("viewBox", `0 0 ${page.width} ${page.height}`);
  $("outlines").replaceChildren(...page.detections.map(outline));
  $("words").replaceChildren(...page.detections.flatMap((word, index) => [
    gap(page, index), placed(word, index, page), // a selection has the gaps, too
  ]));
  $("text").replaceChildren(...blocks(page));
  $("warnings").replaceChildren(...page.warnings.map((warning) => element("li", warning)));
  show("warnings", page.warnings.length > 0);
  $("page").textContent = `${number + 1} of ${pages.length}`;
  $("previous").disabled = number === 0;
  $("next").disabled = number === pages.length - 1;
  show("pages", pages.length > 1);
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

if ([...$("format").options].some((option) => option.value === "pdf")) $("format").value = "pdf";
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
