// A form is sent once, however often its button is pressed; back from the history it can be sent again.
"use strict";

const form = document.querySelector("form.card");
form?.addEventListener("submit", () => {
  for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = true;
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[type=submit]")) button.disabled = false;
});
