// Makes pages more comfortable; all of them work without it.
"use strict";

// An element with data-refresh="SECONDS" is fetched anew with its page and replaced by its id.
function refresh(element) {
  const seconds = Number(element.dataset.refresh);
  setInterval(async () => {
    const shown = document.getElementById(element.id);
    if (document.hidden || !shown || shown.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(element.id);
      if (fresh) shown.replaceWith(fresh);
    } catch {
      // The console has ended or restarts; what is shown stays.
    }
  }, seconds * 1000);
}

// A button with data-copy="ID" copies the text of that element.
async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select the text and copy it";
  }
}

// A number with data-slider gets a slider beside it, and both show the same.
function slide(number) {
  const slider = document.createElement("input");
  slider.type = "range";
  for (const name of ["min", "max", "step", "value"]) slider[name] = number[name];
  slider.step = 1;
  slider.setAttribute("aria-label", number.dataset.slider);
  slider.addEventListener("input", () => { number.value = slider.value; });
  number.addEventListener("input", () => { slider.value = number.value; });
  number.before(slider);
}

for (const element of document.querySelectorAll("[data-refresh]")) refresh(element);
for (const number of document.querySelectorAll("input[data-slider]")) slide(number);
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
