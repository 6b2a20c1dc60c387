// A slider for each latent unit, the most active first.

const FIRST = 8;
const STEPS = 100;

/** Return a number of z for people, with a minus sign that no zero has. */
export function inWords(value) {
  return (Math.round(100 * value) / 100 || 0).toFixed(2).replace('-', '−');
}

export class Sliders {
  /**
   * @param {Element} place where they go.
   * @param {Element} more the button that shows those beyond the first.
   * @param {Array} units of the site: unit, low, high.
   * @param {Function} onMove called with a unit and its new value.
   */
  constructor(place, more, units, onMove) {
    this.place = place;
    this.units = units;
    this.onMove = onMove;
    this.inputs = new Map();
    this.show(FIRST);
    more.hidden = units.length <= FIRST;
    more.textContent = `Show all ${units.length}`;
    more.addEventListener('click', () => {
      const first = this.inputs.size;
      this.show(units.length);
      this.set(this.z);
      more.hidden = true;
      this.inputs.get(units[first].unit).input.focus();
    });
  }

  show(count) {
    for (const unit of this.units.slice(this.inputs.size, count)) this.add(unit);
  }

  add({ unit, low, high }) {
    const label = document.createElement('label');
    label.className = 'slider';
    const name = document.createElement('span');
    name.textContent = `Unit ${unit}`;
    const input = document.createElement('input');
    Object.assign(input, { type: 'range', min: low, max: high, step: (high - low) / STEPS });
    input.id = `unit-${unit}`;
    const value = document.createElement('output');
    value.htmlFor = input.id;
    // The slider tells its value itself; an output would speak at each change of any unit.
    value.setAttribute('aria-hidden', 'true');
    label.append(name, input, value);
    this.place.append(label);
    this.inputs.set(unit, { input, value });
    input.addEventListener('input', () => this.onMove(unit, Number(input.value)));
  }

  /** Show z, which may lie beyond the ends of a slider. */
  set(z) {
    this.z = z;
    for (const [unit, { input, value }] of this.inputs) {
      input.value = z[unit];
      value.textContent = inWords(z[unit]);
      input.setAttribute('aria-valuetext', value.textContent);
    }
  }
}
