// The start of the desk: the reader's own file, which is read as text.
desk.tool("start", (tool) => {
  const input = tool.input("file");
  input.addEventListener("click", () => { input.value = ""; }); // the same file can be opened again
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    try {
      await running.open(await networkFile.open(file), tool);
    } catch (error) {
      tool.say(`${file.name}: ${error.message}`);
    }
  });
  return {};
});
