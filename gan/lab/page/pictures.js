// Images on canvases, and files to save.

// Paint a uint8 image (H, W) or (H, W, 3), whose first byte is at `start` of `data`.
export function paint(canvas, data, height, width, channels, start = 0) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const picture = new ImageData(width, height);
  for (let k = 0; k < height * width; k++) {
    for (let c = 0; c < 3; c++) picture.data[4 * k + c] = data[start + channels * k + (channels === 3 ? c : 0)];
    picture.data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// Paint the image of that index of an array (N, H, W) or (N, H, W, 3).
export function paintFrom(canvas, images, index) {
  const [, height, width, channels = 1] = images.shape;
  paint(canvas, images, height, width, channels, index * height * width * channels);
}

// Paint one image (H, W) or (H, W, 3).
export function paintOne(canvas, image) {
  const [height, width, channels = 1] = image.shape;
  paint(canvas, image, height, width, channels);
}

// A new canvas with an image of an array.
export function pictureOf(images, index) {
  const canvas = document.createElement("canvas");
  canvas.className = "pixels";
  canvas.setAttribute("aria-hidden", "true");
  paintFrom(canvas, images, index);
  return canvas;
}

// Let the browser save bytes as a file.
export function save(bytes, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
