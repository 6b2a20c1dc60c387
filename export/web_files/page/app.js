import { openModel, readSite } from './model.js';
import { Morph } from './morph.js';
import { paint } from './picture.js';
import { Plane } from './plane.js';
import { rowSeeds } from './seeds.js';
import { Sliders, inWords } from './sliders.js';

const SAMPLES = 8;
const KEPT_TIMES = 60;
const QUIET = 500;

const PIXELATED = 128;

const element = (id) => document.getElementById(id);

class Page {
  constructor(site, model) {
    Object.assign(this, { site, model, z: Float32Array.from(site.centre), times: [] });
    this.labels();
    const moved = (z) => this.move(z);
    const sliderMoved = (unit, value) => this.move(this.z.map((old, place) => (place === unit ? value : old)));
    this.sliders = new Sliders(element('sliders'), element('more'), site.units, sliderMoved);
    if (site.units.length > 1) {
      const names = ['plane', 'map', 'marker', 'across', 'up'];
      const decode = (z) => this.model.decode(z, this.label);
      this.plane = new Plane(pick(names), site, decode, moved);
    }
    element('plane-part').hidden = !this.plane;
    const current = () => ({ z: this.z, image: this.image });
    this.morph = new Morph(pick(['from', 'to', 'between', 'play']), site.shape, current, moved);
    element('centre').addEventListener('click', () => this.move(Float32Array.from(site.centre)));
    this.listenToSeeds();
  }

  labels() {
    const { labels } = this.site;
    element('label-part').hidden = !labels;
    if (!labels) return;
    const select = element('label');
    if (labels.none) select.add(new Option('any', -1));
    labels.names.forEach((name, place) => select.add(new Option(name, place)));
    this.label = Number(select.value);
    select.addEventListener('change', () => {
      this.label = Number(select.value);
      this.move(this.z);
      this.drawSamples();
    });
  }

  listenToSeeds() {
    const seed = element('seed');
    element('random').addEventListener('submit', (event) => {
      event.preventDefault();
      this.drawSamples(true);
    });
    element('another').addEventListener('click', () => {
      seed.value = Math.floor(Math.random() * 2 ** 31);
      this.drawSamples(true);
    });
  }

  /** Draw the samples of the seed, and where `taken` show the first of them. */
  async drawSamples(taken = false) {
    const seed = Number(element('seed').value);
    const found = [];
    for (const rowSeed of rowSeeds(seed, SAMPLES)) {
      found.push(await this.model.generate(rowSeed, this.label));
    }
    const buttons = found.map((sample, row) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'thumb';
      button.setAttribute('aria-label', `Sample ${row + 1} of seed ${seed}`);
      button.append(document.createElement('canvas'));
      paint(button.firstChild, sample.image, this.site.shape);
      button.addEventListener('click', () => this.show(sample));
      return button;
    });
    element('samples').replaceChildren(...buttons);
    if (taken) this.show(found[0]);
    return found;
  }

  /** Decode z and show it; of several asked for meanwhile, the last. */
  async move(z) {
    this.mark(z);
    if (this.isBusy) {
      this.isBehind = true;
      return;
    }
    this.isBusy = true;
    try {
      do {
        this.isBehind = false;
        const wanted = this.z;
        const found = await this.model.decode(wanted, this.label);
        this.show({ ...found, z: wanted }, false);
      } while (this.isBehind);
    } finally {
      this.isBusy = false;
    }
  }

  /** Say where z is, on every control. */
  mark(z) {
    this.z = z;
    this.sliders.set(z);
    if (this.plane) {
      this.plane.label = this.label;
      this.plane.set(z);
    }
  }

  show({ image, z, ms }, isElsewhere = true) {
    this.image = image;
    paint(element('picture'), image, this.site.shape);
    if (isElsewhere) this.mark(z);
    this.times = [...this.times, ms].slice(-KEPT_TIMES);
    const median = [...this.times].sort((a, b) => a - b)[Math.floor(this.times.length / 2)];
    element('time').textContent = `Drawn in ${ms.toFixed(1)} ms (median ${median.toFixed(1)})`;
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.say(ms), QUIET);
  }

  /** Tell a screen reader, once nothing moves any more. */
  say(ms) {
    const where = this.site.units.slice(0, 2).map(({ unit }) => `${unit} at ${inWords(this.z[unit])}`);
    const label = this.site.labels ? `, class ${element('label').selectedOptions[0].text}` : '';
    const text = `Image drawn in ${ms.toFixed(1)} ms: unit ${where.join(', unit ')}${label}`;
    element('said').textContent = text;
    element('picture').setAttribute('aria-label', text);
  }
}

function pick(names) {
  return Object.fromEntries(names.map((name) => [name, element(name)]));
}

function sayFacts(site) {
  const [height, width, channels] = site.shape;
  const kind = { 1: 'grey', 3: 'colour', 4: 'colour and alpha' }[channels];
  element('units-hint').textContent = site.order;
  const file = document.createElement('a');
  Object.assign(file, { href: site.file, textContent: site.file, download: '' });
  element('facts').append(
    file,
    `: ${site.size}, ${site.precision}, ${width}×${height} ${kind}, ` +
      `${site.centre.length} latent ${site.centre.length === 1 ? 'unit' : 'units'}. ` +
      `Run by ${site.runtime} in this browser. ${site.privacy}`,
  );
}

async function start() {
  const site = await readSite();
  const page = new Page(site, await openModel(site));
  sayFacts(site);
  document.body.classList.toggle('pixelated', Math.max(...site.shape) <= PIXELATED);
  // The first run of a file takes longer than the others.
  await page.model.decode(page.z, page.label);
  await page.model.generate(0, page.label);
  const [first, second] = await page.drawSamples(true);
  page.morph.take(element('from'), first);
  page.morph.take(element('to'), second);
  element('notice').hidden = true;
  element('app').hidden = false;
  document.documentElement.dataset.state = 'ready';
}

if (document.documentElement.dataset.state === 'loading') {
  addEventListener('unhandledrejection', ({ reason }) => {
    window.failed(`The model cannot be shown. ${reason?.message ?? reason}`);
  });
  start();
}
