// Find the clock: how noisy is this image? The reader guesses by eye; the network tries twenty told
// timesteps. It knows nothing of the clean digit: it takes the time at which the noise that it finds
// has the size that noise has, a mean square of 1.
desk.tool("find", (tool) => {
  const { noised, paint, print, share, shared } = desk;
  const CANDIDATES = Array.from({ length: 20 }, (_, k) => 50 * k + 25);
  const guess = tool.find(".desk-guess");
  const rounds = [];
  let secret = null, x_t = null;

  // Where the size falls through 1: between two candidates by a straight line, else the nearest.
  const clockOf = (tried) => {
    const over = tried.map(({ size }) => size - 1);
    const nearest = over.reduce((best, value, k) =>
      (Math.abs(value) < Math.abs(over[best]) ? k : best), 0);
    for (const [a, b] of [[nearest - 1, nearest], [nearest, nearest + 1]]) {
      if (over[a] * over[b] < 0) {
        return Math.round(tried[a].t + (tried[b].t - tried[a].t) * over[a] / (over[a] - over[b]));
      }
    }
    return tried[nearest].t;
  };

  const begin = () => {
    secret = Math.floor(Math.random() * diffusion.T);
    x_t = noised(secret);
    tool.show("noised", x_t, "noised to a secret t");
    tool.stop();
    guess.disabled = false;
    tool.find(".desk-strip").replaceChildren();
    tool.say("A new round: how noisy is it? Set your guess, and press the button.");
  };

  const addTried = ({ t, x_0, size }) => {
    const item = document.createElement("li"), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [28, 28];
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Told ${t}: the noise found has a mean square of ${print(size)}.`);
    paint(canvas, x_0);
    const [told, found] = [`${t}`, print(size)].map((text) => {
      const span = document.createElement("span");
      span.textContent = text;
      return span;
    });
    item.append(canvas, told, found);
    tool.find(".desk-strip").append(item);
    return item;
  };

  const finish = (mine, tried, items) => {
    const theirs = clockOf(tried);
    const chosen = tried.reduce((best, { t }, k) =>
      (Math.abs(t - theirs) < Math.abs(tried[best].t - theirs) ? k : best), 0);
    items[chosen].classList.add("desk-chosen");
    rounds.push([mine, theirs].map((said) => Math.abs(said - secret)));
    const mean = (k) => Math.round(rounds.reduce((sum, round) => sum + round[k], 0) / rounds.length);
    const row = tool.find("tbody").insertRow(0);
    for (const text of [rounds.length, secret, mine, theirs]) row.insertCell().textContent = text;
    tool.say(`It was t = ${secret}. You said ${mine}, off by ${Math.abs(mine - secret)}; the network `
      + `says ${theirs}, off by ${Math.abs(theirs - secret)}. After ${rounds.length} `
      + `${rounds.length === 1 ? "round" : "rounds"} you are off by ${mean(0)} on average, the `
      + `network by ${mean(1)}.`);
  };

  guess.addEventListener("click", () => {
    const mine = tool.number("guess"), tried = [], items = [];
    guess.disabled = true;
    tool.find(".desk-strip").replaceChildren();
    tool.say("The network tries twenty timesteps.");
    tool.ask("find", { x_t, candidates: CANDIDATES }, ({ step }) => {
      if (step) items.push(addTried(step));
      if (step) tried.push(step);
      else finish(mine, tried, items);
    });
  });
  tool.find(".desk-next").addEventListener("click", () => share({ seed: shared.seed + 1 }));

  // A new digit, noise or network is a new round; the slider is none. Another network has rounds of
  // its own.
  let of = null, plays = null;
  const change = () => {
    if (of === shared.changes) return;
    if (plays !== shared.network) {
      rounds.length = 0;
      tool.find("tbody").replaceChildren();
    }
    [of, plays] = [shared.changes, shared.network];
    begin();
  };
  const rest = () => {
    tool.stop();
    tool.say("");
  };
  return { change, rest };
});
