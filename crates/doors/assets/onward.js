// Carries a request of ours to an identity provider that takes forms. Coming back here by the browser's back
// button does not send it again: it is good once.
const form = document.getElementById("onward");
const [entry] = performance.getEntriesByType("navigation");
if (form instanceof HTMLFormElement && !(entry instanceof PerformanceNavigationTiming && entry.type === "back_forward")) {
  form.submit();
}
