// Formulas are drawn, and what is too large for its slide is made smaller, when a slide is first shown.
window.MathJax = {
  tex: { inlineMath: [["$", "$"]], packages: { "[-]": ["autoload", "require", "noundefined"] } },
  options: { enableMenu: false },
  startup: { pageReady: start },
};

function start() {
  for (const name of ["ready", "slidechanged"]) Reveal.on(name, (event) => prepare(event.currentSlide));
  Reveal.on("pdf-ready", () => Reveal.getSlides().forEach(prepare));
  return Reveal.initialize({
    width: 1280, height: 720, margin: 0, center: false, hash: true, controls: false, slideNumber: "c/t",
    transition: "none", pdfSeparateFragments: false, pdfMaxPagesPerSlide: 1, plugins: [RevealNotes],
  });
}

function prepare(slide) {
  if (slide.dataset.prepared) return;
  slide.dataset.prepared = "yes";
  const page = slide.querySelector(".page"), body = page.querySelector(".body");
  MathJax.typeset([page]);
  formulasOfNotes(slide.querySelector("aside.notes"));
  const { top, height } = body.getBoundingClientRect();
  const bottom = () => Math.max(...[...body.children].map((part) => part.getBoundingClientRect().bottom)) - top;
  shrink(page, 36, "px", height, bottom, Math.sqrt); // of twice the letters, half as many stand on a line
  for (const formula of body.querySelectorAll('mjx-container[display="true"]')) {
    const room = formula.parentElement.getBoundingClientRect().width;
    shrink(formula, 100, "%", room, () => formula.getBoundingClientRect().width, (ratio) => ratio);
  }
}

// A font as small as it takes to fit the room, but not below four tenths.
function shrink(part, size, unit, room, needed, power) {
  for (let now = size, need = needed(); need > room + 1 && now > 0.4 * size; need = needed()) {
    now = Math.min(now - 1, Math.floor(now * power(room / need)));
    part.style.fontSize = `${now}${unit}`;
  }
}

// The notes open in a window of their own, without MathJax: there, the browser's own formulas.
function formulasOfNotes(notes) {
  const texts = document.createTreeWalker(notes, NodeFilter.SHOW_TEXT), found = [];
  while (texts.nextNode())
    if (texts.currentNode.data.includes("$") && !texts.currentNode.parentElement.closest("pre, code"))
      found.push(texts.currentNode);
  for (const text of found) {
    const parts = text.data.split(/(\$\$[^$]+\$\$|\$[^$]+\$)/).map((part, number) => {
      const made = document.createElement("span");
      const display = part.startsWith("$$"); // a number beside a formula: browsers lay out no labeled rows
      const tex = part.replaceAll("$", "").replace(/\\tag\{([^}]*)\}/, "\\qquad($1)");
      if (number % 2) made.innerHTML = MathJax.tex2mml(tex, { display });
      else made.textContent = part;
      if (display) made.style.cssText = "display: block; overflow-x: auto; font-size: 80%";
      return made;
    });
    text.replaceWith(...parts);
  }
}
