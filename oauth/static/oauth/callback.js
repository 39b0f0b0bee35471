// A window that was opened for the login closes itself; any other stays, browsers allow no more. What the
// address bar shows loses its code at once, so that no history keeps it.
"use strict";

history.replaceState(null, "", location.pathname);
const closing = document.getElementById("closing");
if (closing && !document.querySelector(".actions")) {
  setTimeout(() => window.close(), 5000);
}
