// What the figures that move have in common. Each is drawn anew, as SVG in pixels of the screen,
// whenever one of its values changes; colours come from moving.css, and so follow the page's.
window.moving = (() => {
  const NAMESPACE = "http://www.w3.org/2000/svg";
  // From -1 to 1: RdBu of ColorBrewer 2.0, which the still figures have too.
  const BLUE_TO_RED = [
    [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
    [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
  ];

  // Add an element of SVG to another.
  const add = (parent, name, attributes = {}, text = "") => {
    const element = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    parent.append(element);
    return element;
  };

  // The colour of a value between -1 and 1.
  const colour = (value) => {
    const place = (Math.min(Math.max(value, -1), 1) + 1) / 2 * (BLUE_TO_RED.length - 1);
    const below = Math.min(Math.floor(place), BLUE_TO_RED.length - 2);
    const mixed = BLUE_TO_RED[below].map(
      (low, k) => Math.round(low + (place - below) * (BLUE_TO_RED[below + 1][k] - low)));
    return `rgb(${mixed.join(" ")})`;
  };

  // A number as the pages print it: with commas, and a fixed number of decimals.
  const print = (value, decimals = 0) => {
    const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    const text = value.toLocaleString("en", options);
    return Number(text.replaceAll(",", "")) === 0 ? text.replace("-", "") : text;
  };

  // The numbers that condlesson.figures.moving.pack has packed.
  const unpack = ({ step, base64 }) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float64Array.from(
      { length: bytes.length / 2 }, (_, k) => view.getInt16(2 * k, true) * step);
  };

  // A path through points; a function gives the k-th of n.
  const path = (n, point) =>
    Array.from({ length: n }, (_, k) => point(k).map((x) => x.toFixed(2)).join(" "))
      .map((point, k) => (k ? "L" : "M") + point).join("");

  // Start the figures of a name. `make` gets a figure's data, and returns a function that draws it:
  // it gets an SVG element to fill, the values of the controls by their names, and the size in
  // pixels. It returns
  //   label  what is seen, in words
  //   says   a sentence below the figure
  //   shown  for some controls a text beside it, in place of the number
  //   rows   of the table, each a list of texts
  //   zones  parts that can be dragged: left, top, width, height, and `to`, which takes a place
  //          from (0, 0) to (1, 1) in there and returns new values
  const figure = (name, make) => {
    for (const root of document.querySelectorAll(`.moving-${name}`)) start(root, make);
  };

  const start = (root, make) => {
    const stage = root.querySelector(".moving-stage");
    const inputs = [...root.querySelectorAll(".moving-parts :is(input, select)")];
    const draw = make(JSON.parse(root.querySelector("[data-moving]").dataset.values));
    let zones = [];

    const update = () => {
      const { width, height } = stage.getBoundingClientRect();
      if (!width) return; // folded away
      stage.setAttribute("viewBox", `0 0 ${width} ${height}`);
      stage.replaceChildren();
      const values = Object.fromEntries(inputs.map((input) => [input.name, Number(input.value)]));
      const drawn = draw(stage, values, { width, height });
      zones = drawn.zones;
      stage.setAttribute("aria-label", drawn.label);
      root.querySelector(".moving-says").textContent = drawn.says;
      for (const input of inputs) tell(root, input, drawn.shown?.[input.name] ?? input.value);
      fill(root.querySelector(".moving-values tbody"), drawn.rows);
      root.classList.add("moves");
    };
    for (const input of inputs) input.addEventListener("input", update);
    followPointer(stage, () => zones, (values) => {
      for (const input of inputs) if (input.name in values) input.value = values[input.name];
      update();
    });
    // What it loads can wait until the reader comes near.
    const near = new IntersectionObserver(([{ isIntersecting }]) => {
      if (!isIntersecting) return;
      near.disconnect();
      new ResizeObserver(update).observe(stage);
    }, { rootMargin: "50%" });
    near.observe(stage);
  };

  // Show a control's value beside it, and say it where it is not seen.
  const tell = (root, input, text) => {
    const output = root.querySelector(`output[data-value="${input.name}"]`);
    if (output) output.textContent = text;
    if (input.type === "range") input.setAttribute("aria-valuetext", text);
  };

  const fill = (body, rows) => {
    body.replaceChildren(...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((text, k) => {
        const cell = document.createElement(k ? "td" : "th");
        if (!k) cell.scope = "row";
        cell.textContent = text;
        return cell;
      }));
      return row;
    }));
  };

  // Let a pointer drag in the zones of a stage, each until it is let go.
  const followPointer = (stage, zones, set) => {
    let held = null; // number of a zone: the zones themselves are made anew on each change
    const place = ({ clientX, clientY }) => {
      const box = stage.getBoundingClientRect();
      return [clientX - box.left, clientY - box.top];
    };
    const follow = (event) => {
      const { left, top, width, height, to } = zones()[held];
      const [x, y] = place(event);
      const inside = (value) => Math.min(Math.max(value, 0), 1);
      set(to(inside((x - left) / width), inside((y - top) / height)));
    };
    const under = (event) => {
      const [x, y] = place(event);
      return zones().findIndex(({ left, top, width, height }) =>
        x >= left && x <= left + width && y >= top && y <= top + height);
    };
    stage.addEventListener("pointerdown", (event) => {
      held = under(event);
      if (held < 0) return;
      stage.setPointerCapture(event.pointerId);
      follow(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) follow(event);
      else stage.style.cursor = under(event) < 0 ? "default" : "ew-resize"; // only what can be dragged
    });
  };

  return { add, colour, figure, path, print, unpack };
})();
