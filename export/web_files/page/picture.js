// Images of the model on canvases, a canvas pixel for each of theirs.

function asImageData(values, [height, width, channels]) {
  const data = new ImageData(width, height);
  // Floats are clipped and rounded as in the PNG files that Python writes.
  const scale = values instanceof Uint8Array ? 1 : 255;
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let channel = 0; channel < 4; channel++) {
      const place = channels === 1 && channel < 3 ? 0 : channel;
      const value = place < channels ? Math.fround(values[pixel * channels + place] * scale) : 255;
      data.data[4 * pixel + channel] = value;
    }
  }
  return data;
}

/** Draw an image on a canvas of its size. */
export function paint(canvas, values, shape) {
  if (canvas.width !== shape[1] || canvas.height !== shape[0]) {
    [canvas.height, canvas.width] = shape;
  }
  canvas.getContext('2d').putImageData(asImageData(values, shape), 0, 0);
}

/** Draw an image in a cell of a canvas that holds many, with a gap of its corner's colour. */
export function paintCell(canvas, values, shape, column, row) {
  const [height, width] = cellSize(shape);
  const [left, top] = [column * width, row * height];
  const image = asImageData(values, shape);
  const context = canvas.getContext('2d');
  const [red, green, blue, alpha] = image.data;
  context.fillStyle = `rgb(${red} ${green} ${blue} / ${alpha / 255})`;
  context.fillRect(left, top, width, height);
  const inner = [left + (width - shape[1]) / 2, top + (height - shape[0]) / 2].map(Math.floor);
  context.putImageData(image, ...inner);
}

/** Return the height and the width of a cell. */
export function cellSize([height, width]) {
  const gap = Math.ceil(Math.max(height, width) / 20);
  return [height + gap, width + gap];
}
