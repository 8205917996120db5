// The invitation's secret stands after the # of the link, where no server and no log sees it. It goes
// into the form's field, and out of the address bar.
const field = document.getElementById("code");
const secret = decodeURIComponent(location.hash.slice(1));
if (field instanceof HTMLInputElement && secret !== "") {
  field.value = secret;
  history.replaceState(null, "", location.pathname);
  document.getElementById("name")?.focus();
}
