// Unfold's icons are words drawn as pictures ("cloud"): beside a text a screen reader must not say them too.
addEventListener("DOMContentLoaded", () => {
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    if (icon.parentElement.textContent.trim() !== icon.textContent.trim()) icon.ariaHidden = "true";
  }
});
