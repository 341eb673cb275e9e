/**
 * The pages' script: fetches the page again every two seconds while it is visible, and puts in the changes. Open,
 * focused and scrolled elements stay so. A page whose run has ended is left alone.
 */
export const LIVE_SCRIPT = `
const EVERY_MS = 2000;
let timer;
const parts = (root) => [...root.querySelectorAll('body > header > *, main > *')];
async function update() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.origin + location.pathname, { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    put(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    document.getElementById('lost').hidden = true;
  } catch {
    document.getElementById('lost').hidden = false;
  }
  clearTimeout(timer);
  if (!document.querySelector('main[data-over]')) timer = setTimeout(update, EVERY_MS);
}
function put(next) {
  const focused = document.activeElement?.id;
  for (const { id } of document.querySelectorAll('details[open]')) next.getElementById(id)?.setAttribute('open', '');
  document.title = next.title;
  const [before, after] = [parts(document), parts(next)];
  const same = before.length === after.length && before.every((part, at) => part.id === after[at].id);
  if (same) before.forEach((part, at) => part.isEqualNode(after[at]) || part.replaceWith(after[at]));
  else document.querySelector('main').replaceChildren(...next.querySelector('main').children);
  if ('over' in next.querySelector('main').dataset) document.querySelector('main').dataset.over = '';
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}
document.addEventListener('visibilitychange', update);
timer = setTimeout(update, EVERY_MS);
`;
