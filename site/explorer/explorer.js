/* What the visitor can do. Each section keeps its state in a few variables and draws itself anew when one changes. */
"use strict";

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const clip = (value, bound) => Math.max(-bound, Math.min(bound, value));
const chosenIn = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
const onChoice = (name, act) => document.querySelectorAll(`input[name="${name}"]`).forEach((one) => one.addEventListener("change", act));
const pixelsOf = {}; // of the examples, unpacked

/* Example number i of "faces" or "digits": its pixels in [0, 1]. */
function example(data, i) {
  pixelsOf[data] ??= Float32Array.from(bytes(explorer.pictures[data].pixels), (byte) => byte / 255);
  const count = sideOf(data) ** 2;
  return pixelsOf[data].subarray(i * count, (i + 1) * count);
}

/* What an example shows, in words. */
function inWords(data, i) {
  const [first, expression, lighting, width, hair] = explorer.pictures[data].known[i];
  if (data === "digits") return `a ${first}`;
  const side = (degrees) => (degrees < 0 ? "left" : "right");
  return [
    Math.abs(first) < 5 ? "a face that looks ahead" : `a face turned ${Math.round(Math.abs(first))}° to the ${side(first)}`,
    expression > 0.2 ? "smiling" : expression < -0.2 ? "frowning" : "neutral",
    Math.abs(lighting) < 5 ? "lit from the front" : `lit from the ${side(lighting)}`,
    width < 0.9 ? "narrow" : width > 1.1 ? "wide" : "of average width",
    hair < 0.1 ? "black hair" : hair < 0.3 ? "brown hair" : "fair hair",
  ].join(", ");
}

/* The example whose code is nearest to z. */
function nearest(name, z) {
  const distances = explorer.models[name].means.map((mean) => mean.reduce((sum, m, i) => sum + (m - z[i]) ** 2, 0));
  return distances.indexOf(Math.min(...distances));
}

/* Calls `act` at most once a frame, with the newest state. */
function eachFrame(act) {
  let asked = false;
  return () => {
    if (!asked) requestAnimationFrame(() => { asked = false; act(); });
    asked = true;
  };
}

/* Moves codes from where they are to a target in a third of a second. */
let moves = 0;
function glide(from, to, step) {
  const start = performance.now(), number = ++moves, duration = still.matches ? 0 : 350;
  const frame = (now) => {
    if (number !== moves) return;
    const s = duration ? clip((now - start) / duration, 1) : 1, t = s > 0 ? s * s * (3 - 2 * s) : 0;
    step(from.map((a, i) => a + t * (to[i] - a)));
    if (s < 1) requestAnimationFrame(frame);
  };
  frame(duration ? start : 0);
}

/* ---- the plane ---- */
const START = { "faces-plane": [-1.2, -0.2], "digits-plane": [0.6, 0.4] };
const plane = { name: "faces-plane", z: START["faces-plane"], chosen: undefined };
const drawMap = eachFrame(() => {
  const { name, z, chosen } = plane, { data } = explorer.models[name], near = nearest(name, z);
  drawPlane($("map").firstElementChild, name, { z, chosen, ellipses: $("ellipses").checked });
  const where = `z = (${z.map((value) => value.toFixed(2)).join(", ")})`;
  show($("picture"), explorer.decode(name, z), data, `Decoded at ${where}; nearest example: ${inWords(data, near)}`);
  const real = chosen ?? near;
  show($("real").firstElementChild, example(data, real), data, `New example: ${inWords(data, real)}`);
  $("real-name").textContent = chosen === undefined ? "nearest new example" : "new example at this code";
  const said = `${chosen === undefined ? "The nearest of 60 examples that training has not seen" : "This example"} is ${inWords(data, real)}.`;
  if ($("says").textContent !== said) $("says").textContent = said;
  ["z1", "z2"].forEach((id, i) => {
    $(id).value = z[i];
    $(`${id}-value`).textContent = z[i].toFixed(2);
  });
});

function goTo(z, chosen) {
  plane.z = z.map((value) => clip(value, RANGE));
  plane.chosen = chosen;
  drawMap();
}

function drag(event) {
  if (event.type === "pointermove" && !event.currentTarget.hasPointerCapture(event.pointerId)) return;
  if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
  const box = event.currentTarget.getBoundingClientRect();
  moves++;
  goTo([(2 * (event.clientX - box.left) / box.width - 1) * RANGE, (1 - 2 * (event.clientY - box.top) / box.height) * RANGE]);
}
$("map").addEventListener("pointerdown", drag);
$("map").addEventListener("pointermove", drag);
$("map").addEventListener("keydown", (event) => {
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!direction) return;
  event.preventDefault();
  moves++;
  goTo(plane.z.map((value, i) => value + direction[i] * (event.shiftKey ? 0.5 : 0.1)));
});
["z1", "z2"].forEach((id, i) => $(id).addEventListener("input", () => {
  moves++;
  goTo(plane.z.map((value, j) => (i === j ? Number($(id).value) : value)));
}));
$("ellipses").addEventListener("change", drawMap);
$("another").addEventListener("click", () => {
  const means = explorer.models[plane.name].means, next = ((plane.chosen ?? -1) + 1) % means.length;
  glide(plane.z, means[next], (z) => goTo(z, next));
});
onChoice("data", () => {
  plane.name = chosenIn("data");
  $("thing").textContent = explorer.models[plane.name].data.slice(0, -1);
  moves++;
  goTo(START[plane.name]);
});

/* ---- ten sliders ---- */
const ten = { name: "faces-vae", z: [], strips: [], shown: -1, timer: 0 };
const KINDS = {
  "faces-vae": "The VAE is trained for the bound alone.",
  "faces-tcvae": "The β-TCVAE pays extra for latents that depend on one another, with β = 10.",
};
const STEPS = [-2.4, -1.6, -0.8, 0, 0.8, 1.6, 2.4];
const drawFace = eachFrame(() => {
  const where = ten.z.map((value) => value.toFixed(1)).join(", ");
  show($("face"), explorer.decode(ten.name, ten.z), "faces", `Face decoded from ten numbers, ${where}`);
  ten.strips.forEach(({ latent, range, output }) => {
    range.value = ten.z[latent];
    output.textContent = ten.z[latent].toFixed(2);
  });
  clearTimeout(ten.timer);
  ten.timer = setTimeout(drawStrips, 60); // seventy pictures: not in every frame
});

function drawStrips() {
  ten.strips.forEach(({ latent, canvas }) => {
    const along = (value) => explorer.decode(ten.name, ten.z.map((old, i) => (i === latent ? value : old)));
    showStrip(canvas, STEPS.map(along), "faces");
  });
}

function setTen(z, words = "") {
  ten.z = z.map((value) => clip(value, RANGE));
  if ($("face-says").textContent !== words) $("face-says").textContent = words;
  drawFace();
}

/* A slider for each latent; the one that carries most comes first. */
function buildStrips() {
  const model = explorer.models[ten.name];
  const order = model.kl.map((_, i) => i).sort((i, j) => model.kl[j] - model.kl[i]);
  $("strips").replaceChildren();
  ten.strips = order.map((latent) => {
    const [factor, share] = model.factors[latent], row = document.createElement("div");
    const told = share >= 0.1 ? `${factor} ${Math.round(100 * share)} %` : "no single property";
    row.className = model.kl[latent] < 0.1 ? "strip idle" : "strip";
    row.innerHTML = `<label class="name" for="ten-${latent}">z<sub>${latent + 1}</sub> ${told} <small>${model.kl[latent].toFixed(1)} nats</small></label>
      <div class="way-of"><canvas aria-hidden="true"></canvas><input type="range" id="ten-${latent}" min="-3" max="3" step="0.05"></div>
      <output for="ten-${latent}"></output>`;
    $("strips").append(row);
    const range = row.querySelector("input");
    range.addEventListener("input", () => {
      moves++;
      setTen(ten.z.map((value, i) => (i === latent ? Number(range.value) : value)));
    });
    return { latent, range, output: row.querySelector("output"), canvas: row.querySelector("canvas") };
  });
  const elbo = Math.round(-model.rate - model.distortion), nats = model.rate.toFixed(1);
  $("model-says").textContent = `${KINDS[ten.name]} A code costs ${nats} nats, and the bound is ${elbo} nats a face.`;
}

function toExample(number) {
  ten.shown = number;
  const words = `Decoded from the code of ${inWords("faces", number)}.`;
  glide(ten.z, explorer.models[ten.name].means[number], (z) => setTen(z, words));
}
$("known").addEventListener("click", () => toExample((ten.shown + 1) % explorer.models[ten.name].means.length));
$("random").addEventListener("click", () => {
  const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  glide(ten.z, ten.z.map(normal), (z) => setTen(z, "Drawn from the prior: ten independent normal numbers."));
});
$("zero").addEventListener("click", () => glide(ten.z, ten.z.map(() => 0), (z) => setTen(z, "Where the prior is densest.")));
onChoice("ten", () => {
  ten.name = chosenIn("ten");
  moves++;
  buildStrips();
  const number = Math.max(0, ten.shown);
  setTen(explorer.models[ten.name].means[number], `Decoded from the code of ${inWords("faces", number)}.`);
});

/* ---- a choice among pictures ---- */
const thumbnails = []; // [canvas, data, number]
function thumbs(group, data, numbers, chosen, act) {
  numbers.forEach((number) => {
    const label = document.createElement("label"), input = document.createElement("input"), canvas = document.createElement("canvas");
    Object.assign(input, { type: "radio", name: group, value: number, checked: number === chosen });
    input.setAttribute("aria-label", inWords(data, number));
    input.addEventListener("change", act);
    canvas.setAttribute("aria-hidden", "true");
    thumbnails.push([canvas, data, number]);
    label.append(input, canvas);
    $(group).append(label);
  });
}

/* ---- a walk ---- */
const WALKER = "faces-vae";

/* Between codes a and b, at t: along the straight line, or along an arc that keeps the distance from the origin. */
function between(a, b, t, way) {
  const norm = (v) => Math.sqrt(v.reduce((sum, value) => sum + value ** 2, 0));
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (norm(a) * norm(b));
  const angle = Math.acos(clip(cosine, 1));
  const [p, q] = way === "arc" && Math.sin(angle) > 1e-4
    ? [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)] : [1 - t, t];
  return a.map((value, i) => p * value + q * b[i]);
}

function walkAt(t) {
  const [from, to] = ["from", "to"].map((name) => Number(chosenIn(name))), { means } = explorer.models[WALKER];
  const through = explorer.decode(WALKER, between(means[from], means[to], t, chosenIn("way")));
  const fade = example("faces", from).map((value, i) => (1 - t) * value + t * example("faces", to)[i]);
  return { through, fade, words: `from ${inWords("faces", from)} to ${inWords("faces", to)}` };
}

const drawWalk = eachFrame(() => {
  const t = Number($("t").value), { through, fade, words } = walkAt(t);
  const part = `${Math.round(100 * t)} % of the way ${words}`;
  show($("through"), through, "faces", `Decoded at ${part}`);
  show($("fade"), fade, "faces", `Pixels mixed at ${part}`);
  const context = $("film").getContext("2d");
  for (let i = 0; i < 9; i++) {
    const step = walkAt(i / 8);
    paint(context, step.through, "faces", 128 * i, 0, 128);
    paint(context, step.fade, "faces", 128 * i, 130, 128);
  }
});
let playing = false;
function play(on) {
  playing = on;
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", on);
  const [start, began] = [performance.now(), Math.acos(clip(1 - 2 * Number($("t").value), 1)) / Math.PI];
  const frame = (now) => {
    if (!playing) return;
    $("t").value = (1 - Math.cos(Math.PI * (began + (now - start) / 2500))) / 2;
    drawWalk();
    requestAnimationFrame(frame);
  };
  if (on) requestAnimationFrame(frame);
}
$("play").addEventListener("click", () => play(!playing));
$("t").addEventListener("input", () => { play(false); drawWalk(); });
onChoice("way", drawWalk);

/* ---- beta ---- */
const PRICES = ["digits-plane-beta-0.2", "digits-plane", "digits-plane-beta-4"];
const drawPrices = eachFrame(() => {
  const chosen = Number(chosenIn("digit"));
  PRICES.forEach((name, i) => {
    const figure = $("prices").children[i], [map, picture] = figure.querySelectorAll("canvas"), model = explorer.models[name];
    drawPlane(map, name, { ellipses: true, chosen });
    map.setAttribute("aria-label", `Posteriors at beta ${model.beta}; the chosen digit has scales ${model.scales[chosen].map((s) => s.toFixed(2)).join(" and ")}`);
    show(picture, explorer.decode(name, model.means[chosen]), "digits", `The digit decoded from its code at beta ${model.beta}`);
  });
});
PRICES.forEach((name) => {
  const { beta, rate, distortion } = explorer.models[name], figure = document.createElement("figure");
  figure.innerHTML = `<div class="map-of"><canvas width="640" height="640" role="img"></canvas></div>
    <div class="price-row"><canvas role="img"></canvas><figcaption><b>β = ${beta}</b><br>code: ${rate.toFixed(1)} nats<br>
    error: ${distortion.toFixed(1)} nats<br>ELBO: ${(-rate - distortion).toFixed(1)} nats</figcaption></div>`;
  $("prices").append(figure);
});

/* ---- begin ---- */
const faces = [0, 1, 2, 3, 4, 5, 6, 7], digits = [...Array(10).keys()].map((digit) => explorer.pictures.digits.known.findIndex(([y]) => y === digit));
thumbs("from", "faces", faces, 0, drawWalk);
thumbs("to", "faces", faces, 1, drawWalk);
thumbs("digit", "digits", digits, digits[3], drawPrices);
buildStrips();
ten.z = [...explorer.models[ten.name].means[0]];
function drawAll() {
  thumbnails.forEach(([canvas, data, number]) => show(canvas, example(data, number), data, ""));
  for (const draw of [drawMap, drawFace, drawWalk, drawPrices]) draw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
drawMap(); // what is below the first screen is drawn when it comes near
const watcher = new IntersectionObserver(([...entries]) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  watcher.disconnect();
  drawAll();
}, { rootMargin: "200px" });
watcher.observe($("sliders"));
