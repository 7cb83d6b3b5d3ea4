// Drawing a digit, with a finger, a mouse or the keyboard; nothing of it leaves the page. The
// drawing is finer than the network's pixels, and is brought to size and place as MNIST's digits
// were: 20 pixels at most, with the centre of mass in the middle.
desk.tool("pad", (tool) => {
  const FINE = 112, PEN = 5.5, STEP = 4, BOX = 20, SIZE = 28;
  const pad = tool.find(".desk-drawing"), context = pad.getContext("2d", { willReadFrequently: true });
  let pen = { x: FINE / 2, y: FINE / 2, down: false };

  // Ink between 0 and 1 at each fine pixel.
  const ink = () => {
    const { data } = context.getImageData(0, 0, FINE, FINE);
    return Float32Array.from({ length: FINE * FINE }, (_, k) => data[4 * k] / 255);
  };

  const clear = () => {
    context.fillStyle = "black";
    context.fillRect(0, 0, FINE, FINE);
  };

  const line = (from, to) => {
    context.strokeStyle = "white";
    context.lineWidth = 2 * PEN;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
  };

  // Left, top, and size of what is drawn, and its centre of mass; null for an empty pad.
  const measure = (drawn) => {
    const found = { left: FINE, top: FINE, right: 0, bottom: 0, x: 0, y: 0, mass: 0 };
    drawn.forEach((value, k) => {
      if (value < 0.1) return;
      const x = k % FINE, y = Math.floor(k / FINE);
      found.left = Math.min(found.left, x);
      found.right = Math.max(found.right, x + 1);
      found.top = Math.min(found.top, y);
      found.bottom = Math.max(found.bottom, y + 1);
      found.x += value * (x + 0.5);
      found.y += value * (y + 0.5);
      found.mass += value;
    });
    return found.mass ? found : null;
  };

  // The digit as the network knows them: 784 numbers in [-1, 1]; each averages a square of the pad.
  const normalised = () => {
    const drawn = ink(), found = measure(drawn);
    if (!found) return null;
    const scale = Math.max(found.right - found.left, found.bottom - found.top) / BOX;
    const [centreX, centreY] = [found.x / found.mass, found.y / found.mass], N = 4;
    return Float32Array.from({ length: SIZE * SIZE }, (_, k) => {
      let sum = 0;
      for (let part = 0; part < N * N; part++) {
        const x = (k % SIZE) + (part % N + 0.5) / N - SIZE / 2;
        const y = Math.floor(k / SIZE) + (Math.floor(part / N) + 0.5) / N - SIZE / 2;
        const column = Math.floor(centreX + x * scale), row = Math.floor(centreY + y * scale);
        const inside = column >= 0 && column < FINE && row >= 0 && row < FINE;
        sum += inside ? drawn[row * FINE + column] : 0;
      }
      return 2 * sum / (N * N) - 1;
    });
  };

  const take = (digit, words) => {
    desk.share({ digit });
    tool.show("digit", digit, `as the network gets it: ${words}`);
  };
  const takeDrawing = () => {
    const digit = normalised();
    if (!digit) return tool.say("The pad is empty.");
    take(digit, "your drawing");
    tool.input("sample").selectedIndex = -1; // or the digit that it shows could not be taken again
    tool.say("Your drawing is the digit now. It stays in this browser.");
  };
  const takeSample = (k) => {
    clear();
    take(desk.sample(k), `a ${k} of the test images`);
  };

  const place = ({ clientX, clientY }) => {
    const box = pad.getBoundingClientRect();
    return { x: (clientX - box.left) / box.width * FINE, y: (clientY - box.top) / box.height * FINE };
  };
  pad.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    pen = { ...place(event), down: false };
    line(pen, pen);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!pad.hasPointerCapture(event.pointerId)) return;
    const to = place(event);
    line(pen, to);
    pen = { ...to, down: false };
  });
  pad.addEventListener("lostpointercapture", takeDrawing); // let go, or taken away

  // By keyboard: arrows move the pen, space puts it down or lifts it.
  const showPen = () => {
    const mark = tool.find(".desk-pen");
    mark.style.left = `${pen.x / FINE * 100}%`;
    mark.style.top = `${pen.y / FINE * 100}%`;
    mark.classList.toggle("desk-down", pen.down);
  };
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  pad.addEventListener("keydown", (event) => {
    if (event.key !== " " && !(event.key in ways)) return;
    event.preventDefault();
    if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) line(pen, pen);
      else takeDrawing();
      if (pen.down) tool.say("The pen is down.");
    } else {
      const inside = (value) => Math.min(Math.max(value, 0), FINE);
      const [right, down] = ways[event.key];
      const to = { ...pen, x: inside(pen.x + right * STEP), y: inside(pen.y + down * STEP) };
      if (pen.down) line(pen, to);
      pen = to;
    }
    showPen();
  });
  pad.addEventListener("blur", () => { if (pen.down) { pen.down = false; showPen(); takeDrawing(); } });

  tool.find(".desk-clear").addEventListener("click", () => {
    clear();
    tool.say("The pad is empty. The digit stays until you have drawn another.");
  });
  tool.input("sample").addEventListener("change", ({ target }) => {
    takeSample(Number(target.value));
    tool.say(`A ${target.value} of the test images is the digit now.`);
  });
  takeSample(6);
  return { rest() {} };
});
