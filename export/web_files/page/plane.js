// Two latent units as a plane to drag in, with small images of what lies where.

import { cellSize, paintCell } from './picture.js';
import { inWords } from './sliders.js';

const STEPS = 40;
const LARGE = 5;
const REST = 250;
const SLOW = 60;
const MAP_PIXELS = 300;

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Plane {
  /**
   * @param {Object} parts the elements: plane, map, marker, across, up.
   * @param {Object} site what site.json says.
   * @param {Function} decode from z to an image.
   * @param {Function} onMove called with the new z.
   */
  constructor(parts, site, decode, onMove) {
    Object.assign(this, parts, { site, decode, onMove });
    this.plane.style.aspectRatio = `${site.shape[1]} / ${site.shape[0]}`;
    const [first, second] = site.units;
    this.addChoices(this.across, first.unit);
    this.addChoices(this.up, second.unit);
    this.listen();
  }

  addChoices(select, chosen) {
    for (const { unit } of this.site.units) select.add(new Option(`unit ${unit}`, unit));
    select.value = chosen;
    select.addEventListener('change', () => {
      // The same unit twice would be no plane: they change places.
      const other = select === this.across ? this.up : this.across;
      if (other.value === select.value) other.value = select.dataset.was;
      this.set(this.z);
    });
  }

  axes() {
    return [this.across, this.up].map((select) =>
      this.site.units.find(({ unit }) => unit === Number(select.value)),
    );
  }

  listen() {
    const drag = (event) => {
      const box = this.plane.getBoundingClientRect();
      const part = (value) => Math.min(1, Math.max(0, value));
      this.moveTo([
        part((event.clientX - box.left) / box.width),
        part(1 - (event.clientY - box.top) / box.height),
      ]);
    };
    this.plane.addEventListener('pointerdown', (event) => {
      this.plane.setPointerCapture(event.pointerId);
      drag(event);
    });
    this.plane.addEventListener('pointermove', (event) => {
      if (this.plane.hasPointerCapture(event.pointerId)) drag(event);
    });
    this.plane.addEventListener('keydown', (event) => {
      if (event.key === 'Home') this.moveTo([0.5, 0.5]);
      else if (event.key in ARROWS) {
        const step = (event.shiftKey ? LARGE : 1) / STEPS;
        const at = this.places();
        this.moveTo(ARROWS[event.key].map((sign, axis) => at[axis] + sign * step));
      } else return;
      event.preventDefault();
    });
  }

  /** Move to a place, of which 0 is the low end and 1 the high end of an axis. */
  moveTo(places) {
    this.onMove(this.at(places.map((place) => Math.min(1, Math.max(0, place)))));
  }

  places() {
    return this.axes().map(({ unit, low, high }) => {
      return Math.min(1, Math.max(0, (this.z[unit] - low) / (high - low)));
    });
  }

  /** Show z. */
  set(z) {
    this.z = z;
    for (const select of [this.across, this.up]) select.dataset.was = select.value;
    const [x, y] = this.places();
    this.marker.style.left = `${100 * x}%`;
    this.marker.style.bottom = `${100 * y}%`;
    const names = this.axes().map(({ unit }) => `unit ${unit} ${inWords(z[unit])}`);
    this.plane.setAttribute('aria-label', `Plane: ${names[0]} across, ${names[1]} up`);
    this.moves = (this.moves ?? 0) + 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fillMap(), REST);
  }

  /** Draw the images around z anew, unless the map is of them already. */
  async fillMap() {
    const axes = this.axes();
    const others = this.z.map((value, unit) => (axes.some((axis) => axis.unit === unit) ? 0 : value));
    const key = [axes.map(({ unit }) => unit), this.label, others].join(' ');
    if (key === this.shown) return;
    const { shape } = this.site;
    const count = Math.min(9, Math.max(3, Math.floor(MAP_PIXELS / Math.max(...cellSize(shape)))));
    const image = document.createElement('canvas');
    [image.height, image.width] = cellSize(shape).map((size) => count * size);
    const { moves } = this;
    for (let cell = 0; cell < count * count; cell++) {
      const [row, column] = [Math.floor(cell / count), cell % count];
      const found = await this.decode(this.at([(column + 0.5) / count, 1 - (row + 0.5) / count]));
      // What is being moved goes before; a slow model has no map.
      if (this.moves !== moves || found.ms > SLOW) return;
      paintCell(image, found.image, shape, column, row);
    }
    [this.map.height, this.map.width] = [image.height, image.width];
    this.map.getContext('2d').drawImage(image, 0, 0);
    this.shown = key;
  }

  /** Return z with the units of the plane at a place. */
  at(places) {
    const z = Float32Array.from(this.z);
    this.axes().forEach(({ unit, low, high }, axis) => (z[unit] = low + places[axis] * (high - low)));
    return z;
  }
}
