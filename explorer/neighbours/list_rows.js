// A list of products in rows of two lines; list_view.py says what each row holds.
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const list = parentElement.querySelector("ol");
  list.setAttribute("aria-label", data.label);

  function element(kind, name, text) {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function row(entry) {
    const item = element("li");
    item.append(element("span", "rank", entry.rank));

    const what = element("div", "what");
    const name = element("a", "name", entry.name);
    name.href = entry.href;
    name.dir = "auto";
    name.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
      event.preventDefault();
      setTriggerValue("opened", entry.id);
    };
    const detail = element("div", "detail");
    const text = element("span", "", entry.detail);
    text.dir = "auto";
    if (entry.detail) detail.append(text);
    for (const tag of entry.tags) {
      const mark = element("span", `tag ${tag.kind}`, tag.text);
      mark.title = tag.help;
      detail.append(mark);
    }
    what.append(name, detail);

    const score = element("div", "score");
    score.title = data.score_help;
    const bar = element("span", "bar");
    const share = element("span");
    share.style.width = `${Math.round(100 * entry.share)}%`;
    bar.append(share);
    score.append(bar, element("span", "number", entry.score));

    const why = element("button", "why", "Why?");
    why.setAttribute("aria-label", `Why ${entry.name}?`);
    why.onclick = () => setTriggerValue("asked", entry.id);

    item.append(what, score, why);
    return item;
  }

  // The same rows stay, so that a focus on one of them stays too.
  const shown = JSON.stringify(data);
  if (list.shown !== shown) {
    list.shown = shown;
    list.replaceChildren(...data.rows.map(row));
  }
}
