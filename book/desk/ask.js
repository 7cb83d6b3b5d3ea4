// How the desk asks its network: in a worker if the browser allows one, else on the page in slices.
globalThis.engine = (() => {
  const script = document.querySelector("script[src*='/engine.js']").src; // with all of jobs.js
  const asked = new Map(); // number of a request, to { owner, hear }
  let count = 0;

  // A worker that answers, or null: browsers refuse one to a page that was opened from a folder.
  const beginWorker = () => new Promise((resolve) => {
    try {
      const worker = new Worker(script);
      worker.onmessage = ({ data }) => (data.ready ? resolve(worker) : hear(data));
      worker.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });

  let worker; // begun with the first question
  const whoAnswers = () => (worker ??= beginWorker());

  const hear = ({ number, ...answer }) => {
    const request = asked.get(number);
    if (!request) return; // it was cancelled, and its answer was on the way
    if (!("step" in answer)) asked.delete(number);
    request.hear(answer);
  };

  const forget = (owner) => {
    for (const [number, request] of asked) if (request.owner === owner) asked.delete(number);
  };

  // Ask for a job. `hear` gets { step }, any number of times, and then { done } or { failed };
  // nothing more once the owner has asked for something else, or has stopped.
  const ask = async (owner, kind, request, answered) => {
    forget(owner);
    const number = ++count;
    asked.set(number, { owner, hear: answered });
    const answers = await whoAnswers();
    if (!asked.has(number)) return;
    if (answers) answers.postMessage({ owner, kind, request, number });
    else jobs.start(owner, kind, request, (answer) => hear({ number, ...answer }));
  };

  const stop = async (owner) => {
    forget(owner);
    const answers = await whoAnswers();
    if (answers) answers.postMessage({ owner, kind: "stop" });
    else jobs.stop(owner);
  };

  return { ask, stop };
})();
