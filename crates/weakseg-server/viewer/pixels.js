// From the PNGs in an answer to numbers. They come in base 64, since the page's policy lets no picture in that has no address here.

/// Width, height and RGBA of a PNG.
export async function picture(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const blob = new Blob([bytes], { type: "image/png" });
  // Numbers, not colours: nothing may be adapted to the screen.
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const context = blank(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

/// Width, height and one value a pixel of a grey PNG.
async function plane(base64) {
  const { width, height, data } = await picture(base64);
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) values[i] = data[4 * i];
  return { width, height, values };
}

/// A layer of an answer with its planes decoded.
export async function layer(answer) {
  const planes = answer.planes.map(async ({ class: k, png }) => ({ class: k, ...(await plane(png)) }));
  return { ...answer, planes: await Promise.all(planes) };
}

/// An image or a layer's picture to draw on.
export function blank(width, height) {
  return new OffscreenCanvas(width, height);
}

/// A canvas of these RGBA values.
export function painted(width, height, data) {
  const canvas = blank(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}
