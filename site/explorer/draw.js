/* Pictures, strips of them, and the latent plane, drawn on canvases. */
"use strict";

const RANGE = 3; // the plane shows -3 to 3, both ways
const TILES = { faces: 17, digits: 21 }; // pictures along a side of the plane
const CLASSES = ["#4c78d8", "#e8930c", "#1fa774", "#dd4b39", "#4fb3e8", "#d873b0", "#8b8f98", "#a8a02c", "#a8407a", "#8a63d2"];

const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const sideOf = (data) => explorer.pictures[data].side;

/* A color such as #1c2a44 as three numbers. */
const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/* Pixels of [0, 1] as an image of side x side: faces in gray, digits in ink on paper. */
explorer.raster = function (values, data) {
  const image = new ImageData(sideOf(data), sideOf(data));
  const [dark, light] = data === "faces" ? [[0, 0, 0], [255, 255, 255]] : [rgb(styled("--paper")), rgb(styled("--pen"))];
  values.forEach((value, i) => {
    const v = Math.min(1, Math.max(0, value));
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(dark[c] + v * (light[c] - dark[c]));
    image.data[4 * i + 3] = 255;
  });
  return image;
};

const small = document.createElement("canvas");

/* Draws pixels into a square of a canvas, enlarged smoothly. */
function paint(context, values, data, x, y, size) {
  small.width = small.height = sideOf(data);
  small.getContext("2d").putImageData(explorer.raster(values, data), 0, 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(small, x, y, size, size);
}

/* A picture that fills its canvas, with words for those who do not see it. */
function show(canvas, values, data, words) {
  canvas.width = canvas.height = Math.max(128, 13 * sideOf(data));
  paint(canvas.getContext("2d"), values, data, 0, 0, canvas.width);
  canvas.setAttribute("aria-label", words);
}

/* Pictures side by side. */
function showStrip(canvas, pictures, data, size = 64) {
  canvas.width = pictures.length * size;
  canvas.height = size;
  pictures.forEach((values, i) => paint(canvas.getContext("2d"), values, data, i * size, 0, size));
}

const atlases = {};

/* The pictures of the whole plane, kept until the colors change. */
function atlasOf(name, size) {
  const key = [name, size, styled("--paper")].join();
  if (!atlases[key]) {
    const canvas = document.createElement("canvas"), { data } = explorer.models[name], n = TILES[data], tile = size / n;
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d");
    for (let row = 0; row < n; row++)
      for (let column = 0; column < n; column++) {
        const z = [(2 * (column + 0.5) / n - 1) * RANGE, (1 - 2 * (row + 0.5) / n) * RANGE];
        const [x, y] = [Math.round(column * tile), Math.round(row * tile)];
        paint(context, explorer.decode(name, z), data, x, y, Math.ceil(tile));
      }
    const fade = context.createRadialGradient(size / 2, size / 2, 0.42 * size, size / 2, size / 2, 0.64 * size);
    const ground = data === "faces" ? "#1c1c1c" : styled("--paper"); // what is behind a head, or a digit
    fade.addColorStop(0, ground + "00"); // the prior has hardly anything to draw in the corners
    fade.addColorStop(1, ground + "f0");
    context.fillStyle = fade;
    context.fillRect(0, 0, size, size);
    atlases[key] = canvas;
  }
  return atlases[key];
}

/* The plane of a model: its pictures; with `ellipses` the posteriors of test examples; the point z; a chosen example. */
function drawPlane(canvas, name, { z, ellipses, chosen }) {
  const context = canvas.getContext("2d"), size = canvas.width, model = explorer.models[name];
  const [place, unit] = [([a, b]) => [(a / RANGE + 1) * size / 2, (1 - b / RANGE) * size / 2], size / 2 / RANGE];
  const line = (width, color) => { context.lineWidth = width; context.strokeStyle = color; context.stroke(); };
  context.drawImage(atlasOf(name, size), 0, 0);
  if (ellipses) {
    context.globalAlpha = 0.72;
    context.fillStyle = styled("--ground");
    context.fillRect(0, 0, size, size);
    context.globalAlpha = 1;
    context.beginPath(); // 95 % of the prior: |z|^2 below 5.99
    context.arc(size / 2, size / 2, Math.sqrt(5.99) * unit, 0, 7);
    context.setLineDash([size / 80, size / 100]);
    line(size / 400, styled("--soft"));
    context.setLineDash([]);
    model.means.forEach((mean, i) => {
      const [x, y] = place(mean), [a, b] = model.scales[i];
      const color = model.data === "digits" ? CLASSES[explorer.pictures.digits.known[i][0]] : styled("--accent");
      context.beginPath();
      context.ellipse(x, y, Math.max(a * unit, 2), Math.max(b * unit, 2), 0, 0, 7);
      context.globalAlpha = 0.25;
      context.fillStyle = color;
      context.fill();
      context.globalAlpha = 1;
      line(size / 420, color);
      context.beginPath();
      context.arc(x, y, size / 260, 0, 7);
      context.fillStyle = color;
      context.fill();
    });
  }
  if (chosen !== undefined) {
    const [x, y] = place(model.means[chosen]), [a, b] = model.scales[chosen];
    context.beginPath();
    context.ellipse(x, y, a * unit + size / 130, b * unit + size / 130, 0, 0, 7);
    line(size / 75, styled("--halo"));
    line(size / 160, styled("--accent"));
  }
  if (z) {
    const [x, y] = place(z);
    context.beginPath();
    context.arc(x, y, size / 55, 0, 7);
    line(size / 85, styled("--halo"));
    line(size / 170, styled("--accent"));
    context.beginPath();
    context.arc(x, y, size / 200, 0, 7);
    context.fillStyle = styled("--accent");
    context.fill();
  }
}
