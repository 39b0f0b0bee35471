// A button with data-copy="id" copies the text of that element. The clipboard interface exists on https and
// localhost only; elsewhere the text is selected, so that one keystroke copies it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const select = () => {
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  };
  if (navigator.clipboard) {
    navigator.clipboard.writeText(source.textContent).then(() => (button.textContent = "Copied"), select);
  } else {
    select();
  }
});
