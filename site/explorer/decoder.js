/* A decoder of dense layers, in plain JavaScript: h = activation(h W + b), layer after layer. */
"use strict";

const explorer = { models: {}, pictures: {} }; // filled by the files in data/

/* Base64 to bytes. */
function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/* A number of 16 bits (sign, 5 of exponent, 10 of fraction), given as a whole number. */
function half(bits) {
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
}

/* The layers of a model, unpacked at their first use: weights W [inputs, outputs] and b [outputs], in float32. */
function layersOf(model) {
  if (!model.layers) {
    const all = Float32Array.from(new Uint16Array(bytes(model.weights).buffer), half);
    let start = 0;
    const take = (count) => all.subarray(start, (start += count));
    model.layers = model.sizes.slice(1).map((outputs, i) => ({
      W: take(model.sizes[i] * outputs), b: take(outputs), h: new Float32Array(outputs),
    }));
  }
  return model.layers;
}

const activations = {
  linear: (x) => x,
  relu: (x) => (x > 0 ? x : 0),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  swish: (x) => x / (1 + Math.exp(-x)),
};
activations.silu = activations.swish;

/* The mean of p(x|z): z of any length -> a new array of pixels, row after row, mostly within 0 and 1. */
explorer.decode = function (name, z) {
  const model = explorer.models[name], layers = layersOf(model);
  let x = z;
  layers.forEach(({ W, b, h }, number) => {
    const n = h.length, f = activations[number < layers.length - 1 ? model.hidden : model.output];
    h.set(b);
    for (let i = 0; i < x.length; i++) for (let j = 0, k = i * n; j < n; j++, k++) h[j] += x[i] * W[k];
    for (let j = 0; j < n; j++) h[j] = f(h[j]);
    x = h;
  });
  return x.slice();
};
