// Puts the payment provider's own fields on the page; the card's number never reaches this site.
"use strict";
(function () {
  const form = document.getElementById("card");
  const problem = document.getElementById("card-problem");
  const button = form.querySelector("button");
  const stripe = window.Stripe(form.dataset.key);
  const elements = stripe.elements({ clientSecret: form.dataset.clientSecret, locale: document.documentElement.lang });
  elements.create("payment").mount("#fields");
  form.addEventListener("submit", async function (event) {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = "";
    const answer = await stripe.confirmSetup({ elements, redirect: "if_required", confirmParams: { return_url: window.location.href } });
    if (answer.error) {
      problem.textContent = answer.error.message;
      button.disabled = false;
      return;
    }
    form.submit();
  });
})();
