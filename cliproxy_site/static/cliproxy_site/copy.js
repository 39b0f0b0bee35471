// A button with data-copy="id" copies the text of that element. The clipboard interface exists on https and
// localhost only, and a browser may leave its promise open for ever (no focus, a permission nobody answers);
// then the text is selected, so that one keystroke copies it. Loaded without defer: the listener must stand
// before the first button can be clicked.

// A page that is the answer to a form: what a reload shows is the address named here, not the form sent again.
addEventListener("DOMContentLoaded", () => {
  const once = document.querySelector("[data-afterwards]");
  if (once) history.replaceState(null, "", once.dataset.afterwards);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const select = () => {
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  };
  if (!navigator.clipboard) {
    select();
    return;
  }
  const impatient = setTimeout(select, 700);
  navigator.clipboard.writeText(source.textContent).then(
    () => {
      clearTimeout(impatient);
      button.textContent = "Copied";
    },
    () => {
      clearTimeout(impatient);
      select();
    },
  );
});
