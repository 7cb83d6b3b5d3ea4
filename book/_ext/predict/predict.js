// Makes of each question a fieldset that opens the answer when the reader has chosen, and says on
// the page with all questions how the reader answered. Answers stay in this browser.
(() => {
  const KEY = "condlesson-predictions";
  const read = () => {
    try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
  };
  const write = (answers) => {
    try { localStorage.setItem(KEY, JSON.stringify(answers)); } catch { /* nothing is kept */ }
  };
  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };

  for (const details of document.querySelectorAll("details.predict")) {
    const name = details.dataset.predict;
    const right = Number(details.dataset.right);
    const list = details.querySelector(".predict-choices");
    const answer = details.querySelector(".predict-answer");
    const summary = answer.querySelector("summary");
    const fieldset = make("fieldset", "predict-box");
    const legend = make("legend", "predict-question");
    legend.append(...details.querySelector("summary").childNodes);
    fieldset.append(legend);
    const feedback = [];
    for (const [index, item] of [...list.children].entries()) {
      const label = make("label", "predict-option");
      const input = make("input");
      input.type = "radio";
      input.name = `predict-${name}`;
      input.value = index + 1;
      const text = make("span");
      for (const part of item.querySelector(".predict-choice").children) {
        text.append(...part.childNodes);
      }
      label.append(input, text);
      fieldset.append(label);
      feedback.push(item.querySelector(".predict-feedback"));
    }
    const button = make("button", "predict-button", "Show what happens");
    button.type = "button";
    button.disabled = true;
    const status = make("div", "predict-status");
    status.setAttribute("role", "status");
    fieldset.append(button, status);
    summary.textContent = "Without a guess: the answer";
    fieldset.id = details.id;
    answer.dataset.predict = name;
    details.replaceWith(fieldset, answer);

    const chosen = () => Number(fieldset.querySelector("input:checked")?.value || 0);
    const show = (choice) => {
      const word = make("strong", "", choice === right ? "As you predicted." : "A surprise.");
      status.replaceChildren(word, feedback[choice - 1]);
      status.dataset.outcome = choice === right ? "right" : "surprise";
      summary.textContent = "The answer";
      answer.open = true;
    };
    fieldset.addEventListener("change", () => { button.disabled = false; });
    button.addEventListener("click", () => {
      const answers = read();
      // The first guess counts; others may be tried for what is said to them.
      answers[name] ||= { choice: chosen(), surprised: chosen() !== right };
      write(answers);
      show(chosen());
    });
    const before = read()[name]?.choice;
    if (before >= 1 && before <= feedback.length) {
      fieldset.querySelectorAll("input")[before - 1].checked = true;
      button.disabled = false;
      show(before);
    }
  }

  const list = document.querySelector(".predictions");
  if (!list) return;
  const items = list.querySelectorAll("[data-predict]");
  const told = make("p", "predictions-told");
  told.setAttribute("role", "status");
  const button = make("button", "predict-button", "Forget my answers");
  button.type = "button";
  const tell = () => {
    const answers = read();
    let answered = 0;
    let surprises = 0;
    for (const item of items) {
      const answer = answers[item.dataset.predict];
      answered += Boolean(answer);
      surprises += Boolean(answer?.surprised);
      item.querySelector(".predictions-outcome")?.remove();
      const word = answer ? (answer.surprised ? "surprised you" : "as you predicted") : "not answered";
      item.append(make("span", "predictions-outcome", ` – ${word}`));
      item.dataset.outcome = answer ? (answer.surprised ? "surprise" : "right") : "none";
    }
    told.textContent = answered
      ? `You have answered ${answered} of ${items.length} questions. ${surprises} surprised you.`
      : `You have answered none of the ${items.length} questions in this browser yet.`;
    button.disabled = !answered;
  };
  button.addEventListener("click", () => {
    try { localStorage.removeItem(KEY); } catch { /* nothing was kept */ }
    tell();
    told.textContent = `Forgotten. ${told.textContent}`;
  });
  list.before(told);
  list.after(button);
  tell();
})();
