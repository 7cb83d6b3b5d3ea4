// Makes of each question a fieldset, answers the reader's choice, opens what is folded behind it,
// and says on the page with all questions how the reader answered. Answers stay in this browser.
(() => {
  const KEY = "condlesson-predictions";
  let kept; // on this page, where the browser keeps nothing
  const read = () => {
    if (kept) return kept;
    let found = {};
    try { found = Object(JSON.parse(localStorage.getItem(KEY))); } catch { /* nothing was kept */ }
    const isAnswer = ([, answer]) => Number.isInteger(answer?.choice); // else it is not ours
    return kept = Object.fromEntries(Object.entries(found).filter(isAnswer));
  };
  const write = (answers) => {
    kept = answers;
    try { localStorage.setItem(KEY, JSON.stringify(answers)); } catch { /* nothing is kept */ }
  };
  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };

  // The question as a fieldset: a radio button for each choice, and what is said to each.
  const box = (details) => {
    const fieldset = make("fieldset", "predict-box");
    fieldset.id = details.id;
    const legend = make("legend", "predict-question");
    legend.append(...details.querySelector("summary").childNodes);
    fieldset.append(legend);
    const feedback = [];
    for (const [index, item] of [...details.querySelector(".predict-choices").children].entries()) {
      const label = make("label", "predict-option");
      const input = make("input");
      input.type = "radio";
      input.name = `predict-${details.dataset.predict}`;
      input.value = index + 1;
      const text = make("span");
      for (const part of item.querySelector(".predict-choice").children) {
        text.append(...part.childNodes);
      }
      label.append(input, text);
      fieldset.append(label);
      feedback.push(item.querySelector(".predict-feedback"));
    }
    return { fieldset, feedback };
  };

  for (const details of document.querySelectorAll("details.predict")) {
    const name = details.dataset.predict;
    const right = Number(details.dataset.right);
    const answer = details.querySelector(".predict-answer"); // if the question stops its reader
    const { fieldset, feedback } = box(details);
    const options = [...fieldset.querySelectorAll(".predict-option")];
    const button = make("button", "predict-button", answer ? "Show what happens" : "Check my guess");
    button.type = "button";
    button.disabled = true;
    const status = make("div", "predict-status");
    status.setAttribute("role", "status");
    fieldset.append(button, status);
    details.replaceWith(fieldset);
    if (answer) {
      answer.dataset.predict = name;
      answer.querySelector("summary").textContent = "Without a guess: the answer";
      fieldset.classList.add("predict-stops");
      fieldset.after(answer);
    }

    const chosen = () => Number(fieldset.querySelector("input:checked")?.value || 0);
    // What is said to a choice; after a wrong one also which is right, and why.
    const show = (choice, first) => {
      const isRight = choice === right;
      const word = isRight
        ? (first === right ? "As you predicted." : "That is right. Your first guess was another one.")
        : "A surprise.";
      const said = [make("strong", "", word), feedback[choice - 1]];
      if (!isRight) {
        const other = options[right - 1].querySelector("span").textContent.trim();
        said.push(make("strong", "predict-right-one", `Right: ${other}`), feedback[right - 1]);
      }
      status.replaceChildren(...said);
      status.dataset.outcome = isRight ? "right" : "surprise";
      options.forEach((option, index) => {
        option.classList.toggle("is-right", index === right - 1);
        option.classList.toggle("is-wrong", index === choice - 1 && !isRight);
      });
      if (!answer) return;
      answer.querySelector("summary").textContent = "The answer";
      answer.open = true;
    };
    fieldset.addEventListener("change", () => { button.disabled = false; });
    button.addEventListener("click", () => {
      const answers = read();
      // The first guess counts; others may be tried for what is said to them.
      answers[name] ||= { choice: chosen(), surprised: chosen() !== right };
      write(answers);
      show(chosen(), answers[name].choice);
    });
    const before = read()[name]?.choice;
    if (before >= 1 && before <= feedback.length) {
      fieldset.querySelectorAll("input")[before - 1].checked = true;
      button.disabled = false;
      show(before, before);
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
      item.hidden = !answer;
      if (!answer) continue;
      const word = answer.surprised ? "surprised you" : "as you predicted";
      item.append(make("span", "predictions-outcome", ` – ${word}`));
      item.dataset.outcome = answer.surprised ? "surprise" : "right";
    }
    for (const ofPage of list.children) ofPage.hidden = !ofPage.querySelector("li:not([hidden])");
    told.textContent = answered
      ? `You have answered ${answered} of ${items.length} questions. ${surprises} surprised you.`
      : `You have answered none of the ${items.length} questions in this browser yet. Those that you answer are listed here.`;
    button.disabled = !answered;
  };
  button.addEventListener("click", () => {
    write({});
    tell();
    told.textContent = `Forgotten. ${told.textContent}`;
  });
  list.before(told);
  list.after(button);
  tell();
})();
