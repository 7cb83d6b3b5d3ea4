// Lie: the digit noised to a true timestep, and what the network makes of it, told another.
desk.tool("lie", (tool) => {
  const { error, noised, print, shared } = desk;

  // What the lie did to the picture, beside that with the truth and from the two pictures alone.
  const distance = (x, y) => Math.sqrt(x.reduce((sum, value, k) => sum + (value - y[k]) ** 2, 0) / x.length);
  const roughness = (x) => x.reduce((sum, value, k) => sum + (k % 28 ? Math.abs(value - x[k - 1]) : 0), 0);
  const contrast = (x) => distance(x, x.slice().fill(x.reduce((sum, value) => sum + value) / x.length));
  const happened = (lied, right) => {
    const rougher = roughness(lied) / roughness(right);
    if (distance(lied, right) < 0.1) return "The picture is nearly the same.";
    if (contrast(lied) < 0.85 * contrast(right)) return "The picture is paler.";
    if (rougher > 1.25) return "The picture is grainier.";
    return rougher < 0.8 ? "The picture is smoother." : "The picture is another one.";
  };

  const change = () => {
    const t = tool.number("true"), told = tool.number("told"), x_t = noised(t);
    tool.estimate({ x_t, t, told: diffusion.everywhere(told) }, (lied, truth) => {
      const [wrong, least] = [lied, truth].map(({ x_0 }) => error(x_0));
      tool.show("clean", shared.digit, "the digit");
      tool.show("noised", x_t, `noised, t = ${t}`);
      tool.show("truth", truth.x_0, `told the truth, ${t}`);
      tool.show("lied", lied.x_0, `told ${told}`);
      tool.say(`Noised to t = ${t} and told ${told}, the network misses the digit by ${print(wrong)}, `
        + (told === t ? "and it was told the truth."
          : `${print(wrong / least, 1)} times as much as with the truth. ${happened(lied.x_0, truth.x_0)}`));
    });
  };
  return { change };
});
