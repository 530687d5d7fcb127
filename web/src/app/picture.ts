// Makes a picture small enough for a portrait: square, and light enough for one frame.

const SIDE = 512;

/** The middle of a picture as JPEG in base 64. */
export async function shrink(file: Blob): Promise<string> {
  const picture = await createImageBitmap(file);
  const side = Math.min(picture.width, picture.height);
  const size = Math.min(SIDE, side);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const pen = canvas.getContext('2d');
  if (!pen) throw new Error('The browser cannot draw.');
  // JPEG knows no transparency: what shows through is white.
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, size, size);
  pen.drawImage(picture, (picture.width - side) / 2, (picture.height - side) / 2, side, side, 0, 0, size, size);
  picture.close();
  return canvas.toDataURL('image/jpeg', 0.86).split(',')[1] ?? '';
}
