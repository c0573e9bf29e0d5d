// What the console does beside htmx: asks before what cannot be undone, fills previews, and lets rules be moved. All of it
// is optional: without script every button sends its form, and the server answers with a page.
"use strict";
(function () {
  document.addEventListener("submit", function (event) {
    const question = (event.submitter || event.target).dataset.confirm || event.target.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  // A preview that was put in has an empty frame: what is typed is sent into it, and does nothing there.
  document.addEventListener("htmx:load", function (event) {
    const frame = event.detail.elt.querySelector && event.detail.elt.querySelector("iframe[name]");
    const button = frame && document.querySelector("[data-fills='" + frame.name + "']");
    if (button) button.form.requestSubmit(button);
  });

  const list = document.querySelector("[data-sortable]");
  if (!list) return;
  let held = null;

  function moved() {
    list.querySelectorAll(":scope > li").forEach(function (item, place) {
      item.querySelector(".place").textContent = place + 1;
      item.querySelectorAll("button[data-move]").forEach(function (button) {
        button.textContent = "Move rule " + (place + 1) + " " + button.dataset.move;
      });
    });
    list.closest("form").dispatchEvent(new Event("moved"));
  }

  list.addEventListener("click", function (event) {
    const button = event.target.closest("button[data-move]");
    if (!button) return;
    event.preventDefault();
    const item = button.closest("li");
    const up = button.dataset.move === "up";
    const other = up ? item.previousElementSibling : item.nextElementSibling;
    if (other) {
      list.insertBefore(item, up ? other : other.nextElementSibling);
      moved();
    }
    button.focus();
  });

  list.addEventListener("dragstart", function (event) {
    held = event.target.closest("li");
    if (!held || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName) && held.contains(document.activeElement)) {
      held = null;
      event.preventDefault();
      return;
    }
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", held.dataset.rule);
    held.classList.add("held");
  });

  list.addEventListener("dragover", function (event) {
    const over = event.target.closest("li");
    if (!held || !over) return;
    event.preventDefault();
    if (over === held) return;
    const box = over.getBoundingClientRect();
    const below = event.clientY > box.top + box.height / 2;
    list.insertBefore(held, below ? over.nextElementSibling : over);
  });

  list.addEventListener("drop", function (event) {
    if (held) event.preventDefault();
  });

  list.addEventListener("dragend", function () {
    if (!held) return;
    held.classList.remove("held");
    held = null;
    moved();
  });
})();
