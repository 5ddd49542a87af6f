// A search box with an open list of hits, after the ARIA pattern of a combobox with a list box.
// Python finds the hits (product_search.py); this file draws them and reports what is typed and chosen.
const WAIT = 120;

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".search");
  const box = root.querySelector("input");
  const list = root.querySelector("ul");
  const note = root.querySelector(".note");
  // The element outlives every run of the script, so what must survive a run is kept on it.
  const own = (root.own ??= { open: false, active: 0, timer: null, enter: false, asked: null });
  const typed = () => box.value.trim();
  const fresh = () => (data.query ?? "") === typed();

  function ask() {
    clearTimeout(own.timer);
    if (own.asked === typed() && fresh()) return;
    own.asked = typed();
    setStateValue("query", typed());
  }

  function choose(index) {
    const hit = data.hits[index];
    if (!hit) return;
    own.open = own.enter = false;
    box.value = "";
    draw();
    setTriggerValue("chosen", hit.id);
  }

  function draw() {
    const shown = own.open && (fresh() || data.hits.length > 0);
    own.active = Math.max(0, Math.min(own.active, data.hits.length - 1));
    root.classList.toggle("open", shown);
    root.classList.toggle("waiting", !fresh());
    box.setAttribute("aria-expanded", String(shown && data.hits.length > 0));
    note.textContent = shown ? data.note : "";
    list.replaceChildren();
    if (!shown) {
      box.removeAttribute("aria-activedescendant");
      return;
    }
    data.hits.forEach((hit, index) => {
      const item = document.createElement("li");
      item.id = `hit-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === own.active));
      for (const [kind, text] of [["name", hit.name], ["detail", hit.detail]]) {
        const line = document.createElement("span");
        line.className = kind;
        line.dir = "auto";
        line.textContent = text;
        item.append(line);
      }
      item.onclick = () => choose(index);
      list.append(item);
    });
    const active = list.children[own.active];
    if (active) {
      box.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    }
  }

  function move(step) {
    own.open = true;
    own.active = (own.active + step + data.hits.length) % Math.max(1, data.hits.length);
    draw();
  }

  root.querySelector("label").textContent = data.label;
  box.placeholder = data.placeholder;
  list.setAttribute("aria-label", data.label);
  // Pressing the mouse would take the focus from the box, which closes the list before the click. Nor may Tab go to the
  // list, as browsers let it do where an element scrolls (tabindex in search_box.html).
  root.querySelector(".hits").onmousedown = (event) => event.preventDefault();
  box.onfocus = box.onclick = () => {
    own.open = true;
    ask();
    draw();
  };
  box.onblur = () => {
    own.open = own.enter = false;
    draw();
  };
  box.oninput = () => {
    own.open = true;
    own.active = 0;
    own.enter = false;
    clearTimeout(own.timer);
    own.timer = setTimeout(() => root.ask(), WAIT);
    draw();
  };
  box.onkeydown = (event) => {
    if (event.isComposing) return; // an input method uses the same keys
    const keys = {
      ArrowDown: () => move(own.open ? 1 : 0),
      ArrowUp: () => move(-1),
      Enter: () => {
        if (fresh()) return choose(own.active);
        own.enter = true; // the first hit is taken as soon as it is known
        ask();
      },
      Escape: () => {
        own.open = false;
        draw();
      },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  };
  root.ask = ask; // a timer that was set before this run asks with what is known now
  draw();
  if (own.enter && fresh()) choose(0);
  if (own.open && !fresh() && own.timer === null) ask();
}
