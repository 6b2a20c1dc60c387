// The way from one z to another.

import { paint } from './picture.js';

const SECONDS = 3;

export class Morph {
  /**
   * @param {Object} parts the elements: from, to, between, play.
   * @param {Array} shape of the images.
   * @param {Function} current gives the z and the pixels that are shown.
   * @param {Function} onMove called with the new z.
   */
  constructor(parts, shape, current, onMove) {
    Object.assign(this, parts, { shape, current, onMove, ends: new Map() });
    for (const end of [this.from, this.to]) {
      end.addEventListener('click', () => {
        this.take(end, this.current());
        this.between.value = end === this.from ? 0 : 100;
      });
    }
    this.between.addEventListener('input', () => {
      this.stop();
      this.move();
    });
    this.play.addEventListener('click', () => (this.frame ? this.stop() : this.start()));
  }

  /** Take a z and its image as an end. */
  take(end, { z, image }) {
    this.ends.set(end, z);
    paint(end.querySelector('canvas'), image, this.shape);
  }

  move() {
    const part = this.between.value / 100;
    const [start, end] = [this.ends.get(this.from), this.ends.get(this.to)];
    this.onMove(start.map((value, unit) => value * (1 - part) + end[unit] * part));
  }

  start() {
    this.play.textContent = 'Pause';
    const begun = performance.now() - (SECONDS * 1000 * (this.between.value % 100)) / 100;
    const step = (now) => {
      this.between.value = Math.min(100, ((now - begun) / SECONDS) * 0.1);
      this.move();
      if (this.between.value === '100') this.stop();
      else this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  stop() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.play.textContent = 'Play';
  }
}
