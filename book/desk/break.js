// Break it while it runs: bugs of the museum as switches, on the reader's own digit.
desk.tool("break", (tool) => {
  const { error, noised, print } = desk;
  const switches = [...tool.root.querySelectorAll("[data-bug]")];

  const change = () => {
    const t = tool.number("true"), x_t = noised(t);
    const on = switches.filter((input) => input.checked);
    const bugs = Object.fromEntries(on.map((input) => [input.dataset.bug, true]));
    tool.estimate({ x_t, t, bugs }, (broken, right) => {
      const [wrong, least] = [broken, right].map(({ x_0 }) => error(x_0));
      tool.show("noised", x_t, `noised, t = ${t}`);
      tool.show("right", right.x_0, "right code");
      tool.show("broken", broken.x_0, on.length ? "with the bug" : "no bug yet");
      const names = on.map((input) => input.dataset.short).join(", ");
      tool.say(on.length
        ? `With ${names} the error is ${print(wrong)}, ${print(wrong / least, 1)} times that of the `
          + `right code. No message, and nothing has stopped.`
        : `No bug is on: the error is ${print(least)}.`);
    });
  };
  return { change };
});
