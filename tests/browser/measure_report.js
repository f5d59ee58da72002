// Measures the report's page in each frame of the harness, in both languages, and writes what it found as JSON.
const rgb = (colour) => colour.match(/[\d.]+/g).map(Number);

function luminance(colour) {
  const [r, g, b] = colour.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const colour = rgb(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}

function contrast(element) {
  const [a, b] = [luminance(rgb(getComputedStyle(element).color)), luminance(ground(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function look(frame, language) {
  const d = frame.contentDocument;
  d.querySelector(`[for=show-${language}]`).click();
  const shown = (selector) => [...d.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
  const told = (elements) => elements.map((e) => e.outerHTML.slice(0, 120));
  const texts = shown('body *').filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((e) => !e.closest('svg') && !e.closest('caption'));
  const beyond = (e) => !e.closest('.scroll') && e.getBoundingClientRect().right > frame.clientWidth + 1;
  const flat = (e) => e.getBoundingClientRect().width < 20 || e.getBoundingClientRect().height < 5;
  return {
    language, width: frame.clientWidth, scroll: d.documentElement.scrollWidth,
    texts: texts.length, faint: told(texts.filter((e) => contrast(e) < 4.5)),
    beyond: told(shown('body *').filter(beyond)),
    charts: shown('svg').length, flat: told(shown('svg').filter(flat)),
    boxes: shown('.scroll').filter((e) => e.scrollWidth > e.clientWidth).length,
    ground: luminance(ground(d.body)), title: d.title, scripts: d.scripts.length, images: d.images.length,
    loaded: frame.contentWindow.performance.getEntriesByType('resource').length,
    headings: shown('h2').map((e) => e.textContent), text: d.body.innerText,
  };
}

onload = () => {
  const frames = [...document.querySelectorAll('iframe')];
  const found = frames.flatMap((frame) => ['zh', 'en'].map((language) => look(frame, language)));
  document.body.textContent = 'RESULT' + JSON.stringify(found) + 'END';
};
