"use strict";

// Words of a page as text, as elements, and at their places on the image.
const ruler = document.createElement("canvas").getContext("2d");

const percent = (share) => `${(100 * share).toFixed(0)} %`;
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

function element(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

function span(word) {
  const node = element("span", word.text ?? "");
  node.title = `${percent(confidence(word))} sure`;
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
  page.detections.forEach((word, index) => {
    if (["", "\n\n"].includes(gap(page, index))) shown.push(document.createElement("p"));
    else shown.at(-1).append(gap(page, index) === " " ? " " : document.createElement("br"));
    shown.at(-1).append(dressed(span(word), word, index));
  });
  if (!shown.length) {
    shown.push(element("p", "No text was found."));
    shown[0].className = "empty";
  }
  return shown;
}

/** What stands between a word and the one before it. */
function gap({ detections }, index) {
  const [last, word] = [detections[index - 1], detections[index]];
  if (!last) return "";
  return last.block !== word.block ? "\n\n" : last.line !== word.line ? "\n" : " ";
}

const plain = (page) => page.detections.map((word, index) => gap(page, index) + (word.text ?? "")).join("");
